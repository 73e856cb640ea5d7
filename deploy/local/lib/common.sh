# Where things are, and how we talk. Sourced by every script here; runs nothing.
# shellcheck shell=bash disable=SC2034

# --- places --------------------------------------------------------------------------
# LOCAL is deploy/local of the checkout, or the copy in the state folder that the
# supervised parts use, so that a checkout may change branch while the stack runs.
LOCAL=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
REPO=$(cd "$LOCAL/../.." && pwd)

STATE=/var/lib/hops-local            # all state: databases, keys, images, logs
RUN=/run/hops-local                  # sockets, and what must not outlive a reboot
CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/hops
BIN=$STATE/bin                       # links to the programs in use, by their plain names
LOG=$STATE/log
LOCK=/run/lock/hops-local.lock

# --- addresses -----------------------------------------------------------------------
BRIDGE=hops0
POD_BRIDGE=hops-pods
NODE=hops-local                      # the node's name in Kubernetes
NODE_IP=10.240.0.1
NODE_NET=10.240.0.0/24
POD_NET=10.244.0.0/22
POD_GATEWAY=10.244.0.1               # as pods see the machine, and so its ingress
SERVICE_NET=10.96.0.0/16
CGROUP=hops-local                    # every process and pod of ours is below this cgroup

API_URL=https://$NODE_IP:6443
ETCD_PORT=12379
POSTGRES_PORT=54329
POSTGRES_APPS_PORT=5433
S3_LISTEN=127.0.0.1:7070
INGRESS_PORT=8081
METRICS_PORT=4443
PLATFORM_LISTEN=127.0.0.1:8080
HOPS_URL_LOCAL=http://$PLATFORM_LISTEN
BUILDKIT_SOCKET=$RUN/buildkitd.sock
CONTAINERD_SOCKET=$RUN/containerd/containerd.sock
ADMIN_KUBECONFIG=$STATE/admin.kubeconfig
PLATFORM_KUBECONFIG=$STATE/platform.kubeconfig

# --- a Kubernetes that is at hand already -----------------------------------------------
# With HOPS_KUBECONFIG we start only what is not part of a cluster. What was chosen is kept
# in the state folder, so that stop, status and env need no environment of their own.
EXTERNAL_FILE=$STATE/external-cluster
# An empty HOPS_KUBECONFIG means "not any more".
if [ -z "${HOPS_KUBECONFIG+set}" ] && [ -r "$EXTERNAL_FILE" ]; then
  # shellcheck source=/dev/null
  . "$EXTERNAL_FILE"
fi
if [ -n "${HOPS_KUBECONFIG:-}" ]; then
  ADMIN_KUBECONFIG=$HOPS_KUBECONFIG
  REGISTRY=${HOPS_REGISTRY:-}
  REGISTRY_INSECURE=${HOPS_REGISTRY_INSECURE:-false}
  INGRESS_URL=${HOPS_INGRESS_URL:-http://localhost:$INGRESS_PORT}
  DOMAIN=${HOPS_DOMAIN:-localhost}
  INGRESS_FLAVOUR=${HOPS_INGRESS_FLAVOUR:-ingress-nginx}
  INGRESS_FROM=${HOPS_INGRESS_FROM:-ingress-nginx}
  CALLER_IMAGE=${HOPS_CALLER_IMAGE:-docker.io/curlimages/curl:8.20.0}
  # Its pods do not reach a Postgres of this machine; the platform knows an image by itself.
  POSTGRES_SERVERS=${HOPS_POSTGRES_SERVERS:-}
  PGBOUNCER_IMAGE=${HOPS_PGBOUNCER_IMAGE:-}
  PARTS=(postgres buildkitd platform)
else
  REGISTRY=$NODE_IP:5000
  REGISTRY_INSECURE=true
  INGRESS_URL=http://localhost:$INGRESS_PORT
  DOMAIN=localhost
  INGRESS_FLAVOUR=traefik
  INGRESS_FROM=$POD_GATEWAY/32
  CALLER_IMAGE=$REGISTRY/hops/curl:1
  POSTGRES_SERVERS=$STATE/etc/postgres-servers.toml
  PGBOUNCER_IMAGE=$REGISTRY/hops/pgbouncer:1
  PARTS=(etcd postgres postgres-apps versitygw registry containerd buildkitd kube-apiserver kube-controller-manager
    kube-scheduler kubelet kube-proxy coredns metrics-server traefik platform)
fi

# --- talking -------------------------------------------------------------------------
if [ -t 1 ]; then BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else BOLD='' DIM='' RED='' GREEN='' PLAIN=''; fi

say() { printf '%s\n' "$*"; }
note() { printf '%s        %s%s\n' "$DIM" "$*" "$PLAIN"; }
warn() { printf '%swarning:%s %s\n' "$BOLD" "$PLAIN" "$*" >&2; }

# die MESSAGE [HINT...]: every hint on a line of its own.
die() {
  printf '%serror:%s %s\n' "$RED" "$PLAIN" "$1" >&2
  shift
  [ $# -eq 0 ] || { printf '\n' >&2; printf 'hint: %s\n' "$@" >&2; }
  exit 1
}

# took SECONDS: 75 -> 1:15
took() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# --- small tools ----------------------------------------------------------------------
need_root() {
  [ "$(id -u)" -eq 0 ] || die "this needs root: it makes a bridge, mounts and cgroups" \
    "run it again as:  sudo -E $0 $*"
}

# Only one of run, stop and reset at a time. The descriptor must not reach anything that
# stays running: start_supervisor closes it.
take_lock() {
  mkdir -p "$(dirname "$LOCK")"
  exec 9>>"$LOCK"
  flock -n 9 && return
  say "another deploy/local command is at work; waiting for it (up to 30 min) ..."
  flock -w 1800 9 || die "another deploy/local command is still at work" "fuser -v $LOCK  shows which"
}

# until_true SECONDS COMMAND...: true as soon as COMMAND is, false at the deadline.
until_true() {
  local deadline=$(($(date +%s%3N) + $1 * 1000))
  shift
  while ! "$@" >/dev/null 2>&1; do
    [ "$(date +%s%3N)" -lt "$deadline" ] || return 1
    sleep 0.1
  done
}

# write_if_changed FILE [MODE]: standard input becomes FILE at once or not at all.
write_if_changed() {
  local temp
  temp=$(mktemp "$1.XXXXXX")
  cat >"$temp"
  chmod "${2:-0644}" "$temp"
  if [ -e "$1" ] && cmp -s "$temp" "$1"; then rm -f "$temp"; else mv -f "$temp" "$1"; fi
}

# render FILE: the file with @NAME@ replaced by what this machine has.
render() {
  sed -e "s|@STATE@|$STATE|g" -e "s|@RUN@|$RUN|g" -e "s|@BIN@|$BIN|g" -e "s|@LOG@|$LOG|g" \
    -e "s|@NODE@|$NODE|g" -e "s|@NODE_IP@|$NODE_IP|g" -e "s|@NODE_NET@|$NODE_NET|g" \
    -e "s|@POD_NET@|$POD_NET|g" -e "s|@SERVICE_NET@|$SERVICE_NET|g" -e "s|@POD_BRIDGE@|$POD_BRIDGE|g" \
    -e "s|@CGROUP@|$CGROUP|g" -e "s|@ETCD_PORT@|$ETCD_PORT|g" -e "s|@API_URL@|$API_URL|g" \
    -e "s|@POSTGRES_PORT@|$POSTGRES_PORT|g" -e "s|@POSTGRES_APPS_PORT@|$POSTGRES_APPS_PORT|g" \
    -e "s|@S3_LISTEN@|$S3_LISTEN|g" \
    -e "s|@INGRESS_PORT@|$INGRESS_PORT|g" -e "s|@METRICS_PORT@|$METRICS_PORT|g" \
    -e "s|@REGISTRY@|$REGISTRY|g" -e "s|@REGISTRY_INSECURE@|$REGISTRY_INSECURE|g" \
    -e "s|@INGRESS_URL@|$INGRESS_URL|g" -e "s|@DOMAIN@|$DOMAIN|g" \
    -e "s|@INGRESS_FLAVOUR@|$INGRESS_FLAVOUR|g" -e "s|@INGRESS_FROM@|$INGRESS_FROM|g" \
    -e "s|@CALLER_IMAGE@|$CALLER_IMAGE|g" \
    -e "s|@POSTGRES_SERVERS@|$POSTGRES_SERVERS|g" -e "s|@PGBOUNCER_IMAGE@|$PGBOUNCER_IMAGE|g" \
    -e "s|@BUILDKIT_SOCKET@|$BUILDKIT_SOCKET|g" -e "s|@CONTAINERD_SOCKET@|$CONTAINERD_SOCKET|g" \
    -e "s|@PLATFORM_LISTEN@|$PLATFORM_LISTEN|g" -e "s|@PG_BIN@|${PG_BIN:-}|g" "$1"
}

supervisor() { supervisorctl -c "$STATE/etc/supervisord.conf" "$@"; }
supervisor_pid() {
  local pid
  pid=$(cat "$RUN/supervisord.pid" 2>/dev/null) || return 1
  # A pid from before a crash may be anybody's by now.
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q "$STATE/etc/supervisord.conf" || return 1
  printf '%s' "$pid"
}

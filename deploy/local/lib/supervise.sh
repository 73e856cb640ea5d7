# Writes the parts' configuration, starts the supervisor, restarts what changed.
# shellcheck shell=bash

# The files of etc/ that each part reads.
files_of() {
  case $1 in
    postgres) echo postgresql.conf ;;
    postgres-apps) echo postgres-apps.conf postgres-apps-hba.conf postgres-apps-ident.conf ;;
    registry) echo registry.yaml ;;
    containerd) echo containerd.toml cni.conflist ;;
    buildkitd) echo buildkitd.toml ;;
    kube-scheduler | kube-proxy | kubelet) echo "$1.yaml" ;;
    coredns) echo Corefile ;;
    platform) echo postgres-servers.toml ;;
  esac
}

write_configuration() {
  local file
  mkdir -p "$STATE/etc/cni" "$STATE/etc/registries/$NODE_IP:5000" "$STATE/etc/registries/docker.io"
  for file in postgresql.conf postgres-apps.conf postgres-apps-hba.conf postgres-apps-ident.conf postgres-servers.toml \
    registry.yaml containerd.toml buildkitd.toml kubelet.yaml kube-proxy.yaml kube-scheduler.yaml Corefile; do
    render "$LOCAL/etc/$file" | write_if_changed "$STATE/etc/$file"
  done
  render "$LOCAL/etc/cni.conflist" | write_if_changed "$STATE/etc/cni/10-$POD_BRIDGE.conflist"
  render "$LOCAL/etc/registry-local.toml" | write_if_changed "$STATE/etc/registries/$NODE_IP:5000/hosts.toml"
  render "$LOCAL/etc/registry-docker.io.toml" | write_if_changed "$STATE/etc/registries/docker.io/hosts.toml"
  resolv_conf | write_if_changed "$STATE/etc/resolv.conf"
  [ -n "${HOPS_KUBECONFIG:-}" ] || encryption | write_if_changed "$STATE/etc/encryption.yaml" 0600
  # The parts use a copy of our scripts: a checkout may change branch under them.
  mkdir -p "$STATE/lib"
  for file in "$LOCAL"/lib/*; do
    # shellcheck disable=SC2094
    write_if_changed "$STATE/lib/$(basename "$file")" "$(stat -c %a "$file")" <"$file"
  done
  # First in full, then into its place: half of it would end half of the parts.
  local conf
  conf=$(supervisor_conf)
  write_if_changed "$STATE/etc/supervisord.conf" <<<"$conf"
}

# This machine's name servers, for CoreDNS. Without any there must still be one to ask.
resolv_conf() {
  grep -s '^nameserver' /etc/resolv.conf || echo 'nameserver 127.0.0.1:9'
}

supervisor_conf() {
  render "$LOCAL/etc/supervisord.conf" | sed '/^  HOPS_[A-Z_]*="",$/d' | ipv6_lines | parts_only | with_common_settings
}

# What the apiserver encrypts in etcd. What was there before is read as it is, and encrypted
# when it is next written.
encryption() {
  cat <<YAML
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - secretbox: { keys: [{ name: hops-local, secret: "$(cat "$STATE/encryption.key")" }] }
      - identity: {}
YAML
}

# Lines marked @IPV6: are for machines that have it.
ipv6_lines() {
  if [ -e /proc/sys/net/ipv6 ] && ip -6 addr show dev lo 2>/dev/null | grep -q ::1; then sed 's/@IPV6://'
  else sed '/@IPV6:/d'; fi
}

parts_only() {
  awk -v parts=" ${PARTS[*]} " '/^\[/ {keep = 1}
    /^\[program:/ {name = $0; gsub(/^\[program:|\]$/, "", name); keep = index(parts, " " name " ")}
    keep'
}

# 1000000 tries: never give up. A part that ends within a second is tried again after one
# second, then two, and so on; one that ran for longer is started again at once.
with_common_settings() {
  local name digests=
  for name in "${PARTS[@]}"; do digests+="$name=$(digest_of "$name") "; done
  awk -v digests="$digests" -v logs="$LOG" '
    BEGIN { n = split(digests, pairs, " "); for (i = 1; i <= n; i++) { split(pairs[i], p, "="); digest[p[1]] = p[2] } }
    /^\[program:/ {
      name = $0; gsub(/^\[program:|\]$/, "", name)
      print
      print "autostart=true\nautorestart=true\nstartsecs=1\nstartretries=1000000"
      print "stdout_logfile=" logs "/" name ".log\nstdout_logfile_maxbytes=10MB\nstdout_logfile_backups=1\nredirect_stderr=true"
      next
    }
    { gsub(/@CONFIG@/, digest[name]); print }'
}

# What a part is made of beside its section: its files, its program, its keys.
digest_of() {
  local file
  {
    for file in $(files_of "$1"); do
      case $file in cni.conflist) file=cni/10-$POD_BRIDGE.conflist ;; esac
      cat "$STATE/etc/$file"
    done
    case $1 in
      postgres-apps) cat "$STATE/pki/postgres-apps.crt" ;;
      platform)
        same_file "$BIN/hops-platform"; cat "$STATE/token" "$STATE/key" "$STATE/postgres.password"; cat "$LOCAL/lib/platform"
        own_cluster cat "$STATE/postgres-apps.password" "$STATE/pki/postgres-ca.crt"
        ;;
      versitygw) readlink "$BIN/$1"; cat "$STATE/s3.credentials" "$LOCAL/lib/versitygw" ;;
      buildkitd | coredns | traefik) readlink "$BIN/$1" ;;
      kube-apiserver) cat "$STATE/etc/encryption.yaml" ;;&
      kube* | metrics-server) readlink "$BIN/$1"; cat "$STATE/pki/generation" ;;
    esac
    if [ "$1" = coredns ]; then cat "$STATE/etc/resolv.conf"; fi
  } | sha256sum | cut -c1-16
}

# In a session and a cgroup of its own, so that neither Ctrl-C nor a closed terminal ends
# it, and so that everything it starts can be found again.
start_supervisor() {
  if supervisor_pid >/dev/null; then
    cmp -s "$STATE/etc/supervisord.conf" "$RUN/supervisord.conf" || supervisor update >/dev/null
    # The ones that somebody stopped by hand. (Those that run make it answer with an error.)
    all_parts_ready || supervisor start all >/dev/null 2>&1 || true
    cp "$STATE/etc/supervisord.conf" "$RUN/supervisord.conf"
    return
  fi
  rm -f "$RUN/supervisord.pid" "$RUN/supervisor.sock"
  (
    exec 9>&- </dev/null
    echo "$BASHPID" >"$(cgroup_for_processes)/$CGROUP/parts/cgroup.procs"
    ulimit -n "$(open_files)" 2>/dev/null || true
    cd /
    # Nothing of the caller's environment but what programs need.
    exec setsid env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      HOME=/root LANG=C.UTF-8 TZ="${TZ:-}" supervisord -c "$STATE/etc/supervisord.conf"
  )
  until_true 10 supervisor pid || die "the supervisor did not start" "see $LOG/supervisord.log"
  cp "$STATE/etc/supervisord.conf" "$RUN/supervisord.conf"   # what it was told last
}

all_parts_ready() {
  local part
  for part in "${PARTS[@]}"; do "ready_$part" || return 1; done
}

open_files() {
  local hard
  hard=$(ulimit -Hn)
  if [ "$hard" = unlimited ] || [ "$hard" -gt 65536 ]; then echo 65536; else echo "$hard"; fi
}

# wait_for_parts SECONDS PART...
wait_for_parts() {
  local seconds=$1 part started=$SECONDS
  shift
  for part in "$@"; do
    if ! until_true $((seconds - (SECONDS - started) > 1 ? seconds - (SECONDS - started) : 1)) "ready_$part"; then
      die "$part did not become ready within $seconds s" \
        "the end of $LOG/$part.log:" "$(tail -n 5 "$LOG/$part.log" 2>/dev/null)" \
        "deploy/local/status shows all parts; running deploy/local/run again is safe"
    fi
  done
}

# What comes from Debian, installed without starting a single one of its services.
# shellcheck shell=bash

POLICY=/usr/sbin/policy-rc.d
PG_POLICY=/etc/postgresql-common/createcluster.d/hops-local.conf

# A program that each package brings, by which we see that the package is there.
packages_wanted() {
  cat <<'LIST'
curl            curl
openssl         openssl
supervisord     supervisor
/usr/lib/postgresql/*/bin/postgres  postgresql
LIST
  [ -n "${HOPS_KUBECONFIG:-}" ] || cat <<'LIST'
etcd            etcd-server
containerd      containerd
/usr/lib/cni/bridge  containernetworking-plugins
docker-registry docker-registry
ip              iproute2
nft             nftables
/usr/sbin/pgbouncer  pgbouncer
LIST
  # buildkitd runs its steps with runc; images are made of busybox.
  cat <<'LIST'
runc            runc
/bin/busybox    busybox-static
ps              procps
flock           util-linux
LIST
}

packages_missing() {
  local program package
  packages_wanted | while read -r program package; do
    case $program in
      # Debian's other busybox is linked against libc, which an empty image has not.
      /bin/busybox) dpkg-query -W -f '${Status}' busybox-static 2>/dev/null | grep -q ' installed' || echo "$package" ;;
      /*) compgen -G "$program" >/dev/null || echo "$package" ;;
      *) command -v "$program" >/dev/null || echo "$package" ;;
    esac
  done
}

install_packages() {
  local missing
  packages_allow_services   # in case an earlier run was killed in the middle
  missing=$(packages_missing | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  note "from Debian: $missing"
  packages_forbid_services
  # shellcheck disable=SC2086
  if ! { apt_get update && apt_get install -y --no-install-recommends $missing; } </dev/null; then
    packages_allow_services
    die "apt-get could not install: $missing" "see $LOG/packages.log" "is this Debian 12 with working sources?"
  fi
  packages_allow_services
  disable_services "$missing"
}

# We use the programs, not Debian's services of them, which would start with the next boot.
# Whoever had one installed before keeps it as it is.
disable_services() {
  local package service
  for package in $1; do
    case $package in
      etcd-server) service=etcd ;;
      containerd | docker-registry | pgbouncer | supervisor) service=$package ;;
      *) continue ;;
    esac
    if command -v systemctl >/dev/null; then systemctl disable "$service" >>"$LOG/packages.log" 2>&1 || true; fi
    update-rc.d "$service" disable >>"$LOG/packages.log" 2>&1 || true
  done
}

# Ctrl-C waits until apt-get has ended: a half-installed package helps nobody. What an
# earlier kill left half-installed is finished first.
apt_get() {
  (
    trap '' INT
    export DEBIAN_FRONTEND=noninteractive
    dpkg --configure -a && apt-get -q "$@"
  ) >>"$LOG/packages.log" 2>&1 9>&-
}

# Debian starts services as it installs them, and makes a Postgres cluster. Both have a
# switch; ours are marked as ours and taken away again.
packages_forbid_services() {
  if [ ! -e "$POLICY" ]; then
    printf '#!/bin/sh\n# hops deploy/local: for the length of one apt-get\nexit 101\n' >"$POLICY"
    chmod 0755 "$POLICY"
  elif ! "$POLICY" postgresql start >/dev/null 2>&1; then
    :  # services are forbidden here anyway
  else
    warn "$POLICY of this machine lets Debian start the services that are installed now"
  fi
  mkdir -p "$(dirname "$PG_POLICY")"
  echo 'create_main_cluster = false' >"$PG_POLICY"
}

packages_allow_services() {
  if grep -qs 'hops deploy/local' "$POLICY"; then rm -f "$POLICY"; fi
  rm -f "$PG_POLICY"
  # Only if they were empty before us, which is if the package is not there.
  rmdir --ignore-fail-on-non-empty -p "$(dirname "$PG_POLICY")" 2>/dev/null || true
}

# The newest Postgres of this machine, or the one that our data was made with.
find_postgres() {
  local version
  if [ -r "$STATE/postgres/PG_VERSION" ]; then
    version=$(cat "$STATE/postgres/PG_VERSION")
    PG_BIN=/usr/lib/postgresql/$version/bin
    [ -x "$PG_BIN/postgres" ] || die "the data in $STATE/postgres is of Postgres $version, which is not installed any more" \
      "apt-get install postgresql-$version" "or forget the data:  deploy/local/reset"
  else
    PG_BIN=$(compgen -G '/usr/lib/postgresql/*/bin/postgres' | sort -V | tail -1 | xargs -r dirname)
  fi
}

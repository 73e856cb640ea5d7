# What we change on the machine, and how it is put back: bridge, routes, nftables, sysctls,
# cgroups, mounts.
# shellcheck shell=bash

# --- sysctls -------------------------------------------------------------------------------

# All that we, the kubelet or the CNI plugins may write. Restored in this order: writing
# ip_forward resets the ones below it.
sysctls() {
  (cd /proc/sys && compgen -G 'net/ipv4/ip_forward'
    compgen -G 'net/ipv4/conf/*/forwarding'
    compgen -G 'net/ipv4/conf/*/accept_redirects'
    compgen -G 'net/ipv4/conf/*/route_localnet'
    compgen -G 'net/ipv6/conf/*/forwarding'
    compgen -G 'net/bridge/bridge-nf-call-ip*tables'
    for key in fs/inotify/max_user_instances vm/overcommit_memory vm/panic_on_oom kernel/panic \
      kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes \
      net/netfilter/nf_conntrack_max net/netfilter/nf_conntrack_tcp_timeout_established \
      net/netfilter/nf_conntrack_tcp_timeout_close_wait net/netfilter/nf_conntrack_tcp_be_liberal; do
      compgen -G "$key" || true
    done) || true
}

boot_id() { cat /proc/sys/kernel/random/boot_id; }

# Only before the first change since the last boot or `stop`.
remember_sysctls() {
  local file=$STATE/sysctls-before key
  [ "$(head -n 1 "$file" 2>/dev/null)" = "$(boot_id)" ] && return
  { boot_id; sysctls | while read -r key; do printf '%s %s\n' "$key" "$(cat "/proc/sys/$key")"; done; } >"$file.new"
  mv "$file.new" "$file"
}

restore_sysctls() {
  local file=$STATE/sysctls-before key value
  [ -r "$file" ] || return 0
  if [ "$(head -n 1 "$file")" = "$(boot_id)" ]; then
    while read -r key value; do
      [ -e "/proc/sys/$key" ] || continue   # an interface that is gone
      [ "$(cat "/proc/sys/$key")" = "$value" ] || printf '%s' "$value" >"/proc/sys/$key" || true
    done < <(tail -n +2 "$file")
  fi
  rm -f "$file"
}

set_sysctl() { [ ! -e "/proc/sys/$1" ] || [ "$(cat "/proc/sys/$1")" = "$2" ] || printf '%s' "$2" >"/proc/sys/$1"; }

raise_sysctl() { [ "$(cat "/proc/sys/$1")" -ge "$2" ] || printf '%s' "$2" >"/proc/sys/$1"; }

# --- network -------------------------------------------------------------------------------

# Somebody else's network on our addresses would make for a long search.
check_addresses() {
  local net device
  for net in "$NODE_IP" "${POD_NET%/*}" "${SERVICE_NET%/*}"; do
    device=$(ip -4 route get "$net" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p;s/^local .*/lo/p' | head -1)
    [ -n "$device" ] || continue
    ip -4 route show | grep -v ^default | awk '{print $1, $0}' | while read -r prefix line; do
      case " $line " in *" dev $BRIDGE "* | *" dev $POD_BRIDGE "*) continue ;; esac
      if same_net "$prefix" "$net"; then
        die "the network of $net is in use on this machine: $line" \
          "the local stack needs $NODE_NET, $POD_NET and $SERVICE_NET for itself"
      fi
    done || exit 1
  done
}

# same_net PREFIX ADDRESS: does 10.0.0.0/8 hold 10.240.0.1?
same_net() {
  local length=${1#*/} a b
  case $1 in */*) ;; *) length=32 ;; esac
  IFS=. read -r -a a <<<"${1%/*}"
  IFS=. read -r -a b <<<"$2"
  [ ${#a[@]} -eq 4 ] || return 1
  local x=$(((a[0] << 24) + (a[1] << 16) + (a[2] << 8) + a[3])) y=$(((b[0] << 24) + (b[1] << 16) + (b[2] << 8) + b[3]))
  [ $((x >> (32 - length))) -eq $((y >> (32 - length))) ]
}

make_network() {
  if [ ! -e "$RUN/network-made" ] && nft list table ip kube-proxy >/dev/null 2>&1; then
    die "another Kubernetes keeps its Services in this machine's nftables" \
      "HOPS_KUBECONFIG=… HOPS_REGISTRY=… $0   uses that one"
  fi
  : >"$RUN/network-made"
  load_modules
  remember_sysctls
  set_sysctl net/ipv4/ip_forward 1
  # A pod that calls a Service whose pod is on the same bridge: the answer must pass the
  # translation too, not go straight across the bridge.
  set_sysctl net/bridge/bridge-nf-call-iptables 1
  # Every pod's shim, the kubelet and the log readers of tests use some.
  raise_sysctl fs/inotify/max_user_instances 1024

  ip link show "$BRIDGE" >/dev/null 2>&1 || ip link add "$BRIDGE" type bridge
  ip addr replace "$NODE_IP/${NODE_NET#*/}" dev "$BRIDGE"
  ip link set "$BRIDGE" up
  # Packets to a Service are translated on their way; this is only so that none leaves the
  # machine when there is nothing to translate it to.
  ip route replace "$SERVICE_NET" dev "$BRIDGE"
  # Pods reach the outside under the machine's address.
  nft -f - <<NFT
table ip hops-local
delete table ip hops-local
table ip hops-local {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr $POD_NET ip daddr != { $POD_NET, $NODE_NET, $SERVICE_NET } masquerade
  }
}
NFT
}

# Kernels with everything built in have no modprobe and need none.
load_modules() {
  command -v modprobe >/dev/null || return 0
  local module
  for module in overlay bridge br_netfilter nf_tables nf_conntrack; do modprobe -q "$module" || true; done
}

# Only what make_network led to: kube-proxy's tables could be somebody else's.
remove_network() {
  local table link
  [ -e "$RUN/network-made" ] || return 0
  if command -v nft >/dev/null; then
    for table in 'ip hops-local' 'ip kube-proxy' 'ip6 kube-proxy'; do
      # shellcheck disable=SC2086
      nft delete table $table 2>/dev/null || true
    done
  fi
  for link in $(ip -o link show master "$POD_BRIDGE" 2>/dev/null | sed 's/^[0-9]*: \([^@:]*\).*/\1/') "$POD_BRIDGE" "$BRIDGE"; do
    ip link delete "$link" 2>/dev/null || true
  done
}

# --- cgroups -------------------------------------------------------------------------------

# Where a cgroup of ours has to be made: every hierarchy of version 1, or version 2's one.
cgroup_roots() {
  if grep -q ' - cgroup ' /proc/self/mountinfo; then
    awk '/ - cgroup / {print $5}' /proc/self/mountinfo
  else
    awk '/ - cgroup2 / {print $5; exit}' /proc/self/mountinfo
  fi
}

# Where programs make cgroups of ours: beside those also in version 2's hierarchy when it has
# no controllers of its own (a "hybrid" machine).
all_cgroup_roots() { awk '/ - cgroup2? / {print $5}' /proc/self/mountinfo; }

# The hierarchy by which we find our own processes.
cgroup_for_processes() {
  local roots
  roots=$(cgroup_roots)
  { grep -m 1 '/pids$' <<<"$roots" || head -n 1 <<<"$roots"; }
}

make_cgroups() {
  local root file
  for root in $(cgroup_roots); do
    mkdir -p "$root/$CGROUP"
    # Version 1's cpusets start empty, and nothing can run in an empty one.
    for file in cpuset.cpus cpuset.mems; do
      if [ -e "$root/$CGROUP/$file" ] && [ -e "$root/$file" ] && [ -z "$(cat "$root/$CGROUP/$file")" ]; then
        cat "$root/$file" >"$root/$CGROUP/$file"
      fi
    done
    # As a whole they would get as much of a busy machine as one program beside them, say a compiler:
    # too little for a readiness probe, whose deadline is two seconds.
    for file in cpu.shares:8192 cpu.weight:800; do
      [ ! -e "$root/$CGROUP/${file%:*}" ] || echo "${file#*:}" >"$root/$CGROUP/${file%:*}"
    done
  done
  mkdir -p "$(cgroup_for_processes)/$CGROUP/parts"
}

# Everything of ours that runs: parts, shims, containers, build steps. Or what runs in one
# cgroup below ours.
our_processes() {
  local root
  for root in $(all_cgroup_roots); do
    find "$root/$CGROUP/${1:-}" -name cgroup.procs -exec cat {} + 2>/dev/null || true
  done | sort -un
}

remove_cgroups() {
  local root
  for root in $(all_cgroup_roots); do
    [ ! -d "$root/$CGROUP" ] || find "$root/$CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
}

# --- folders outside of ours ------------------------------------------------------------------

# Places that containerd, runc, the CNI plugins and the kubelet use wherever their own root is.
# The ones that are not there before the first start are taken away by `stop`.
OUTSIDE=(/run/containerd /run/runc /var/lib/cni /var/lib/kubelet /var/log/containers /usr/libexec/kubernetes)

remember_folders() {
  local folder
  [ ! -e "$STATE/folders-made" ] || return 0
  for folder in "${OUTSIDE[@]}"; do
    [ -e "$folder" ] || printf '%s\n' "$folder"
  done >"$STATE/folders-made.new"
  mv "$STATE/folders-made.new" "$STATE/folders-made"
}

remove_folders() {
  local folder
  # Where somebody else's were before: only what is ours in them.
  rm -f /var/lib/cni/results/"$POD_BRIDGE"-* /var/lib/cni/cache/results/"$POD_BRIDGE"-*
  [ ! -d /var/log/containers ] || find /var/log/containers -type l -lname "$STATE/*" -delete
  [ -r "$STATE/folders-made" ] || return 0
  for folder in "${OUTSIDE[@]}"; do
    if grep -qxF "$folder" "$STATE/folders-made"; then rm -rf --one-file-system "$folder"; fi
  done
  rm -f "$STATE/folders-made"
}

# --- mounts --------------------------------------------------------------------------------

our_mounts() { awk -v state="$STATE/" -v run="$RUN/" 'index($5, state) == 1 || index($5, run) == 1 {print $5}' /proc/self/mountinfo | sort -r; }

remove_mounts() {
  local mount round
  for round in 1 2 3; do
    our_mounts | while read -r mount; do
      mount=$(printf '%b' "$mount")   # mountinfo writes a blank as \040
      umount "$mount" 2>/dev/null || { [ "$round" -lt 3 ] || umount -l "$mount" || true; }
    done
    [ -n "$(our_mounts)" ] || return 0
  done
}

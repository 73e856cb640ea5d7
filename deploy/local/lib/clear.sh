# Ends everything of ours and puts the machine back as it was. Needs machine.sh. Each step
# is safe when there is nothing to do, so a stop that was interrupted is simply run again.
# shellcheck shell=bash

stop_everything() {
  stop_pods
  stop_supervisor
  clear_machine
}

# What is left when nothing is supervised any more; also what a killed run left behind.
clear_machine() {
  end_processes
  remove_mounts
  remove_network
  remove_cgroups
  restore_sysctls
  remove_folders
  rm -rf --one-file-system "$RUN" "$STATE/cni"
}

# While containerd still works: ask what runs in pods to end, give it a moment, and make
# containerd forget the containers, so that the next start has not to find out that they are
# gone.
stop_pods() {
  supervisor_pid >/dev/null || return 0
  supervisor stop platform kubelet traefik >/dev/null 2>&1 || true
  signal_processes TERM kubepods
  until_true 3 no_pod_works || true
  signal_processes KILL kubepods
  [ -S "$CONTAINERD_SOCKET" ] || return 0
  local ids
  ids=$(containers containers list -q) || return 0
  # shellcheck disable=SC2086
  [ -z "$ids" ] || { containers tasks delete --force $ids; containers containers delete $ids; } >/dev/null 2>&1 || true
}

containers() { timeout 20 ctr -a "$CONTAINERD_SOCKET" -n k8s.io "$@" 2>/dev/null; }

# The pause processes stay until they are killed; they do not count.
no_pod_works() {
  local pid
  for pid in $(our_processes kubepods); do
    [ "$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")" = '/bin/busybox tail -f /dev/null ' ] || return 1
  done
}

stop_supervisor() {
  local pid
  pid=$(supervisor_pid) || return 0
  supervisor shutdown >/dev/null 2>&1 || kill -TERM "$pid" 2>/dev/null || true
  until_true 60 supervisor_is_gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
}
supervisor_is_gone() { ! kill -0 "$1" 2>/dev/null; }

# By cgroup, so that it is ours and nobody else's; the ones that outlived their parent too.
end_processes() {
  local signal
  for signal in TERM KILL; do
    signal_processes "$signal"
    until_true "$([ $signal = TERM ] && echo 5 || echo 10)" no_process_left && return
  done
  warn "some processes would not end: $(our_processes | tr '\n' ' ')"
}
no_process_left() { [ -z "$(our_processes)" ]; }
signal_processes() {  # signal [cgroup below ours]
  local pid
  for pid in $(our_processes "${2:-}"); do kill "-$1" "$pid" 2>/dev/null || true; done
}

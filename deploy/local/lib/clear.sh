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

# While containerd still works: ask every container to end, give it a moment, and forget
# it, so that the next start does not have to find out that it is gone.
stop_pods() {
  supervisor_pid >/dev/null || return 0
  supervisor stop platform kubelet traefik >/dev/null 2>&1 || true
  [ -S "$CONTAINERD_SOCKET" ] || return 0
  signal_containers SIGTERM
  until_true 3 no_container_runs || true
  signal_containers SIGKILL
  until_true 5 no_container_runs || true
  local ids
  ids=$(containers containers list -q) || return 0
  # shellcheck disable=SC2086
  [ -z "$ids" ] || { containers tasks delete --force $ids; containers containers delete $ids; } >/dev/null 2>&1 || true
}

containers() { timeout 10 ctr -a "$CONTAINERD_SOCKET" -n k8s.io "$@" 2>/dev/null; }
running_containers() { containers tasks list | awk 'NR > 1 && $3 == "RUNNING" {print $1}'; }
no_container_runs() { [ -z "$(running_containers)" ]; }
signal_containers() {
  local id
  for id in $(running_containers); do containers tasks kill --signal "$1" "$id" >/dev/null || true; done
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
signal_processes() {
  local pid
  for pid in $(our_processes); do kill "-$1" "$pid" 2>/dev/null || true; done
}

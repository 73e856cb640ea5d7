# The Go parts: built once per version and flags, kept in the cache.
# shellcheck shell=bash

# part | programs | package of each (. = the module's own main) | extra linker flags | usual minutes, cold, on 2 cores
go_parts() {
  local kubernetes_flags='-X k8s.io/component-base/version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36'
  local buildkit='buildkit|github.com/moby/buildkit/cmd/buildkitd github.com/moby/buildkit/cmd/buildctl github.com/moby/buildkit/frontend/dockerfile/cmd/dockerfile-frontend||1 min 30 s'
  local kubectl="kubernetes|k8s.io/kubernetes/cmd/kubectl|$kubernetes_flags|2 min"
  if [ -n "${HOPS_KUBECONFIG:-}" ]; then
    command -v kubectl >/dev/null || echo "$kubectl"
    echo "$buildkit"
    return
  fi
  echo "kubernetes|. k8s.io/kubernetes/cmd/kubectl|$kubernetes_flags|5 min"
  echo "$buildkit"
  echo "coredns|github.com/coredns/coredns||1 min 30 s"
  echo "traefik|github.com/traefik/traefik/v3/cmd/traefik||4 min 30 s"
  echo "versitygw|github.com/versity/versitygw/cmd/versitygw||2 min"
  echo "metrics-server|sigs.k8s.io/metrics-server/cmd/metrics-server||3 min 30 s"
}

# What the cache is keyed by: everything that decides what comes out.
part_key() {  # part packages flags
  local dir=$LOCAL/parts/$1 version
  version=$(awk '$1 ~ /\/(kubernetes|buildkit|coredns|traefik\/v3|metrics-server|versitygw)$/ && $2 ~ /^v/ {print $2; exit} $1 == "require" && $3 ~ /^v/ {print $3; exit}' "$dir/go.mod")
  printf '%s-%s-%s' "$1" "$version" \
    "$({ cat "$dir"/go.mod "$dir"/go.sum; cat "$dir"/*.go "$dir"/*.patch 2>/dev/null || true; echo "$2 $3"; go env GOVERSION GOARCH; } | sha256sum | cut -c1-12)"
}

# Builds what is missing and points $BIN at it.
build_go_parts() {
  local part packages flags usual key
  while IFS='|' read -r part packages flags usual <&3; do
    key=$(part_key "$part" "$packages" "$flags")
    if [ ! -d "$CACHE/bin/$key" ]; then
      HOW_FAR=go_packages_built with_heartbeat "building $part (usually $usual on 2 cores)" "$LOG/build-$part.log" \
        build_go_part "$part" "$packages" "$flags" "$CACHE/bin/$key" \
        || die "building $part failed" "the end of $LOG/build-$part.log says why:" "$(tail -n 3 "$LOG/build-$part.log")"
    fi
    link_programs "$CACHE/bin/$key"
  done 3< <(go_parts)
}

# Into a folder beside the wanted one, renamed when all is there: a build that was
# interrupted leaves nothing that looks finished. (Go keeps what it had compiled.)
build_go_part() {  # part packages flags destination
  local temp=$4.building
  rm -rf "$temp"
  mkdir -p "$temp/bin"
  cd "$LOCAL/parts/$1" || return
  local modfile=()
  if compgen -G '*.patch' >/dev/null; then
    patch_modules "$temp" || return
    modfile=(-modfile "$temp/go.mod")
  fi
  export CGO_ENABLED=0 GOFLAGS=-mod=readonly
  # shellcheck disable=SC2086
  echo "packages: $(go list "${modfile[@]}" -deps $2 | wc -l)"
  # shellcheck disable=SC2086
  nice -n 5 go build -v "${modfile[@]}" -buildvcs=false -trimpath -ldflags "-s -w $3" -o "$temp/bin/" $2 || return
  rm -rf "$4"
  mv "$temp/bin" "$4"
  rm -rf "$temp"
}

# Copies of the modules that our *.patch files are for, with the patches applied, and a go.mod
# that uses the copies: Go refuses changes in its own module cache. Each patch says why it is
# needed, and has a line "module: PATH".
patch_modules() {  # work folder
  local patch module copy
  cp go.mod go.sum "$1/" || return
  for patch in "$PWD"/*.patch; do
    module=$(sed -n 's/^module: //p' "$patch")
    copy=$1/source/$module
    if [ ! -d "$copy" ]; then
      go mod download "$module" || return
      mkdir -p "$copy"
      cp -R "$(go list -m -f '{{.Dir}}' "$module")/." "$copy" || return
      chmod -R u+w "$copy"
    fi
    # The ceiling: were the cache inside of some repository, git would apply it there.
    (cd "$copy" && GIT_CEILING_DIRECTORIES=$1 git apply --verbose "$patch") || return
    go mod edit -replace "$module=$copy" "$1/go.mod" || return
  done
}

link_programs() {
  local program name
  for program in "$1"/*; do
    name=$(basename "$program")
    if [ "$name" = kubernetes ]; then
      for name in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy; do
        ln -sfn "$program" "$BIN/$name"
      done
    else
      ln -sfn "$program" "$BIN/$name"
    fi
  done
}

# The workspace, as it is. Programs are copied (at once, by rename), so that a running
# platform is not touched by the next `cargo build`.
build_workspace() {
  local target=${CARGO_TARGET_DIR:-$REPO/target}
  HOW_FAR=crates_built with_heartbeat "building the workspace" "$LOG/build-workspace.log" cargo_build \
    || die "cargo build failed" "the end of $LOG/build-workspace.log says why:" "$(grep -m 3 -A 6 '^error' "$LOG/build-workspace.log" || tail -n 5 "$LOG/build-workspace.log")"
  local program
  for program in hops-platform hops; do
    [ -x "$target/debug/$program" ] || die "cargo build made no $target/debug/$program"
    if [ "$(same_file "$target/debug/$program")" != "$(same_file "$BIN/$program")" ]; then
      cp --preserve=timestamps "$target/debug/$program" "$BIN/$program.new"
      mv -f "$BIN/$program.new" "$BIN/$program"
    fi
  done
}

# Size and time: these programs are too large to read for a comparison.
same_file() { stat -c '%s %y' "$1" 2>/dev/null || true; }

# How far, from what the builds say of themselves; the first line of the log has the total.
go_packages_built() {
  local total
  total=$(sed -n 's/^packages: //p' "$1")
  [ -n "$total" ] && printf ', %s of %s packages' "$(grep -vc ' ' "$1" || true)" "$total"
}
crates_built() { printf ', %s of at most %s crates' "$(grep -c '^ *Compiling' "$1" || true)" "$(grep -c '^name = ' "$REPO/Cargo.lock")"; }

cargo_build() { (cd "$REPO" && nice -n 5 cargo build --locked --package platform --color never); }

# with_heartbeat WHAT LOG COMMAND...: runs it into the log, telling every 10 s that it is
# still at work, and with HOW_FAR (a function that looks at the log) how far it is. The command
# gets a process group of its own, by which Ctrl-C ends all of it.
with_heartbeat() {
  local what=$1 log=$2 started=$SECONDS told=0
  shift 2
  : >"$log"
  set -m
  "$@" >>"$log" 2>&1 </dev/null 9>&- &
  CHILD=$!
  set +m
  while kill -0 "$CHILD" 2>/dev/null; do
    if [ $((SECONDS - started)) -ge $((told + 10)) ]; then
      told=$((SECONDS - started))
      note "$what ... $(took $told)$("${HOW_FAR:-true}" "$log" || true)"
    fi
    sleep 0.2
  done
  local ended=$CHILD
  CHILD=
  wait "$ended"
}

# For the way out, whichever it is.
end_child() {
  [ -z "${CHILD:-}" ] || kill -TERM -- "-$CHILD" 2>/dev/null || true
}

# Base images, made from what Debian has and pushed to the local registry under the names
# that people write in a Dockerfile.
# shellcheck shell=bash

# image NAME:TAG FOLDER: builds FOLDER/Dockerfile and pushes it, unless the registry has what
# the very same files made.
image() {
  local name=$1 folder=$2 digest stamp
  digest=$( (cd "$folder" && find . -type l -printf '%p %l\n' -o -type f -print0 | sort -z | xargs -0 sha256sum; find . -printf '%p %m %l\n' | sort) | sha256sum)
  image_as "$name" "$folder" "$digest"
}

# The same, for a caller who knows a digest of what goes in.
image_as() {
  local name=$1 folder=$2 digest=$3 stamp=$STATE/images/${1//[\/:]/_}
  mkdir -p "$STATE/images"
  if [ "$(cat "$stamp" 2>/dev/null)" = "$digest" ] && in_registry "$name"; then return; fi
  "$BIN/buildctl" --addr "unix://$BUILDKIT_SOCKET" build --progress plain \
    --frontend dockerfile.v0 --local context="$folder" --local dockerfile="$folder" \
    --output "type=image,name=$REGISTRY/$name,push=true,registry.insecure=$REGISTRY_INSECURE" \
    >"$LOG/images.log" 2>&1 9>&- </dev/null || die "making the image $name failed" "see $LOG/images.log"
  printf '%s' "$digest" >"$stamp"
}

in_registry() {
  http -I -H 'Accept: application/vnd.oci.image.manifest.v1+json,application/vnd.docker.distribution.manifest.v2+json,application/vnd.oci.image.index.v1+json' \
    "http://$REGISTRY/v2/${1%:*}/manifests/${1##*:}"
}

make_small_images() {
  local work
  work=$(mktemp -d "$STATE/images.XXXXXX")
  busybox_image "$work/busybox"
  pause_image "$work/pause"
  frontend_image "$work/frontend"
  rm -rf "$work"
}

busybox_image() {
  local applet root=$1/root
  mkdir -p "$root"/{bin,dev,etc,home,root,tmp,usr/bin,var/www,var/spool/mail}
  chmod 1777 "$root/tmp"
  cp /bin/busybox "$root/bin/busybox"
  for applet in $(/bin/busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
  done
  ln -s ../../bin/env "$root/usr/bin/env"
  printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'daemon:x:1:1:daemon:/usr/sbin:/bin/false' \
    'www-data:x:33:33:www-data:/var/www:/bin/false' 'nobody:x:65534:65534:nobody:/home:/bin/false' >"$root/etc/passwd"
  printf '%s\n' 'root:x:0:' 'daemon:x:1:' 'www-data:x:33:' 'nobody:x:65534:' >"$root/etc/group"
  cat >"$1/Dockerfile" <<'DOCKERFILE'
FROM scratch
COPY root/ /
CMD ["sh"]
DOCKERFILE
  image library/busybox:latest "$1"
}

# What holds a pod's namespaces open: it only has to stay.
pause_image() {
  mkdir -p "$1"
  cp /bin/busybox "$1/busybox"
  cat >"$1/Dockerfile" <<'DOCKERFILE'
FROM scratch
COPY busybox /bin/busybox
USER 65535:65535
ENTRYPOINT ["/bin/busybox", "tail", "-f", "/dev/null"]
DOCKERFILE
  image hops/pause:1 "$1"
}

# Answers for `# syntax=docker/dockerfile:1`: the very frontend that buildkitd has built in.
frontend_image() {
  local tag
  mkdir -p "$1"
  cp "$BIN/dockerfile-frontend" "$1/"
  cat >"$1/Dockerfile" <<'DOCKERFILE'
FROM scratch
LABEL moby.buildkit.frontend.network.none="true"
LABEL moby.buildkit.frontend.caps="moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts"
COPY dockerfile-frontend /bin/dockerfile-frontend
ENTRYPOINT ["/bin/dockerfile-frontend"]
DOCKERFILE
  for tag in 1 1.4; do image "docker/dockerfile:$tag" "$1"; done
}

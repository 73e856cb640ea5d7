# Base images, made from what Debian has and put into the local registry under the names
# that people write in a Dockerfile. Each is a folder in images/.
# shellcheck shell=bash

# folder | names in the registry | files that its Dockerfile needs beside its folder | built on
images() {
  cat <<LIST
busybox    | library/busybox:latest | /bin/busybox |
curl       | hops/curl:1 | $(command -v curl) $(libraries_of curl) |
pgbouncer  | hops/pgbouncer:1 | /bin/busybox $PGBOUNCER $BIN/psql $(libraries_of "$PGBOUNCER" "$BIN/psql") |
pause      | hops/pause:1 | /bin/busybox |
dockerfile | docker/dockerfile:1 docker/dockerfile:1.4 | $BIN/dockerfile-frontend |
debian     | library/debian:bookworm-slim library/debian:bookworm library/debian:12-slim | $CACHE/images/rootfs.tar |
nginx      | library/nginx:latest library/nginx:stable library/nginx:1.22 | | debian
python     | library/python:3.11-slim library/python:3.11-slim-bookworm library/python:3.11 | | debian
node       | library/node:20-slim library/node:18-slim | | debian
LIST
}
# shellcheck disable=SC2034
SMALL_IMAGES=(busybox curl pgbouncer pause dockerfile)
# shellcheck disable=SC2034
BIG_IMAGES=(debian nginx python node)

PGBOUNCER=/usr/sbin/pgbouncer

libraries_of() {  # program...
  local program
  for program in "$@"; do ldd "$(command -v "$program")"; done | grep -o '/[^ ]*' | tr '\n' ' '
}

image_field() { images | awk -F'|' -v name="$1" -v n="$2" '{gsub(/ /, "", $1)} $1 == name {gsub(/^ +| +$/, "", $n); print $n}'; }

# What an image is made of; it is made again when this changes.
image_key() {
  local base
  base=$(image_field "$1" 4)
  {
    (cd "$LOCAL/images/$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
    image_field "$1" 2
    # shellcheck disable=SC2046
    sha256sum $(image_field "$1" 3) </dev/null
    [ -z "$base" ] || image_key "$base"
  } | sha256sum | cut -c1-16
}

# image NAME: puts it into the registry, unless that holds what the same files made. It is
# built into the cache, so that after `reset` it is only put there again.
image() {
  local key layout stamp=$STATE/images/$1 names name
  if [ "$1" = debian ]; then make_debian_root || return; fi
  key=$(image_key "$1")
  names=$(image_field "$1" 2)
  if [ "$(cat "$stamp" 2>/dev/null)" = "$key" ] && in_registry "${names%% *}"; then return; fi
  layout=$CACHE/images/$1/$key
  [ -d "$layout" ] || build_image "$1" "$layout" || return
  for name in $names; do
    push_layout "$layout" "${name%:*}" "${name##*:}" || return
  done
  mkdir -p "$STATE/images"
  printf '%s' "$key" >"$stamp"
}

# Into a folder as the OCI image layout specification has it.
build_image() {  # name destination
  local file
  IMAGES_WORK=$(mktemp -d "$STATE/images.XXXXXX")
  cp -R "$LOCAL/images/$1/." "$IMAGES_WORK" || return
  for file in $(image_field "$1" 3); do
    cp -L "$file" "$IMAGES_WORK/" || return
  done
  rm -rf "$(dirname "$2")"   # what older files made
  mkdir -p "$(dirname "$2")"
  "$BIN/buildctl" --addr "unix://$BUILDKIT_SOCKET" build --progress plain --frontend dockerfile.v0 \
    --local context="$IMAGES_WORK" --local dockerfile="$IMAGES_WORK" \
    --output "type=oci,tar=false,dest=$2.new" || return
  mv "$2.new" "$2"
  rm -rf "$IMAGES_WORK"
}

# The registry's upload protocol: every blob that it lacks, then the manifest under its tag.
push_layout() {  # layout repository tag
  local url=http://$REGISTRY/v2/$2 manifest blob location
  manifest=$(sed -n 's/.*"digest":"sha256:\([0-9a-f]*\)".*/\1/p' "$1/index.json")
  for blob in "$1"/blobs/sha256/*; do
    blob=sha256:$(basename "$blob")
    if [ "$blob" = "sha256:$manifest" ] || http -I "$url/blobs/$blob"; then continue; fi
    location=$(curl -sf --noproxy '*' -X POST -D - -o /dev/null "$url/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p') || return
    curl -sf --noproxy '*' -X PUT -T "$1/blobs/${blob/://}" -H 'Content-Type: application/octet-stream' "$location&digest=$blob" || return
  done
  curl -sf --noproxy '*' -X PUT -T "$1/blobs/sha256/$manifest" \
    -H "Content-Type: application/vnd.oci.image.manifest.v1+json" "$url/manifests/$3"
}

# Any of the kinds of manifest that the registry may hold under this name.
in_registry() {
  http -I -H 'Accept: application/vnd.oci.image.manifest.v1+json' -H 'Accept: application/vnd.oci.image.index.v1+json' \
    -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' "http://$REGISTRY/v2/${1%:*}/manifests/${1##*:}"
}

make_small_images() {
  local name
  for name in "${SMALL_IMAGES[@]}"; do
    image "$name" >"$LOG/image-$name.log" 2>&1 </dev/null || die "making the image $name failed" "see $LOG/image-$name.log"
  done
}

# From this machine's own mirror. Kept in the cache, so that `reset` does not cost it.
make_debian_root() {
  local tar=$CACHE/images/rootfs.tar root
  [ ! -s "$tar" ] || return 0
  mkdir -p "$CACHE/images"
  root=$(mktemp -d "$CACHE/images/root.XXXXXX")
  debootstrap --variant=minbase bookworm "$root/fs" "$(debian_mirror)" || { rm -rf "$root"; return 1; }
  slim_down "$root/fs"
  tar --numeric-owner --sort=name -C "$root/fs" -cf "$tar.new" .
  rm -rf "$root"
  mv "$tar.new" "$tar"
}

# What Docker Hub's -slim leaves out, and the settings that keep it out.
slim_down() {
  local mirror
  mirror=$(debian_mirror)
  printf '%s\n' "deb $mirror bookworm main" "deb $mirror bookworm-updates main" \
    "deb ${mirror%/debian*}/debian-security bookworm-security main" >"$1/etc/apt/sources.list"
  printf '%s\n' 'path-exclude /usr/share/doc/*' 'path-exclude /usr/share/man/*' 'path-exclude /usr/share/info/*' \
    'path-exclude /usr/share/locale/*' 'path-include /usr/share/doc/*/copyright' >"$1/etc/dpkg/dpkg.cfg.d/slim"
  printf '%s\n' 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };' \
    'Acquire::Languages "none";' >"$1/etc/apt/apt.conf.d/slim"
  printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
  chmod 0755 "$1/usr/sbin/policy-rc.d"
  find "$1/usr/share/doc" -type f ! -name copyright -delete
  rm -rf "$1"/usr/share/{man,info,locale}/* "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/var/log/*.log "$1"/var/log/apt "${1:?}"/dev/* \
    "$1/etc/resolv.conf" "$1/etc/hostname"
}

debian_mirror() {
  local mirror
  mirror=$(sed -nE 's/^URIs: *([^ ]*).*/\1/p; s/^deb (\[[^]]*\] )?([^ ]*) bookworm main.*/\2/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null | grep -m 1 '/debian/*$' || true)
  printf '%s' "${mirror:-http://deb.debian.org/debian}"
}

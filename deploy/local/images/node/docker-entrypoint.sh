#!/bin/sh
# `docker run image app.js` and `… --version` mean node, as with Docker Hub's image.
set -e
if [ "${1#-}" != "$1" ] || { [ -f "$1" ] && ! [ -x "$1" ]; } || ! command -v "$1" >/dev/null; then
  set -- node "$@"
fi
exec "$@"

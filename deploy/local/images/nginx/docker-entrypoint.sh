#!/bin/sh
# Runs what is in /docker-entrypoint.d, then becomes the command.
set -e
if [ "$1" = nginx ]; then
  for script in /docker-entrypoint.d/*; do
    case $script in
      *.envsh) if [ -x "$script" ]; then . "$script"; fi ;;
      *.sh) if [ -x "$script" ]; then "$script"; fi ;;
    esac
  done
fi
exec "$@"

#!/bin/sh
# /etc/nginx/templates/x.conf.template -> /etc/nginx/conf.d/x.conf, with the environment's
# variables filled in (and no others: nginx has variables of its own).
set -e
[ -d /etc/nginx/templates ] || exit 0
names=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/${\1}/p' | tr '\n' ' ')
cd /etc/nginx/templates
find . -type f -name '*.template' | while read -r template; do
  mkdir -p "/etc/nginx/conf.d/$(dirname "$template")"
  envsubst "$names" < "$template" > "/etc/nginx/conf.d/${template%.template}"
done

# Both Postgres' data, the bucket server's folder, and the secrets of the platform and of these. Made once; kept until `reset`.
# shellcheck shell=bash

make_secrets() {
  secret token openssl rand -hex 32
  secret key openssl rand -base64 32
  secret postgres.password openssl rand -hex 24
  own_cluster secret postgres-apps.password openssl rand -hex 24
  own_cluster secret s3.credentials s3_credentials
  own_cluster secret encryption.key openssl rand -base64 32
}

secret() {  # file command...
  local file=$STATE/$1
  shift
  [ -s "$file" ] && return
  (umask 077 && "$@" >"$file.new")
  mv "$file.new" "$file"
}

# In the form that clients of S3 read (AWS_SHARED_CREDENTIALS_FILE).
s3_credentials() {
  printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$(openssl rand -hex 10)" "$(openssl rand -hex 20)"
}

make_postgres() {
  ln -sfn "$PG_BIN/pg_isready" "$BIN/pg_isready"
  ln -sfn "$PG_BIN/psql" "$BIN/psql"
  make_socket_folders
  [ ! -r "$STATE/postgres/PG_VERSION" ] || return 0
  install -o postgres -m 0600 "$STATE/postgres.password" "$RUN/postgres/password"
  init_postgres postgres --username=hops --pwfile="$RUN/postgres/password" --auth=scram-sha-256
  rm -f "$RUN/postgres/password"
}

# The one for the apps' databases. Its key must be a file that Postgres' user may read.
make_postgres_apps() {
  local end data=$STATE/postgres-apps
  [ -r "$data/PG_VERSION" ] || init_postgres postgres-apps --username=postgres --auth-local=peer --auth-host=scram-sha-256
  for end in key crt; do
    cmp -s "$STATE/pki/postgres-apps.$end" "$data/server.$end" \
      || install -o postgres -g postgres -m 0600 "$STATE/pki/postgres-apps.$end" "$data/server.$end"
  done
}

make_socket_folders() { install -d -o postgres -g postgres -m 0755 "$RUN/postgres" "$RUN/postgres-apps"; }

# Beside the wanted folder, renamed when it is whole.
init_postgres() {  # part argument of initdb...
  local part=$1
  shift
  rm -rf "$STATE/$part.new"
  install -d -o postgres -g postgres -m 0700 "$STATE/$part.new"
  (cd / && setpriv --reuid postgres --regid postgres --init-groups \
    "$PG_BIN/initdb" -D "$STATE/$part.new" --encoding=UTF8 --locale=C.UTF-8 "$@") >"$LOG/initdb-$part.log" 2>&1 9>&- \
    || die "initdb failed" "see $LOG/initdb-$part.log"
  mv "$STATE/$part.new" "$STATE/$part"
}

database_url() { printf 'postgres://hops:%s@127.0.0.1:%s/hops' "$(cat "$STATE/postgres.password")" "$POSTGRES_PORT"; }

make_database() {
  [ "$(sql -d postgres -tAc "select 1 from pg_database where datname = 'hops'")" = 1 ] || sql -d postgres -qc 'create database hops'
}

# The account by which the platform makes databases, as somebody's Postgres would give it one:
# it is no superuser.
make_databases_account() {
  [ "$(apps_sql -tAc "select 1 from pg_roles where rolname = 'hops_databases'")" = 1 ] || apps_sql -q <<SQL
create role hops_databases login createdb createrole password '$(cat "$STATE/postgres-apps.password")';
SQL
}

# As the superuser.
apps_database_url() { printf 'postgres:///postgres?host=%s&port=%s&user=postgres' "$RUN/postgres-apps" "$POSTGRES_APPS_PORT"; }
apps_sql() { "$BIN/psql" -X -v ON_ERROR_STOP=1 "$(apps_database_url)" "$@"; }

sql() { PGPASSWORD=$(cat "$STATE/postgres.password") "$BIN/psql" -X -h 127.0.0.1 -p "$POSTGRES_PORT" -U hops "$@"; }

# Postgres' data and the secrets of the platform. Made once; kept until `reset`.
# shellcheck shell=bash

make_secrets() {
  secret token openssl rand -hex 32
  secret key openssl rand -base64 32
  secret postgres.password openssl rand -hex 24
}

secret() {  # file command...
  local file=$STATE/$1
  shift
  [ -s "$file" ] && return
  (umask 077 && "$@" >"$file.new")
  mv "$file.new" "$file"
}

make_postgres() {
  ln -sfn "$PG_BIN/pg_isready" "$BIN/pg_isready"
  ln -sfn "$PG_BIN/psql" "$BIN/psql"
  install -d -o postgres -g postgres -m 0755 "$RUN/postgres"
  [ ! -r "$STATE/postgres/PG_VERSION" ] || return 0
  # Beside the wanted folder, renamed when it is whole.
  rm -rf "$STATE/postgres.new"
  install -d -o postgres -g postgres -m 0700 "$STATE/postgres.new"
  install -o postgres -m 0600 "$STATE/postgres.password" "$RUN/postgres/password"
  (cd / && setpriv --reuid postgres --regid postgres --init-groups \
    "$PG_BIN/initdb" -D "$STATE/postgres.new" --username=hops --pwfile="$RUN/postgres/password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8) >"$LOG/initdb.log" 2>&1 9>&- \
    || die "initdb failed" "see $LOG/initdb.log"
  rm -f "$RUN/postgres/password"
  mv "$STATE/postgres.new" "$STATE/postgres"
}

database_url() { printf 'postgres://hops:%s@127.0.0.1:%s/hops' "$(cat "$STATE/postgres.password")" "$POSTGRES_PORT"; }

make_database() {
  [ "$(sql -d postgres -tAc "select 1 from pg_database where datname = 'hops'")" = 1 ] || sql -d postgres -qc 'create database hops'
}

sql() { PGPASSWORD=$(cat "$STATE/postgres.password") "$BIN/psql" -X -h 127.0.0.1 -p "$POSTGRES_PORT" -U hops "$@"; }

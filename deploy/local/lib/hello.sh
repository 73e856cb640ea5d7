# The sample app: created on the platform and pushed to it as anybody would push theirs.
# shellcheck shell=bash

HELLO_SOURCE=$REPO/tests/apps/hello
case $INGRESS_URL in *://*:*) HELLO_URL=http://hello.test.$DOMAIN:${INGRESS_URL##*:}/ ;; *) HELLO_URL=http://hello.test.$DOMAIN/ ;; esac

push_hello() {
  local work expected
  export HOPS_URL=$HOPS_URL_LOCAL HOPS_TOKEN
  HOPS_TOKEN=$(cat "$STATE/token")
  hello_exists || "$BIN/hops" apps create hello || die "the platform did not create the app hello" "see $LOG/platform.log"

  work=$(mktemp -d "$STATE/hello.XXXXXX")
  hello_repository "$work"
  (cd "$work" && with_token git push --quiet --force-with-lease "$HOPS_URL/git/hello.git" main) \
    || die "git push to the platform failed" "see $LOG/platform.log"
  rm -rf "$work"

  expected=$(sha256sum <"$HELLO_SOURCE/www/index.html")
  until_true 180 hello_answers "$expected" || die "$HELLO_URL did not answer within 180 s with what was pushed" \
    "$BIN/hops status -a hello   tells what became of it" "$LOG/platform.log"
}

hello_exists() {
  local apps
  apps=$("$BIN/hops" apps list --json) || die "the platform does not tell which apps there are" "see $LOG/platform.log"
  grep -Eq '"name": *"hello"' <<<"$apps"
}

# A commit of the sample. Author, dates and files decide its id, so the same files are the
# same commit, and pushing them again changes nothing.
hello_repository() {
  cp -R "$HELLO_SOURCE/." "$1/"
  (cd "$1" && quiet_git init --initial-branch main && quiet_git add --all &&
    GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z' \
      quiet_git -c user.name=Hops -c user.email=hops@localhost -c commit.gpgsign=false commit --message 'Hello')
}
quiet_git() { git "$@" >>"$LOG/hello.log" 2>&1; }

# The token goes to git through its environment: arguments are for everybody to read.
with_token() {
  GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=http.extraHeader GIT_TERMINAL_PROMPT=0 \
    GIT_CONFIG_VALUE_0="Authorization: Basic $(printf 'x:%s' "$HOPS_TOKEN" | base64 -w0)" "$@"
}

# From the new pods: the page's content is what was pushed.
hello_answers() {
  [ "$(curl -sf --noproxy '*' --max-time 2 "$HELLO_URL" | sha256sum)" = "$1" ]
}

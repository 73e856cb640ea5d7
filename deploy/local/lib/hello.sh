# The sample app: created on the platform and pushed to it as anybody would push theirs.
# shellcheck shell=bash

HELLO_SOURCE=$REPO/tests/apps/hello
case $INGRESS_URL in *://*:*) HELLO_URL=http://hello.test.$DOMAIN:${INGRESS_URL##*:}/ ;; *) HELLO_URL=http://hello.test.$DOMAIN/ ;; esac

push_hello() {
  local content before
  content=$(sha256sum <"$HELLO_SOURCE/www/index.html")
  export HOPS_URL=$HOPS_URL_LOCAL HOPS_TOKEN
  HOPS_TOKEN=$(cat "$STATE/token")
  hello_exists || "$BIN/hops" apps create hello >>"$LOG/hello.log" 2>&1 \
    || die "the platform did not create the app hello" "$(tail -n 3 "$LOG/hello.log")" "see $LOG/platform.log"

  HELLO_WORK=$(mktemp -d "$STATE/hello.XXXXXX")
  hello_repository
  before=$(hello_releases)
  (cd "$HELLO_WORK" && with_token git push --quiet --force "$HOPS_URL/git/hello.git" main) \
    || die "git push to the platform failed" "see $LOG/platform.log"
  rm -rf "$HELLO_WORK"

  # Nothing was pushed when the platform has this commit already. Then its pods may just be
  # starting; or it never came up, and is worth another try.
  if [ "$(hello_releases)" = "$before" ] && ! until_true 20 hello_answers "$content"; then
    "$BIN/hops" deploy -a hello -e test -r main --wait || die "hello could not be deployed" "$BIN/hops status -a hello"
  fi
  until_true 180 hello_settled "$content" || true
  hello_answers "$content" || die "$HELLO_URL does not answer with what was pushed" \
    "$BIN/hops status -a hello   tells what became of it" "see $LOG/platform.log"
}

# Done waiting: it answers, or its newest release failed.
hello_settled() { hello_answers "$1" || [ "$(hello_releases | grep -m 1 '"state"' | tr -d ' ,')" = '"state":"failed"' ]; }
hello_releases() { "$BIN/hops" releases -a hello --json; }

hello_exists() {
  local apps
  apps=$("$BIN/hops" apps list --json) || die "the platform does not tell which apps there are" "see $LOG/platform.log"
  grep -Eq '"name": *"hello"' <<<"$apps"
}

# A commit of the sample. Author, dates and files decide its id, so the same files are the
# same commit, and pushing them again changes nothing.
hello_repository() {
  cp -R "$HELLO_SOURCE/." "$HELLO_WORK/"
  (cd "$HELLO_WORK" && quiet_git init --initial-branch main && quiet_git add --all &&
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

# What has to be in the cluster before the platform starts, and the platform's access to it.
# shellcheck shell=bash

kube() {
  local kubectl=$BIN/kubectl
  [ -x "$kubectl" ] || kubectl=kubectl
  KUBECONFIG=$ADMIN_KUBECONFIG "$kubectl" "$@"
}

make_cluster_objects() {
  local files=(-f "$REPO/deploy/rbac.yaml")
  if [ -z "${HOPS_KUBECONFIG:-}" ]; then
    render "$LOCAL/etc/manifests/cluster.yaml" | sed "s|@CA@|$(base64 -w0 "$STATE/pki/ca.crt")|g" |
      write_if_changed "$STATE/etc/cluster.yaml"
    files+=(-f "$STATE/etc/cluster.yaml" -f "$(traefik_kinds)")
  fi
  # The apiserver makes its own default roles in the first seconds of its life.
  until_true 30 kube apply --server-side --field-manager=hops-local --force-conflicts "${files[@]}" \
    || { kube apply --server-side --field-manager=hops-local --force-conflicts "${files[@]}" || true
      die "the cluster did not take deploy/rbac.yaml"; }
}

# The file with Traefik's own kinds of objects, as the module has them that Traefik is built from.
traefik_kinds() {
  local module=github.com/traefik/traefik/v3 version file
  version=$(awk -v module="$module" '$1 == module {print $2} $2 == module {print $3}' "$LOCAL/parts/traefik/go.mod")
  file=$CACHE/traefik-$version-kinds.yaml
  if [ ! -s "$file" ]; then
    (cd "$LOCAL/parts/traefik" && export GOFLAGS=-mod=readonly && go mod download "$module" &&
      cat "$(go list -m -f '{{.Dir}}' "$module")/docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml") >"$file.new" \
      || die "Traefik's kinds of objects could not be read from its module $version"
    mv "$file.new" "$file"
  fi
  printf '%s' "$file"
}

# The platform gets the rights of its service account, not ours. The token is in a file of
# its own, which clients read again when it changes, and is renewed at each run.
make_platform_access() {
  local server authority
  kube create token hops-platform --namespace hops-system --duration 8760h | write_if_changed "$STATE/platform.token" 0600 \
    || die "the cluster gave no token for the platform's service account"
  if [ -n "${HOPS_KUBECONFIG:-}" ]; then
    server=$(kube config view --minify --raw -o 'jsonpath={.clusters[0].cluster.server}')
    authority=$(kube config view --minify --raw --flatten -o 'jsonpath={.clusters[0].cluster.certificate-authority-data}')
  else
    server=$API_URL
    authority=$(base64 -w0 "$STATE/pki/ca.crt")
  fi
  write_if_changed "$PLATFORM_KUBECONFIG" 0600 <<YAML
apiVersion: v1
kind: Config
current-context: hops-platform
clusters:
  - name: hops-platform
    cluster: { server: "$server"${authority:+, certificate-authority-data: $authority} }
contexts:
  - name: hops-platform
    context: { cluster: hops-platform, user: hops-platform }
users:
  - name: hops-platform
    user: { tokenFile: $STATE/platform.token }
YAML
}

wait_for_node() {
  kube wait --for=condition=Ready "node/$NODE" --timeout=60s >/dev/null 2>&1 \
    || die "the node $NODE did not become Ready within 60 s" "the end of $LOG/kubelet.log:" "$(tail -n 5 "$LOG/kubelet.log")"
}

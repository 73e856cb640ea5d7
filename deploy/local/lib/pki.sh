# Keys, certificates and kubeconfigs. Each is made once, when it is missing, and kept until `reset`.
# shellcheck shell=bash

# Raise this when something that is made here changes; everything is then made anew. What is only
# added needs no other number.
PKI_GENERATION=1

make_pki() {
  local pki=$STATE/pki
  if [ "$(cat "$pki/generation" 2>/dev/null)" != $PKI_GENERATION ]; then
    rm -rf "$pki"
    mkdir -m 0700 "$pki"
    echo $PKI_GENERATION >"$pki/generation"
  fi
  (cd "$pki" && make_certificates) || die "making the certificates failed"
  install -d -m 0700 "$STATE/kubeconfigs"
  kubeconfig admin | write_if_changed "$ADMIN_KUBECONFIG" 0600
  local part
  for part in kubelet kube-controller-manager kube-scheduler kube-proxy coredns metrics-server traefik; do
    kubeconfig "$part" | write_if_changed "$STATE/kubeconfigs/$part" 0600
  done
}

make_certificates() {
  authority ca kubernetes
  authority front-proxy-ca front-proxy
  authority etcd-ca etcd
  authority postgres-ca postgres

  # Who may do what is decided by these names: O is a group, CN a user.
  certificate ca admin '/O=system:masters/CN=hops-local:admin' client
  certificate ca apiserver-kubelet '/CN=hops-local:apiserver-kubelet' client
  certificate ca kubelet "/O=system:nodes/CN=system:node:$NODE" client
  certificate ca kube-controller-manager '/CN=system:kube-controller-manager' client
  certificate ca kube-scheduler '/CN=system:kube-scheduler' client
  certificate ca kube-proxy '/CN=system:kube-proxy' client
  certificate ca coredns '/CN=hops-local:coredns' client
  certificate ca metrics-server '/CN=hops-local:metrics-server' client
  certificate ca traefik '/CN=hops-local:traefik' client
  certificate front-proxy-ca front-proxy-client '/CN=front-proxy-client' client
  certificate etcd-ca etcd-client '/CN=kube-apiserver' client

  certificate ca apiserver '/CN=kube-apiserver' server \
    "IP:$NODE_IP,IP:${SERVICE_NET%.0/*}.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
  certificate ca kubelet-serving "/O=system:nodes/CN=system:node:$NODE" server "IP:$NODE_IP,DNS:$NODE"
  # The aggregation layer asks for it under its Service's name.
  certificate ca metrics-server-serving '/CN=metrics-server' server "IP:$NODE_IP,DNS:metrics-server.kube-system.svc"
  certificate etcd-ca etcd '/CN=etcd' both 'IP:127.0.0.1'
  certificate postgres-ca postgres-apps '/CN=postgres-apps' server "IP:$NODE_IP,IP:127.0.0.1"

  missing service-account.pub || return 0
  key service-account.key
  openssl ec -in service-account.key -pubout -out service-account.pub.new 2>/dev/null
  mv service-account.pub.new service-account.pub
}

# A key's other half is written last and at once: where it is, both are whole.
missing() { [ ! -e "$1" ]; }

key() { (umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out "$1"); }

authority() {  # file name
  missing "$1.crt" || return 0
  key "$1.key"
  openssl req -x509 -new -key "$1.key" -sha256 -days 3650 -subj "/CN=hops-local-$2" -out "$1.crt.new" \
    -addext 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature'
  mv "$1.crt.new" "$1.crt"
}

certificate() {  # authority file subject client|server|both [alternative names]
  local usage
  missing "$2.crt" || return 0
  case $4 in client) usage=clientAuth ;; server) usage=serverAuth ;; both) usage=clientAuth,serverAuth ;; esac
  key "$2.key"
  openssl req -new -key "$2.key" -subj "$3" |
    openssl x509 -req -CA "$1.crt" -CAkey "$1.key" -set_serial "0x$(openssl rand -hex 16)" -sha256 -days 3650 -out "$2.crt.new" \
      -extfile <(printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n' "$usage"
        [ -z "${5:-}" ] || printf 'subjectAltName=%s\n' "$5") 2>/dev/null
  mv "$2.crt.new" "$2.crt"
}

kubeconfig() {  # user whose certificate it is
  cat <<YAML
apiVersion: v1
kind: Config
current-context: hops-local
clusters:
  - name: hops-local
    cluster: { server: "$API_URL", certificate-authority-data: $(base64 -w0 "$STATE/pki/ca.crt") }
contexts:
  - name: hops-local
    context: { cluster: hops-local, user: $1 }
users:
  - name: $1
    user:
      client-certificate-data: $(base64 -w0 "$STATE/pki/$1.crt")
      client-key-data: $(base64 -w0 "$STATE/pki/$1.key")
YAML
}

# When is a part ready? One function per part, used by status, by run, and by the parts
# that wait for each other. Each answers within two seconds.
# shellcheck shell=bash

http() { curl -sf -o /dev/null --noproxy '*' --max-time 2 "$@"; }

ready_etcd() {
  http --cacert "$STATE/pki/etcd-ca.crt" --cert "$STATE/pki/etcd-client.crt" \
    --key "$STATE/pki/etcd-client.key" "https://127.0.0.1:$ETCD_PORT/health"
}
ready_postgres() { "$BIN/pg_isready" -q -h 127.0.0.1 -p "$POSTGRES_PORT" -t 2; }
ready_postgres-apps() { "$BIN/pg_isready" -q -h "$NODE_IP" -p "$POSTGRES_APPS_PORT" -t 2; }
ready_versitygw() { http "http://$S3_LISTEN/health"; }
ready_registry() { http "http://$NODE_IP:5000/v2/"; }
ready_containerd() { timeout 2 ctr -a "$CONTAINERD_SOCKET" version >/dev/null 2>&1; }
ready_buildkitd() { timeout 2 "$BIN/buildctl" --addr "unix://$BUILDKIT_SOCKET" debug info >/dev/null 2>&1; }
ready_kube-apiserver() { http --cacert "$STATE/pki/ca.crt" "$API_URL/readyz"; }
ready_kube-controller-manager() { http -k https://127.0.0.1:10257/healthz; }
ready_kube-scheduler() { http -k https://127.0.0.1:10259/healthz; }
ready_kubelet() { http http://127.0.0.1:10248/healthz; }
ready_kube-proxy() { http http://127.0.0.1:10256/healthz; }
# Not parts: what `run` puts into the cluster for them. Traefik, for one, decides once and for
# all, as it starts, whether it may read IngressClasses; metrics-server ends when it may not read
# by whom it may be asked.
ready_rights-of-coredns() { api_as coredns "/apis/discovery.k8s.io/v1/endpointslices?limit=1"; }
ready_rights-of-metrics-server() { api_as metrics-server /api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication; }
ready_rights-of-traefik() {
  api_as traefik /apis/networking.k8s.io/v1/ingressclasses/nginx && api_as traefik '/apis/traefik.io/v1alpha1/ingressroutes?limit=1'
}
api_as() { http --cacert "$STATE/pki/ca.crt" --cert "$STATE/pki/$1.crt" --key "$STATE/pki/$1.key" "$API_URL$2"; }
ready_coredns() { http "http://127.0.0.1:10054/health"; }
# Alive: it can tell what pods use once it has asked twice.
ready_metrics-server() { http --cacert "$STATE/pki/ca.crt" "https://$NODE_IP:$METRICS_PORT/livez"; }
ready_traefik() { http "http://127.0.0.1:8082/ping"; }
ready_platform() { http "$HOPS_URL_LOCAL/healthz"; }

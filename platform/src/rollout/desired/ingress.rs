//! The hosts under which the world reaches an appling.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, ServiceBackendPort,
};

use super::Part;
use super::service::PORT;

/// One Ingress with all the appling's hosts; none for an appling without hosts.
pub(super) fn ingress(part: &Part<'_>) -> Option<Ingress> {
    let spec = &part.version.spec;
    let service = spec
        .service_names
        .first()
        .filter(|_| !spec.hosts.is_empty())?;
    let rules = spec.hosts.iter().map(|host| rule(host, service)).collect();
    Some(Ingress {
        metadata: part.metadata(spec.name.as_ref()),
        spec: Some(IngressSpec {
            ingress_class_name: Some(part.settings.ingress_class.clone()),
            rules: Some(rules),
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    })
}

fn rule(host: &str, service: &str) -> IngressRule {
    let backend = IngressServiceBackend {
        name: service.to_owned(),
        port: Some(ServiceBackendPort {
            number: Some(PORT),
            ..ServiceBackendPort::default()
        }),
    };
    let path = HTTPIngressPath {
        path: Some("/".to_owned()),
        path_type: "Prefix".to_owned(),
        backend: IngressBackend {
            service: Some(backend),
            ..IngressBackend::default()
        },
    };
    IngressRule {
        host: Some(host.to_owned()),
        http: Some(HTTPIngressRuleValue { paths: vec![path] }),
    }
}

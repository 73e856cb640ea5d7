//! The names under which other applings reach an appling: `http://{name}`, without a port.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Part;
use super::pod::PORT_NAME;

/// The port on which every Service listens.
pub(super) const PORT: i32 = 80;

pub(super) fn services(part: &Part<'_>) -> Vec<Service> {
    let names = part.version.spec.service_names.iter();
    names.map(|name| service(part, name)).collect()
}

/// The target is the port's name, not its number: while a version that listens elsewhere rolls
/// out, each pod is sent to on its own port.
fn service(part: &Part<'_>, name: &str) -> Service {
    Service {
        metadata: part.metadata(name),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(part.selector.clone()),
            ports: Some(vec![ServicePort {
                name: Some(PORT_NAME.to_owned()),
                port: PORT,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::String(PORT_NAME.to_owned())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

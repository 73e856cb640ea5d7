//! The wall around an isolated appling: with whom its pods may speak.
//!
//! Its own namespace and the allowed apps' in the same environment, in both directions; requests
//! from the ingress, if the world is to reach it; name servers; and the server of its database, of which only
//! the port is known where no address is. Nothing else, the internet included: what is isolated is to keep
//! what it knows. (What a pod answers always gets back, and
//! the kubelet's probes come through.)

use ipnet::IpNet;
use iterapp_schema::{AppName, Isolation};
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::cluster::IngressSource;
use super::labels::{self, Labels};
use super::{Part, sql_proxy};

/// Kubernetes' own label of every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Where name servers listen.
const DNS_PORT: i32 = 53;

/// The one for the appling's pods; none for an appling that is not isolated.
pub(super) fn of_pods(part: &Part<'_>) -> Option<NetworkPolicy> {
    let isolation = part.version.spec.run.isolation.as_ref()?;
    let to = neighbours(part, isolation);
    let mut from = to.clone();
    if part.version.spec.ingress().is_some() {
        from.extend(part.settings.ingress_sources.iter().map(ingress));
    }
    let name = part.version.spec.name.as_ref();
    Some(wall(part, name, part.selector.clone(), from, to))
}

/// Likewise for the pods of the appling's Jobs. Nobody has anything to ask of these.
pub(super) fn of_jobs(part: &Part<'_>) -> Option<NetworkPolicy> {
    let isolation = part.version.spec.run.isolation.as_ref()?;
    let name = &part.version.spec.name;
    let pods = labels::of_jobs(&part.wanted.app, part.wanted.environment, name);
    let to = neighbours(part, isolation);
    Some(wall(part, &format!("{name}.jobs"), pods, Vec::new(), to))
}

fn wall(
    part: &Part<'_>,
    name: &str,
    pods: Labels,
    from: Vec<NetworkPolicyPeer>,
    to: Vec<NetworkPolicyPeer>,
) -> NetworkPolicy {
    NetworkPolicy {
        metadata: part.metadata(name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(matching(pods)),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: incoming(from),
            egress: Some(
                [outgoing(to), dns()]
                    .into_iter()
                    .chain(database(part))
                    .collect(),
            ),
        }),
    }
}

/// The own namespace, and those of the allowed apps.
fn neighbours(part: &Part<'_>, isolation: &Isolation) -> Vec<NetworkPolicyPeer> {
    let own = NetworkPolicyPeer {
        pod_selector: Some(LabelSelector::default()),
        ..NetworkPolicyPeer::default()
    };
    let allowed = isolation.allow_apps.iter().map(|app| allowed(part, app));
    std::iter::once(own).chain(allowed).collect()
}

fn allowed(part: &Part<'_>, app: &AppName) -> NetworkPolicyPeer {
    let mut labels = labels::of_environment(&part.settings.instance, app, part.wanted.environment);
    labels.remove(labels::MANAGED_BY);
    namespace(labels)
}

fn ingress(source: &IngressSource) -> NetworkPolicyPeer {
    match source {
        IngressSource::Namespace(name) => {
            namespace([(NAMESPACE_NAME.to_owned(), name.clone())].into())
        }
        IngressSource::Network(block) => network(block),
    }
}

fn network(block: &IpNet) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: block.to_string(),
            ..IPBlock::default()
        }),
        ..NetworkPolicyPeer::default()
    }
}

fn namespace(labels: Labels) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(matching(labels)),
        ..NetworkPolicyPeer::default()
    }
}

fn matching(labels: Labels) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels),
        ..LabelSelector::default()
    }
}

/// A rule without peers would let everybody in, so that there is none then.
fn incoming(from: Vec<NetworkPolicyPeer>) -> Option<Vec<NetworkPolicyIngressRule>> {
    if from.is_empty() {
        return None;
    }
    let rule = NetworkPolicyIngressRule {
        from: Some(from),
        ports: None,
    };
    Some(vec![rule])
}

fn outgoing(to: Vec<NetworkPolicyPeer>) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: Some(to),
        ports: None,
    }
}

/// Its database's server. Of one that only has a name its ports alone can be let through.
fn database(part: &Part<'_>) -> Option<NetworkPolicyEgressRule> {
    let server = sql_proxy::server(part)?;
    let peers: Vec<NetworkPolicyPeer> = server.networks.iter().map(network).collect();
    let port = |port: &u16| NetworkPolicyPort {
        port: Some(IntOrString::Int(i32::from(*port))),
        protocol: Some("TCP".to_owned()),
        ..NetworkPolicyPort::default()
    };
    Some(NetworkPolicyEgressRule {
        to: (!peers.is_empty()).then_some(peers),
        ports: Some(server.ports.iter().map(port).collect()),
    })
}

/// Wherever they are: some clusters have them on nodes, with addresses of their own.
fn dns() -> NetworkPolicyEgressRule {
    let port = |protocol: &str| NetworkPolicyPort {
        port: Some(IntOrString::Int(DNS_PORT)),
        protocol: Some(protocol.to_owned()),
        ..NetworkPolicyPort::default()
    };
    NetworkPolicyEgressRule {
        to: None,
        ports: Some(vec![port("UDP"), port("TCP")]),
    }
}

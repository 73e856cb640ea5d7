//! Everything that may be wrong with a version, and which of it weighs most.

use std::time::Duration;

use iterapp_schema::Resources;
use k8s_openapi::api::core::v1::PodCondition;

use super::super::observe::{ObservedAppling, ObservedPod};
use super::{Reason, crash, probe, sidecar, start};
use crate::release::spec::Version;

/// Something that keeps a version from being ready.
pub(super) struct Trouble {
    /// How much it explains, against other troubles at the same time.
    pub(super) weight: Weight,
    /// Waiting longer will not help.
    pub(super) hopeless: bool,
    pub(super) reason: Reason,
}

/// What explains least comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// The kubelet has not got it going, for a reason of the node's.
    Node,
    Evicted,
    Probe,
    NoRoom,
    NoPods,
    Image,
    Start,
    Crash,
}

impl Trouble {
    /// Trouble that may pass until the deadline.
    pub(super) fn passing(weight: Weight, reason: Reason) -> Self {
        Self {
            weight,
            hopeless: false,
            reason,
        }
    }

    pub(super) fn hopeless_if(self, hopeless: bool) -> Self {
        Self { hopeless, ..self }
    }

    pub(super) fn gravest(all: &[Self], which: impl Fn(&Self) -> bool) -> Option<&Self> {
        let some = all.iter().filter(|trouble| which(trouble));
        some.max_by_key(|trouble| trouble.weight)
    }
}

/// All there is.
pub(super) fn all(version: &Version, observed: &ObservedAppling) -> Vec<Trouble> {
    let pods = observed.pods.iter().filter(|pod| !pod.is_ready());
    let of_pods = pods.filter_map(|pod| of_pod(version, pod));
    of_pods.chain(pods_refused(observed)).collect()
}

/// One pod has one trouble: how far it came decides which.
fn of_pod(version: &Version, pod: &ObservedPod) -> Option<Trouble> {
    evicted(pod)
        .or_else(|| no_room(version, pod))
        .or_else(|| sidecar::trouble(pod))
        .or_else(|| start::image(version, pod))
        .or_else(|| start::container(version, pod))
        .or_else(|| crash::crash(version, pod).filter(|_| !crash::is_over(pod)))
        .or_else(|| probe::readiness(version, pod))
        .or_else(|| crash::crash(version, pod))
        .or_else(|| node(pod))
}

/// Kubernetes does not even make the pods: a quota, a policy.
fn pods_refused(observed: &ObservedAppling) -> Option<Trouble> {
    let sets = observed
        .replica_sets
        .iter()
        .filter_map(|set| set.status.as_ref());
    let mut conditions = sets.flat_map(|status| status.conditions.iter().flatten());
    let failure = conditions.find(|c| c.type_ == "ReplicaFailure" && c.status == "True")?;
    let message = failure.message.clone().unwrap_or_default();
    let reason = if message.contains("exceeded quota") {
        Reason::new("its pods would go over the namespace's quota")
            .hint("ask for fewer `replicas` in iterapp.toml, or for a larger quota")
    } else {
        Reason::new("Kubernetes refuses to make its pods")
    };
    Some(Trouble::passing(
        Weight::NoPods,
        reason.details(vec![message]),
    ))
}

fn evicted(pod: &ObservedPod) -> Option<Trouble> {
    let status = pod.pod.status.as_ref()?;
    if status.phase.as_deref() != Some("Failed") {
        return None;
    }
    let why = status.reason.as_deref().unwrap_or("no reason was given");
    let details = status.message.clone().into_iter().collect();
    let reason = Reason::new(format!("a node gave up one of its pods ({why})")).details(details);
    Some(Trouble::passing(Weight::Evicted, reason))
}

pub(super) fn no_room(version: &Version, pod: &ObservedPod) -> Option<Trouble> {
    let scheduled = condition(pod, "PodScheduled").filter(|c| c.status == "False")?;
    let message = scheduled.message.clone().unwrap_or_default();
    let reason = no_node_fits(version, &message).unwrap_or_else(|| {
        let hint = match version.spec.run.requests == Resources::default() {
            true => "whoever runs the cluster can make room, or add a node",
            false => {
                "ask for less under [requests] in iterapp.toml; \
                 or whoever runs the cluster can make room, or add a node"
            }
        };
        Reason::new("no node has room for one of its pods").hint(hint)
    });
    Some(Trouble::passing(
        Weight::NoRoom,
        reason.details(vec![message]),
    ))
}

/// Nodes that the pods may not run on have no room either, and the scheduler counts both; so the
/// selector is to blame only where it shuts out all of them.
fn no_node_fits(version: &Version, message: &str) -> Option<Reason> {
    const SHUT_OUT: &str = " node(s) didn't match Pod's node affinity/selector";
    let (counted, why) = message.split_once(" nodes are available: ")?;
    let all = counted.strip_prefix("0/")?;
    let selector = &version.spec.run.node_selector;
    if selector.is_empty() || !why.starts_with(&format!("{all}{SHUT_OUT}")) {
        return None;
    }
    let pairs: Vec<String> = selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let summary = format!("no node fits its node_selector: {}", pairs.join(", "));
    let hint = "a node must have every one of these labels: change [node_selector] in \
                iterapp.toml, or ask whoever runs the cluster which labels there are";
    Some(Reason::new(summary).hint(hint))
}

/// A sandbox or a volume that cannot be set up: the kubelet tries again.
fn node(pod: &ObservedPod) -> Option<Trouble> {
    const SOON: Duration = Duration::from_secs(10);
    let warning = pod.warnings.first().filter(|_| pod.age >= SOON)?;
    let running = pod
        .container()
        .and_then(|c| c.state.as_ref()?.running.as_ref());
    if running.is_some() {
        return None;
    }
    let reason =
        Reason::new("its node cannot set up one of its pods").details(vec![warning.clone()]);
    Some(Trouble::passing(Weight::Node, reason))
}

fn condition<'a>(pod: &'a ObservedPod, type_: &str) -> Option<&'a PodCondition> {
    let conditions = pod.pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == type_)
}

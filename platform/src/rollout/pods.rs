//! What people want to see of running pods: how many there are to be, how many are ready, and what
//! they write.

mod follow;
mod merge;
mod tail;

use std::collections::BTreeMap;

use futures::Stream;
use futures::stream::StreamExt;
use iterapp_schema::{AppName, ApplingName, Environment};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use super::cluster::{Cluster, ClusterError};
use super::labels;
use super::observe::is_ready;
use crate::release::spec::namespace;
pub(super) use tail::read_line;

/// Which lines of an environment's pods to read.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Only this appling's pods.
    pub appling: Option<ApplingName>,
    /// At most so many of each pod's last lines.
    pub tail: Option<u32>,
    /// Go on with new lines, also of new pods, until the stream is dropped.
    pub follow: bool,
}

/// One line that a pod wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodLine {
    /// When.
    pub at: Timestamp,
    /// The pod's appling.
    pub appling: ApplingName,
    /// The pod's name.
    pub pod: String,
    /// The line, without its line break.
    pub text: String,
}

/// The pods that a query is about.
struct Pods {
    cluster: Cluster,
    api: Api<Pod>,
    selector: String,
    namespace: String,
}

impl Pods {
    fn of(cluster: &Cluster, app: &AppName, environment: Environment, query: &LogQuery) -> Self {
        let instance = &cluster.settings().instance;
        let mut wanted = labels::of_environment(instance, app, environment);
        if let Some(appling) = &query.appling {
            wanted.insert(labels::APPLING.to_owned(), appling.to_string());
        }
        let namespace = namespace(app, environment);
        Self {
            cluster: cluster.clone(),
            api: cluster.in_namespace(&namespace),
            selector: labels::query(&wanted),
            namespace,
        }
    }

    async fn list(&self) -> Result<Vec<Pod>, ClusterError> {
        let query = ListParams::default().labels(&self.selector);
        let what = format!("list the pods of {}", self.namespace);
        let list = self
            .cluster
            .request(&what, || async { self.api.list(&query).await });
        Ok(list.await?.items)
    }
}

/// The lines of an environment's pods. Without `follow` the stream ends after the last line
/// written so far, and lines come in the order of their time.
///
/// # Errors
///
/// When the pods cannot be listed.
pub async fn logs(
    cluster: &Cluster,
    app: &AppName,
    environment: Environment,
    query: LogQuery,
) -> Result<impl Stream<Item = PodLine> + Send + 'static + use<>, ClusterError> {
    let pods = Pods::of(cluster, app, environment, &query);
    let present = pods.list().await?;
    if query.follow {
        return Ok(follow::lines(pods, query.tail).boxed());
    }
    let tails = present
        .iter()
        .filter_map(|pod| tail::lines(&pods, pod, query.tail));
    Ok(merge::by_time(tails.collect()).boxed())
}

/// How many pods each appling's Deployment is to have, be it by our word or an autoscaler's.
///
/// # Errors
///
/// When Kubernetes does not answer.
pub async fn wanted_counts(
    cluster: &Cluster,
    app: &AppName,
    environment: Environment,
) -> Result<BTreeMap<ApplingName, u32>, ClusterError> {
    let namespace = namespace(app, environment);
    let api: Api<Deployment> = cluster.in_namespace(&namespace);
    let ours = cluster.ours(app, environment);
    let what = format!("list the deployments of {namespace}");
    let list = cluster
        .request(&what, || async { api.list(&ours).await })
        .await?;
    let count = |deployment: &Deployment| {
        let replicas = deployment.spec.as_ref()?.replicas?;
        let appling = labels::appling_of(deployment.labels())?;
        Some((appling, u32::try_from(replicas).ok()?))
    };
    Ok(list.items.iter().filter_map(count).collect())
}

/// The pods of an appling that are to stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PodCounts {
    /// Those that serve.
    pub ready: u32,
    /// Those that do not, or not yet.
    pub not_ready: u32,
}

/// The pods of each appling, counted.
///
/// # Errors
///
/// When Kubernetes does not answer.
pub async fn counts(
    cluster: &Cluster,
    app: &AppName,
    environment: Environment,
) -> Result<BTreeMap<ApplingName, PodCounts>, ClusterError> {
    let pods = Pods::of(cluster, app, environment, &LogQuery::default())
        .list()
        .await?;
    let mut counts: BTreeMap<ApplingName, PodCounts> = BTreeMap::new();
    for pod in &pods {
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        let has_ended = matches!(phase, Some("Succeeded" | "Failed"));
        if pod.metadata.deletion_timestamp.is_some() || has_ended {
            continue;
        }
        if let Some(appling) = labels::appling_of(pod.labels()) {
            let counts = counts.entry(appling).or_default();
            match is_ready(pod) {
                true => counts.ready += 1,
                false => counts.not_ready += 1,
            }
        }
    }
    Ok(counts)
}

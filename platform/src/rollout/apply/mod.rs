//! Makes the objects in Kubernetes what they are wanted to be. The only place that writes there.
//!
//! | file | |
//! | --- | --- |
//! | `namespace` | made, or found to be ours, or refused |
//! | `kind` | one kind of object in it: applied, and pruned of what is wanted no more |
//! | `configuration` | what pods were configured with goes when no pod names it any more |
//! | `job` | release commands, which run once and are not applied |
//! | `replicas` | how many pods a Deployment has: said by us, or by an autoscaler |
//! | `take_back` | fields of ours that somebody else has put something into |
//! | `write` | every write: fence, deadline, retry |
//! | `dry_run` | what all that would come to, without doing it |
//! | `error` | what the apiserver's refusals mean |

mod configuration;
mod dry_run;
mod error;
mod fence;
mod job;
mod kind;
mod namespace;
mod replicas;
mod take_back;
mod write;

pub use dry_run::{Outcome, Preview, dry_run};
pub use error::{ApplyError, Refusal};
pub use fence::{Fence, LeaseLost};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};

use super::cluster::Cluster;
use super::desired::{Objects, TraefikObjects};
use super::labels;
use super::traefik::{IngressRoute, Middleware};
use job::Jobs;
use kind::Kind;
use write::Writer;

/// Our name among those who manage fields of objects.
const FIELD_MANAGER: &str = "hops";

/// Makes an environment's objects what they are wanted to be, and deletes those of ours that are
/// wanted no more. Running it twice changes nothing the second time.
///
/// What is wanted is there before what is not wanted goes, and an Ingress goes before the Service
/// it sends to, so that no request meets a gap. What others refer to comes before them and goes
/// after them, and pods start behind their walls. Only autoscalers that are wanted no more go first:
/// else they would change the number of pods that a Deployment is to have now.
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
        config_maps,
        secrets,
        network_policies,
        services,
        deployments,
        autoscalers,
        ingresses,
        traefik,
        cron_jobs,
        jobs,
    } = objects;
    let writer = Writer::new(cluster, fence);
    let namespace = namespace::ensure(&writer, namespace).await?;

    let (
        old_config_maps,
        old_secrets,
        old_network_policies,
        old_services,
        old_deployments,
        old_autoscalers,
        old_ingresses,
        old_cron_jobs,
        old_jobs,
    ) = tokio::try_join!(
        Kind::<ConfigMap>::read(cluster, &namespace),
        Kind::<Secret>::read(cluster, &namespace),
        Kind::<NetworkPolicy>::read(cluster, &namespace),
        Kind::<Service>::read(cluster, &namespace),
        Kind::<Deployment>::read(cluster, &namespace),
        Kind::<HorizontalPodAutoscaler>::read(cluster, &namespace),
        Kind::<Ingress>::read(cluster, &namespace),
        Kind::<CronJob>::read(cluster, &namespace),
        Jobs::read(cluster, &namespace),
    )?;
    let traefik = Traefik::read(cluster, &namespace, traefik.as_ref()).await?;

    old_autoscalers.prune(&writer, autoscalers).await?;
    let refusals = [
        old_config_maps.put(&writer, config_maps).await?,
        old_secrets.put(&writer, secrets).await?,
        old_network_policies.put(&writer, network_policies).await?,
        old_services.put(&writer, services).await?,
        old_deployments
            .put_scaled(&writer, deployments, autoscalers)
            .await?,
        old_autoscalers.put(&writer, autoscalers).await?,
        old_ingresses.put(&writer, ingresses).await?,
        traefik.put(&writer).await?,
        old_cron_jobs.put(&writer, cron_jobs).await?,
        old_jobs.put(&writer, jobs).await?,
    ]
    .concat();

    old_cron_jobs.prune(&writer, cron_jobs).await?;
    traefik.prune(&writer).await?;
    old_ingresses.prune(&writer, ingresses).await?;
    old_services.prune(&writer, services).await?;
    old_deployments.prune(&writer, deployments).await?;
    old_network_policies
        .prune(&writer, network_policies)
        .await?;
    old_jobs.prune(&writer, jobs).await?;
    configuration::prune(
        &writer,
        &namespace,
        (&old_config_maps, config_maps),
        (&old_secrets, secrets),
    )
    .await?;

    if refusals.is_empty() {
        return Ok(());
    }
    Err(ApplyError::Refused(refusals))
}

/// Traefik's own kinds, where it is the ingress; else the cluster is not asked for them.
struct Traefik<'a>(Option<(&'a TraefikObjects, Kind<Middleware>, Kind<IngressRoute>)>);

impl<'a> Traefik<'a> {
    async fn read(
        cluster: &Cluster,
        namespace: &OurNamespace,
        wanted: Option<&'a TraefikObjects>,
    ) -> Result<Self, ApplyError> {
        let Some(wanted) = wanted else {
            return Ok(Self(None));
        };
        let (middlewares, ingress_routes) = tokio::try_join!(
            Kind::read(cluster, namespace),
            Kind::read(cluster, namespace),
        )
        .map_err(|error| match error.answer() {
            Some(status) if status.is_not_found() => ApplyError::Transient(format!(
                "{error}; with HOPS_INGRESS_FLAVOUR=traefik its kinds of objects have to be in the cluster"
            )),
            _ => error.into(),
        })?;
        Ok(Self(Some((wanted, middlewares, ingress_routes))))
    }

    async fn put(&self, writer: &Writer<'_, impl Fence>) -> Result<Vec<Refusal>, ApplyError> {
        let Some((wanted, middlewares, ingress_routes)) = &self.0 else {
            return Ok(Vec::new());
        };
        let refusals = [
            middlewares.put(writer, &wanted.middlewares).await?,
            ingress_routes.put(writer, &wanted.ingress_routes).await?,
        ];
        Ok(refusals.concat())
    }

    async fn prune(&self, writer: &Writer<'_, impl Fence>) -> Result<(), ApplyError> {
        if let Some((wanted, middlewares, ingress_routes)) = &self.0 {
            ingress_routes.prune(writer, &wanted.ingress_routes).await?;
            middlewares.prune(writer, &wanted.middlewares).await?;
        }
        Ok(())
    }
}

/// The namespace, known to be ours, and what marks an object in it as ours too.
struct OurNamespace {
    name: String,
    labels: labels::Labels,
}

//! ConfigMaps and Secrets that are wanted no more, but that pods still name: a pod of the version
//! before may be started again until the last moment. Secrets stay as long as pods that have ended are
//! shown, too: they are what is blotted out of those pods' logs.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, PodSpec, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;

use super::super::cluster::Cluster;
use super::super::labels;
use super::super::observe::end_of;
use super::kind::Kind;
use super::write::Writer;
use super::{ApplyError, Fence, OurNamespace};

/// Deletes what is ours and not wanted, but for what live pods name.
pub(super) async fn prune(
    writer: &Writer<'_, impl Fence>,
    namespace: &OurNamespace,
    (config_maps, wanted_config_maps): (&Kind<ConfigMap>, &[ConfigMap]),
    (secrets, wanted_secrets): (&Kind<Secret>, &[Secret]),
) -> Result<(), ApplyError> {
    let unwanted =
        config_maps.unwanted(wanted_config_maps).count() + secrets.unwanted(wanted_secrets).count();
    if unwanted == 0 {
        return Ok(());
    }
    let named = Named::read(writer.cluster, namespace).await?;
    config_maps
        .prune_but(writer, wanted_config_maps, |name, _| {
            named.config_maps.contains(name)
        })
        .await?;
    secrets
        .prune_but(writer, wanted_secrets, |name, metadata| {
            named.keeps(name, metadata)
        })
        .await
}

/// What pods name, and what makes pods.
#[derive(Default)]
struct Named {
    config_maps: BTreeSet<String>,
    secrets: BTreeSet<String>,
    /// Secrets that ended pods name.
    ended_secrets: BTreeSet<String>,
}

impl Named {
    async fn read(cluster: &Cluster, namespace: &OurNamespace) -> Result<Self, ApplyError> {
        let ours = ListParams::default();
        let sets = cluster.in_namespace::<ReplicaSet>(&namespace.name);
        let pods = cluster.in_namespace::<Pod>(&namespace.name);
        let jobs = cluster.in_namespace::<Job>(&namespace.name);
        let what = format!("list the pods of {}", namespace.name);
        // Pods last: one that is made meanwhile was named by what makes it.
        let (sets, jobs) = tokio::try_join!(
            cluster.request(&what, || async { sets.list(&ours).await }),
            cluster.request(&what, || async { jobs.list(&ours).await }),
        )?;
        let pods = cluster
            .request(&what, || async { pods.list(&ours).await })
            .await?;
        Ok(Self::by(sets.items, jobs.items, pods.items))
    }

    fn by(sets: Vec<ReplicaSet>, jobs: Vec<Job>, pods: Vec<Pod>) -> Self {
        let mut named = Self::default();
        for set in sets {
            let Some(spec) = set.spec.filter(|spec| spec.replicas != Some(0)) else {
                continue;
            };
            named.of(spec.template.and_then(|template| template.spec));
        }
        for job in jobs.into_iter().filter(|job| end_of(job).is_none()) {
            named.of(job.spec.and_then(|spec| spec.template.spec));
        }
        let ended = |pod: &Pod| {
            let phase = pod
                .status
                .as_ref()
                .and_then(|status| status.phase.as_deref());
            matches!(phase, Some("Succeeded" | "Failed"))
        };
        let (ended, others): (Vec<Pod>, Vec<Pod>) = pods.into_iter().partition(ended);
        for pod in others {
            named.of(pod.spec);
        }
        let mut of_ended = Self::default();
        for pod in ended {
            of_ended.of(pod.spec);
        }
        named.ended_secrets = of_ended.secrets;
        named
    }

    /// Whether a Secret is to stay that is not wanted any more.
    fn keeps(&self, secret: &str, metadata: &ObjectMeta) -> bool {
        // A database's tells that pods may still log in with it; no app can print what is in there.
        let labels = metadata.labels.as_ref();
        let is_login = labels.is_some_and(|labels| labels.contains_key(labels::LOGIN));
        self.secrets.contains(secret) || self.ended_secrets.contains(secret) && !is_login
    }

    fn of(&mut self, spec: Option<PodSpec>) {
        let Some(spec) = spec else { return };
        let containers = spec
            .containers
            .into_iter()
            .chain(spec.init_containers.into_iter().flatten());
        for source in containers.flat_map(|container| container.env_from.unwrap_or_default()) {
            self.config_maps
                .extend(source.config_map_ref.map(|map| map.name));
            self.secrets
                .extend(source.secret_ref.map(|secret| secret.name));
        }
        for volume in spec.volumes.into_iter().flatten() {
            self.config_maps
                .extend(volume.config_map.map(|map| map.name));
            self.secrets
                .extend(volume.secret.and_then(|secret| secret.secret_name));
        }
        let pull = spec.image_pull_secrets.into_iter().flatten();
        self.secrets.extend(pull.map(|secret| secret.name));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(phase: &str, secret: &str) -> Pod {
        let of_secret = json!({ "secretRef": { "name": secret } });
        let container = json!({ "name": "app", "envFrom": [of_secret] });
        let pod = json!({ "spec": { "containers": [container] }, "status": { "phase": phase } });
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn secrets_stay_as_long_as_a_pod_is_shown_that_was_given_them() {
        let pods = vec![pod("Running", "of-running"), pod("Succeeded", "of-ended")];
        let named = Named::by(Vec::new(), Vec::new(), pods);
        let plain = ObjectMeta::default();
        let login = ObjectMeta {
            labels: Some([(labels::LOGIN.to_owned(), "shop_a".to_owned())].into()),
            ..ObjectMeta::default()
        };
        let kept = |name| (named.keeps(name, &plain), named.keeps(name, &login));
        assert_eq!(kept("of-running"), (true, true));
        assert_eq!(kept("of-ended"), (true, false));
        assert_eq!(kept("of-nobody"), (false, false));
    }
}

//! Reads Secrets of a namespace: those that authors refer to by name, and all of them to know what
//! nobody is to read.

use std::collections::{BTreeMap, BTreeSet};

use builder_client::Redactor;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use secrecy::{ExposeSecret, SecretSlice};

use super::cluster::{Cluster, ClusterError};
use super::desired::REQUEST;
use super::labels;
use crate::release::spec::WantedEnvironment;

/// What a Secret holds, by key; nothing when there is none of that name, or it is none of the author's:
/// the platform's own have others' secrets, such as the registry's password.
///
/// # Errors
/// When Kubernetes does not answer.
pub async fn read(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<Option<BTreeMap<String, SecretSlice<u8>>>, ClusterError> {
    let api = cluster.in_namespace::<Secret>(namespace);
    let what = format!("read the Secret {name} in {namespace}");
    let found = cluster
        .request(&what, || async { api.get_opt(name).await })
        .await?;
    let ours = &cluster.settings().instance;
    let is_authors = |secret: &Secret| {
        let is_plain = secret.type_.as_deref().is_none_or(|kind| kind == "Opaque");
        is_plain && secret.labels().get(labels::INSTANCE) != Some(ours)
    };
    Ok(found.filter(is_authors).map(|secret| {
        let data = secret.data.unwrap_or_default().into_iter();
        data.map(|(key, value)| (key, value.0.into())).collect()
    }))
}

/// Blots out what is secret in an environment now, and what was when its pods began.
///
/// # Errors
/// When Kubernetes does not answer.
pub async fn redactor(
    cluster: &Cluster,
    wanted: &WantedEnvironment,
) -> Result<Redactor, ClusterError> {
    let (of_pods, of_now) = (all(cluster, &wanted.namespace()).await?, wanted.secrets());
    let of_now = of_now.iter().map(|value| value.expose_secret().as_bytes());
    Ok(Redactor::new(values(&of_pods).chain(of_now)))
}

/// Blots out whatever stands in any Secret of a namespace: every pod that is there has its values
/// from those.
///
/// # Errors
/// When Kubernetes does not answer.
pub async fn redactor_of_pods(
    cluster: &Cluster,
    namespace: &str,
) -> Result<Redactor, ClusterError> {
    Ok(Redactor::new(values(&all(cluster, namespace).await?)))
}

async fn all(cluster: &Cluster, namespace: &str) -> Result<Vec<Secret>, ClusterError> {
    let api = cluster.in_namespace::<Secret>(namespace);
    let what = format!("list the Secrets of {namespace}");
    let all = ListParams::default();
    let list = cluster.request(&what, || async { api.list(&all).await });
    Ok(list.await?.items)
}

fn values(secrets: &[Secret]) -> impl Iterator<Item = &[u8]> {
    let data = secrets.iter().flat_map(|secret| &secret.data).flatten();
    // What is secret of a cron job's request stands beside it, and its other lines are harmless.
    let secret = data.filter(|(key, _)| *key != REQUEST);
    secret.map(|(_, value)| value.0.as_slice())
}

/// The logins of databases that pods may still use: those that any of the platform's Secrets is for. Such
/// a Secret goes when no pod names it any more.
///
/// # Errors
/// When Kubernetes does not answer.
pub async fn logins(cluster: &Cluster, namespace: &str) -> Result<BTreeSet<String>, ClusterError> {
    let api = cluster.in_namespace::<Secret>(namespace);
    let what = format!("list the Secrets of {namespace}");
    let of_databases = ListParams::default().labels(labels::LOGIN);
    let list = cluster
        .request(&what, || async { api.list_metadata(&of_databases).await })
        .await?;
    let login = |secret: &PartialObjectMeta<Secret>| secret.labels().get(labels::LOGIN).cloned();
    Ok(list.items.iter().filter_map(login).collect())
}

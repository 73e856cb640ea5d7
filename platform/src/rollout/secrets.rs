//! Reads Secrets of a namespace that authors refer to by name.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use secrecy::SecretSlice;

use super::cluster::{Cluster, ClusterError};

/// What a Secret holds, by key; nothing when there is none of that name.
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
    Ok(found.map(|secret| {
        let data = secret.data.unwrap_or_default().into_iter();
        data.map(|(key, value)| (key, value.0.into())).collect()
    }))
}

//! What nodes need to pull the platform's images from a registry that asks for a login.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use secrecy::ExposeSecret;
use serde_json::json;

use super::super::cluster::{RegistryCredentials, Settings};
use super::labels;
use crate::release::spec::WantedEnvironment;

/// The Secret's name.
pub(super) const NAME: &str = "hops-registry";

pub(super) fn secret(wanted: &WantedEnvironment, settings: &Settings) -> Option<Secret> {
    let credentials = settings.pull_secret.as_ref()?;
    let labels = labels::of_environment(&settings.instance, &wanted.app, wanted.environment);
    let content = ByteString(docker_config(credentials).into_bytes());
    Some(Secret {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            namespace: Some(wanted.namespace()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        type_: Some("kubernetes.io/dockerconfigjson".to_owned()),
        data: Some([(".dockerconfigjson".to_owned(), content)].into()),
        ..Secret::default()
    })
}

/// What `docker login` would write.
fn docker_config(credentials: &RegistryCredentials) -> String {
    let RegistryCredentials {
        registry,
        username,
        password,
    } = credentials;
    let auth = STANDARD.encode(format!("{username}:{}", password.expose_secret()));
    json!({ "auths": { registry: { "auth": auth } } }).to_string()
}

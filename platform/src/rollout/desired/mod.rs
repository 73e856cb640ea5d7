//! From what is wanted to the Kubernetes objects that there are to be. Pure: the same input gives
//! the same objects, and nothing else decides what an object looks like.

mod deployment;
mod ingress;
mod namespace;
mod pod;
mod pull_secret;
mod service;
#[cfg(test)]
mod tests;

pub use pod::CONTAINER;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Secret, Service};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::cluster::Settings;
use super::labels::{self, Labels};
use crate::release::spec::{Version, WantedEnvironment};

/// Every object of one environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Objects {
    /// Holds all the others.
    pub namespace: Namespace,
    /// Credentials for pulling images.
    pub secrets: Vec<Secret>,
    /// Each appling's names inside the cluster.
    pub services: Vec<Service>,
    /// Each appling's pods.
    pub deployments: Vec<Deployment>,
    /// Each exposed appling's hosts.
    pub ingresses: Vec<Ingress>,
}

impl Objects {
    /// All of them as JSON, what holds the others first.
    pub fn to_json(&self) -> Vec<Value> {
        let Self {
            namespace,
            secrets,
            services,
            deployments,
            ingresses,
        } = self;
        let mut all = vec![json!(namespace)];
        all.extend(secrets.iter().map(|object| json!(object)));
        all.extend(services.iter().map(|object| json!(object)));
        all.extend(deployments.iter().map(|object| json!(object)));
        all.extend(ingresses.iter().map(|object| json!(object)));
        all
    }
}

/// The objects of an environment.
pub fn desired(wanted: &WantedEnvironment, settings: &Settings) -> Objects {
    let applings = || {
        wanted
            .versions
            .iter()
            .map(|v| Part::new(wanted, v, settings))
    };
    Objects {
        namespace: namespace::namespace(wanted, settings),
        secrets: pull_secret::secret(wanted, settings).into_iter().collect(),
        services: applings()
            .flat_map(|part| service::services(&part))
            .collect(),
        deployments: applings()
            .map(|part| deployment::deployment(&part))
            .collect(),
        ingresses: applings()
            .filter_map(|part| ingress::ingress(&part))
            .collect(),
    }
}

/// The label `hops.dev/version` of the pods that a Deployment makes.
pub fn version_label(deployment: &Deployment) -> Option<&str> {
    let template = &deployment.spec.as_ref()?.template;
    let labels = template.metadata.as_ref()?.labels.as_ref()?;
    labels.get(labels::VERSION).map(String::as_str)
}

/// What an appling's objects are made from.
struct Part<'a> {
    wanted: &'a WantedEnvironment,
    version: &'a Version,
    settings: &'a Settings,
    labels: Labels,
    selector: Labels,
}

impl<'a> Part<'a> {
    fn new(wanted: &'a WantedEnvironment, version: &'a Version, settings: &'a Settings) -> Self {
        let WantedEnvironment {
            app,
            environment,
            versions: _,
        } = wanted;
        let appling = &version.spec.name;
        let mut labels = labels::of_environment(&settings.instance, app, *environment);
        labels.insert(labels::APPLING.to_owned(), appling.to_string());
        Self {
            wanted,
            version,
            settings,
            labels,
            selector: labels::selecting(app, *environment, appling),
        }
    }

    /// Metadata of an object of this appling.
    fn metadata(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.wanted.namespace()),
            labels: Some(self.labels.clone()),
            ..ObjectMeta::default()
        }
    }
}

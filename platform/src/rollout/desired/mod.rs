//! From what is wanted to the Kubernetes objects that there are to be. Pure.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Secret, Service};
use k8s_openapi::api::networking::v1::Ingress;

use super::cluster::Settings;
use crate::release::spec::WantedEnvironment;

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

/// The objects of an environment.
pub fn desired(wanted: &WantedEnvironment, settings: &Settings) -> Objects {
    let _ = (wanted, settings);
    Objects {
        namespace: Namespace::default(),
        secrets: Vec::new(),
        services: Vec::new(),
        deployments: Vec::new(),
        ingresses: Vec::new(),
    }
}

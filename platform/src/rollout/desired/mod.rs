//! From what is wanted to the Kubernetes objects that there are to be. Pure: the same input gives
//! the same objects, and nothing else decides what an object looks like.

mod autoscaler;
mod configuration;
mod cronjob;
mod deployment;
mod ingress;
mod isolation;
mod job;
mod namespace;
mod pod;
mod pull_secret;
mod resources;
#[cfg(test)]
mod routes_tests;
mod service;
mod sql_proxy;
#[cfg(test)]
mod tests;

pub use cronjob::REQUEST;
pub use deployment::STEADY_SECONDS;
pub use job::job_name;
pub use pod::CONTAINER;
pub use resources::amount;
pub use sql_proxy::PROXY;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::cluster::{IngressFlavour, Settings};
use super::labels::{self, Labels};
use super::traefik::{IngressRoute, Middleware};
use crate::release::spec::{Version, WantedEnvironment};

/// Every object of one environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Objects {
    /// Holds all the others.
    pub namespace: Namespace,
    /// Plain variables and files of applings, named after their content.
    pub config_maps: Vec<ConfigMap>,
    /// Secret variables and files likewise, credentials for pulling images, and the requests of cron
    /// jobs.
    pub secrets: Vec<Secret>,
    /// With whom isolated applings may speak.
    pub network_policies: Vec<NetworkPolicy>,
    /// Each appling's names inside the cluster.
    pub services: Vec<Service>,
    /// Each appling's pods.
    pub deployments: Vec<Deployment>,
    /// How many pods each autoscaled appling has. Its Deployment, of the same name, does not say.
    pub autoscalers: Vec<HorizontalPodAutoscaler>,
    /// Each exposed appling's hosts.
    pub ingresses: Vec<Ingress>,
    /// What Traefik needs besides; nothing where the ingress is another one's, and the cluster
    /// perhaps does not have these kinds.
    pub traefik: Option<TraefikObjects>,
    /// Each good version's work on a schedule.
    pub cron_jobs: Vec<CronJob>,
    /// Release commands.
    pub jobs: Vec<Job>,
}

/// Objects of Traefik's own kinds.
#[derive(Debug, Clone, PartialEq)]
pub struct TraefikObjects {
    /// What the routes below name.
    pub middlewares: Vec<Middleware>,
    /// Rewritten paths, and hosts that redirect.
    pub ingress_routes: Vec<IngressRoute>,
}

impl Objects {
    /// All of them as JSON, what holds the others first.
    pub fn to_json(&self) -> Vec<Value> {
        let Self {
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
        } = self;
        let mut all = vec![json!(namespace)];
        all.extend(values(config_maps));
        all.extend(values(secrets));
        all.extend(values(network_policies));
        all.extend(values(services));
        all.extend(values(deployments));
        all.extend(values(autoscalers));
        all.extend(values(ingresses));
        if let Some(objects) = traefik {
            all.extend(values(&objects.middlewares));
            all.extend(values(&objects.ingress_routes));
        }
        all.extend(values(cron_jobs));
        all.extend(values(jobs));
        all
    }
}

fn values<K: serde::Serialize>(objects: &[K]) -> impl Iterator<Item = Value> {
    objects.iter().map(|object| json!(object))
}

/// The objects of an environment.
pub fn desired(wanted: &WantedEnvironment, settings: &Settings) -> Objects {
    let applings = Part::all(wanted, &wanted.versions, settings);
    let good = Part::all(wanted, &wanted.good, settings);
    let commands = wanted.commands.iter();
    let commands: Vec<Part<'_>> = commands
        .map(|command| Part::new(wanted, &command.version, settings))
        .collect();
    let pull_secret = pull_secret::secret(wanted, settings);
    let requests = cronjob::secrets(&good);
    let all: Vec<&Part<'_>> = applings.iter().chain(&good).chain(&commands).collect();
    let configured = configuration::secrets(&all);
    Objects {
        namespace: namespace::namespace(wanted, settings),
        config_maps: configuration::config_maps(&all),
        secrets: pull_secret
            .into_iter()
            .chain(configured)
            .chain(requests)
            .collect(),
        network_policies: network_policies(&applings, &commands),
        services: each(&applings, service::services),
        deployments: applings.iter().map(deployment::deployment).collect(),
        autoscalers: applings.iter().filter_map(autoscaler::autoscaler).collect(),
        ingresses: match settings.ingress_flavour {
            IngressFlavour::IngressNginx => each(&applings, ingress::nginx::ingresses),
            IngressFlavour::Traefik => each(&applings, ingress::traefik::ingresses),
        },
        traefik: match settings.ingress_flavour {
            IngressFlavour::IngressNginx => None,
            IngressFlavour::Traefik => Some(TraefikObjects {
                middlewares: each(&applings, ingress::traefik::middlewares),
                ingress_routes: each(&applings, ingress::traefik::ingress_routes),
            }),
        },
        cron_jobs: cronjob::cron_jobs(&good),
        jobs: commands
            .iter()
            .zip(&wanted.commands)
            .map(|(part, command)| job::job(part, command))
            .collect(),
    }
}

/// A release command runs before its version is wanted, and behind that version's wall.
fn network_policies(applings: &[Part<'_>], commands: &[Part<'_>]) -> Vec<NetworkPolicy> {
    let name = |part: &Part<'_>| part.version.spec.name.clone();
    let has_command = |part: &&Part<'_>| commands.iter().any(|command| name(command) == name(part));
    let of_pods = applings.iter().filter_map(isolation::of_pods);
    let without_command = applings.iter().filter(|part| !has_command(part));
    let of_jobs = without_command.chain(commands);
    of_pods
        .chain(of_jobs.filter_map(isolation::of_jobs))
        .collect()
}

/// The objects of one kind of every appling.
fn each<'a, K>(parts: &[Part<'a>], objects: fn(&Part<'a>) -> Vec<K>) -> Vec<K> {
    parts.iter().flat_map(objects).collect()
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
    fn all(
        wanted: &'a WantedEnvironment,
        versions: &'a [Version],
        settings: &'a Settings,
    ) -> Vec<Self> {
        let part = |version| Self::new(wanted, version, settings);
        versions.iter().map(part).collect()
    }

    fn new(wanted: &'a WantedEnvironment, version: &'a Version, settings: &'a Settings) -> Self {
        let WantedEnvironment {
            app, environment, ..
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

    /// What the pods of this appling's Jobs carry.
    fn labels_of_job_pods(&self) -> Labels {
        let WantedEnvironment {
            app, environment, ..
        } = self.wanted;
        let mut labels = labels::of_environment(&self.settings.instance, app, *environment);
        labels.extend(labels::of_jobs(app, *environment, &self.version.spec.name));
        labels
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

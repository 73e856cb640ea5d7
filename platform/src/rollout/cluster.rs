//! The connection to Kubernetes: settings, deadlines and the one retry rule.

use std::fmt::{self, Debug};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use iterapp_schema::{AppName, Environment, Resources};
use k8s_openapi::NamespaceResourceScope;
use kube::api::ListParams;
use kube::{Api, Client, Config, Resource};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use super::labels;

/// Pauses between the attempts of one request; one attempt more than there are pauses.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];

/// The image that calls cron jobs' paths where no setting names another.
pub const CALLER_IMAGE: &str = "docker.io/curlimages/curl:8.20.0";

/// The SQL proxy where no setting names another.
pub const PGBOUNCER_IMAGE: &str = "ghcr.io/cloudnative-pg/pgbouncer:1.24.1";
/// Google's proxy where no setting names another.
pub const CLOUD_SQL_PROXY_IMAGE: &str = "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.27.0";

/// How this platform uses the cluster.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Value of the label [`labels::INSTANCE`] on everything that is this platform's.
    pub instance: String,
    /// The IngressClass of every Ingress.
    pub ingress_class: String,
    /// What serves Ingresses of that class.
    pub ingress_flavour: IngressFlavour,
    /// Where the ingress controller's requests come from: isolated applings let them in.
    pub ingress_sources: Vec<IngressSource>,
    /// An image with `curl`, which makes the requests of cron jobs.
    pub caller_image: String,
    /// An image with PgBouncer, the SQL proxy.
    pub pgbouncer_image: String,
    /// The image of Google's Cloud SQL Auth Proxy.
    pub cloud_sql_proxy_image: String,
    /// How long one request may take.
    pub request_deadline: Duration,
    /// How long a pod that is to stop goes on serving, so that the ingress and every node's proxy
    /// have stopped sending to it before the app hears of it. Whole seconds.
    pub drain: Duration,
    /// How long a release command may take, from the moment that it may run. Whole seconds.
    pub release_command_deadline: Duration,
    /// Credentials with which nodes pull the platform's images, where the registry asks for any.
    pub pull_secret: Option<RegistryCredentials>,
    /// What applings request and may use at most where their authors do not say.
    pub defaults: Defaults,
}

/// What holds for an appling whose author does not say otherwise.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// What its pods are sure to get.
    pub requests: Resources,
    /// What its pods may use at most.
    pub limits: Resources,
}

impl Settings {
    /// What suits most clusters.
    pub fn new(instance: impl Into<String>) -> Self {
        Self {
            instance: instance.into(),
            ingress_class: "nginx".to_owned(),
            ingress_flavour: IngressFlavour::IngressNginx,
            ingress_sources: vec![IngressSource::Namespace("ingress-nginx".to_owned())],
            caller_image: CALLER_IMAGE.to_owned(),
            pgbouncer_image: PGBOUNCER_IMAGE.to_owned(),
            cloud_sql_proxy_image: CLOUD_SQL_PROXY_IMAGE.to_owned(),
            request_deadline: Duration::from_secs(5),
            drain: Duration::from_secs(5),
            release_command_deadline: Duration::from_secs(3600),
            pull_secret: None,
            defaults: Defaults::default(),
        }
    }
}

/// What serves Ingresses: it decides how redirects and rewritten paths are asked for. Plain hosts
/// and paths are the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum IngressFlavour {
    /// ingress-nginx, by its annotations.
    IngressNginx,
    /// Traefik, by its own kinds IngressRoute and Middleware.
    Traefik,
}

/// Where an ingress controller's requests come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IngressSource {
    /// Its pods' namespace.
    Namespace(String),
    /// Its addresses, where it runs on nodes or outside of the cluster.
    Network(IpNet),
}

impl FromStr for IngressSource {
    type Err = String;

    /// A network in CIDR notation, or else the name of a namespace.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(network) = text.parse() {
            return Ok(Self::Network(network));
        }
        let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty() || !text.chars().all(label) {
            return Err("a namespace or a network such as 10.0.0.0/24 is wanted".to_owned());
        }
        Ok(Self::Namespace(text.to_owned()))
    }
}

/// A login at an image registry.
#[derive(Debug, Clone)]
pub struct RegistryCredentials {
    /// The registry's host and port, as image references have it.
    pub registry: String,
    /// The user.
    pub username: String,
    /// The password or token.
    pub password: SecretString,
}

/// A Kubernetes cluster, spoken to as [`Settings`] say. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    settings: Settings,
}

impl Cluster {
    /// Connects as `KUBECONFIG` says, or as a pod's service account does. Sends nothing yet.
    ///
    /// # Errors
    ///
    /// When there is no usable configuration.
    pub async fn connect(settings: Settings) -> Result<Self, ClusterError> {
        let failed = |source| ClusterError::new("connect to Kubernetes", Cause::Kube(source));
        let mut config = Config::infer()
            .await
            .map_err(|source| failed(kube::Error::InferConfig(source)))?;
        config.connect_timeout = Some(settings.request_deadline);
        // The retry rule below counts a deadline for each attempt; kube's own does not.
        config.default_retry = false;
        let client = Client::try_from(config).map_err(failed)?;
        Ok(Self { client, settings })
    }

    /// How this platform uses the cluster.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The objects of one kind in one namespace.
    pub(super) fn in_namespace<K: Namespaced>(&self, namespace: &str) -> Api<K> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The objects of one kind, wherever they are.
    pub(super) fn everywhere<K: Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.client.clone())
    }

    /// Selects what is ours of an environment.
    pub(super) fn ours(&self, app: &AppName, environment: Environment) -> ListParams {
        let labels = labels::of_environment(&self.settings.instance, app, environment);
        ListParams::default().labels(&labels::query(&labels))
    }

    /// Runs a request under the deadline, and again when that may help: no connection, no answer
    /// in time, 429 or 5xx. The request must be one that may happen twice.
    ///
    /// `what` completes the sentence "could not …".
    pub(super) async fn request<T, F>(
        &self,
        what: &str,
        request: impl Fn() -> F,
    ) -> Result<T, ClusterError>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let mut pauses = PAUSES.into_iter();
        loop {
            let cause = match timeout(self.settings.request_deadline, request()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(source)) => Cause::Kube(source),
                Err(_) => Cause::Deadline(self.settings.request_deadline),
            };
            match pauses.next().filter(|_| cause.may_pass()) {
                Some(pause) => sleep(pause).await,
                None => return Err(ClusterError::new(what, cause)),
            }
        }
    }
}

/// A kind of object that lives in namespaces and can be read.
pub(super) trait Namespaced:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned
{
}

impl<K> Namespaced for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
{
}

/// A request to Kubernetes that failed, also when tried again.
#[derive(Debug, thiserror::Error)]
#[error("could not {what}: {cause}")]
pub struct ClusterError {
    what: String,
    cause: Cause,
}

impl ClusterError {
    fn new(what: &str, cause: Cause) -> Self {
        let what = what.to_owned();
        Self { what, cause }
    }

    /// What the apiserver answered, if it did.
    pub(super) fn answer(&self) -> Option<&kube::core::Status> {
        match &self.cause {
            Cause::Kube(kube::Error::Api(status)) => Some(status),
            _ => None,
        }
    }
}

#[derive(Debug)]
enum Cause {
    Kube(kube::Error),
    Deadline(Duration),
}

impl Cause {
    /// Whether the same request may well succeed a moment later.
    fn may_pass(&self) -> bool {
        match self {
            Self::Deadline(_) => true,
            Self::Kube(kube::Error::Api(status)) => status.code == 429 || status.code >= 500,
            Self::Kube(kube::Error::HyperError(_) | kube::Error::Service(_)) => true,
            Self::Kube(_) => false,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kube(kube::Error::Api(status)) => write!(f, "{}", status.message),
            Self::Kube(other) => write!(f, "{}", deepest(other)),
            Self::Deadline(deadline) => write!(f, "no answer within {} s", deadline.as_secs_f32()),
        }
    }
}

/// What went wrong in the end: the layers above only say that something did.
fn deepest(error: &kube::Error) -> &dyn std::error::Error {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_network_or_a_namespace() {
        let namespace = IngressSource::Namespace("ingress-nginx".to_owned());
        assert_eq!("ingress-nginx".parse(), Ok(namespace));
        let network = IngressSource::Network("10.0.0.0/8".parse().unwrap());
        assert_eq!("10.0.0.0/8".parse(), Ok(network));
        for wrong in ["", "10.0.0.0/33", "Ingress", "a b"] {
            assert!(wrong.parse::<IngressSource>().is_err(), "{wrong}");
        }
    }
}

//! Traefik's own kinds of objects, as far as the platform makes them: `traefik.io/v1alpha1`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{Metadata, NamespaceResourceScope, Resource};
use serde::{Deserialize, Serialize};

/// The API group's version, in which all its kinds are.
const API_VERSION: &str = "traefik.io/v1alpha1";

/// Routes that no Ingress can say.
pub type IngressRoute = Object<IngressRouteSpec>;

/// What happens to a request on its way.
pub type Middleware = Object<MiddlewareSpec>;

/// An object of one of Traefik's kinds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Object<S> {
    api_version: String,
    kind: String,
    metadata: ObjectMeta,
    /// What makes it differ from others of its kind.
    pub spec: S,
}

impl<S: Kind> Object<S> {
    /// An object of the kind that the spec is of.
    pub fn new(metadata: ObjectMeta, spec: S) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: S::KIND.to_owned(),
            metadata,
            spec,
        }
    }
}

/// Which kind of object a spec makes.
pub trait Kind {
    /// The kind.
    const KIND: &'static str;
    /// Its objects' place in URLs.
    const PLURAL: &'static str;
}

impl<S: Kind> Resource for Object<S> {
    const API_VERSION: &'static str = API_VERSION;
    const GROUP: &'static str = "traefik.io";
    const KIND: &'static str = S::KIND;
    const VERSION: &'static str = "v1alpha1";
    const URL_PATH_SEGMENT: &'static str = S::PLURAL;
    type Scope = NamespaceResourceScope;
}

impl<S: Kind> Metadata for Object<S> {
    type Ty = ObjectMeta;

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// The routes of an [`IngressRoute`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct IngressRouteSpec {
    /// The longest rule that matches a request wins, also among those that Traefik makes of
    /// Ingresses.
    pub routes: Vec<Route>,
}

impl Kind for IngressRouteSpec {
    const KIND: &'static str = "IngressRoute";
    const PLURAL: &'static str = "ingressroutes";
}

/// One route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Which requests, in Traefik's rule language.
    #[serde(rename = "match")]
    pub rule: String,
    /// `Rule`, the only one there is.
    pub kind: String,
    /// What happens to them.
    pub middlewares: Vec<MiddlewareName>,
    /// Who answers them.
    pub services: Vec<Service>,
}

/// A [`Middleware`] of the same namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MiddlewareName {
    /// Its name.
    pub name: String,
}

/// Who answers requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// `Service` for one of Kubernetes', `TraefikService` for one that Traefik itself has.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The Service's port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
}

/// What a [`Middleware`] does: one of these.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MiddlewareSpec {
    /// Sends the client to another URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_regex: Option<RedirectRegex>,
    /// Changes the path that the container sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replace_path_regex: Option<ReplacePathRegex>,
}

impl Kind for MiddlewareSpec {
    const KIND: &'static str = "Middleware";
    const PLURAL: &'static str = "middlewares";
}

/// A redirect of the whole URL, query included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RedirectRegex {
    /// What the URL is to match.
    pub regex: String,
    /// Where to.
    pub replacement: String,
    /// Whether clients may remember it.
    pub permanent: bool,
}

/// Another path instead of the one that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplacePathRegex {
    /// What the path is to match.
    pub regex: String,
    /// What stands for it.
    pub replacement: String,
}

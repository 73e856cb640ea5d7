//! How the world reaches an appling: its hosts, what of them is its, and what redirects to them.
//!
//! Hosts and paths are said by Ingresses. For redirects and rewritten paths there is no common
//! way, and so one file for each flavour of ingress.

pub(super) mod nginx;
pub(super) mod traefik;

use iterapp_schema::IngressPath;
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, ServiceBackendPort,
};

use super::Part;
use super::service::PORT;
use crate::release::spec::Redirect;

/// What of its hosts is an appling's, each prefix as `iterapp.toml` has it; nothing for one that
/// the world does not reach.
fn paths(part: &Part<'_>) -> Vec<IngressPath> {
    let spec = &part.version.spec;
    match spec.ingress() {
        Some(ingress) if !spec.hosts.is_empty() => match ingress.paths.as_slice() {
            [] => vec![IngressPath {
                prefix: "/".to_owned(),
                rewrite: None,
            }],
            paths => paths.to_vec(),
        },
        _ => Vec::new(),
    }
}

/// What redirects to the appling's domains: a host of another appling's does not.
fn redirects(part: &Part<'_>) -> Vec<Redirect> {
    let versions = &part.wanted.versions;
    let is_served = |host: &String| versions.iter().any(|v| v.spec.hosts.contains(host));
    let mut redirects = part.version.spec.redirects();
    redirects.retain(|redirect| !is_served(&redirect.from));
    redirects
}

/// How a request's path becomes the one that the container sees: a regular expression for the
/// whole path, and what stands for it, with `$1` and `$2` for what its groups caught.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rewriting {
    pattern: String,
    replacement: String,
}

impl Rewriting {
    /// Of a path that is rewritten. `/api` and everything below it, but not `/apis`, becomes what
    /// it is rewritten to and what is below that.
    fn of(path: &IngressPath) -> Option<Self> {
        let to = path.rewrite.as_ref().filter(|to| **to != path.prefix)?;
        let replacement = match (path.prefix.as_str(), to.trim_end_matches('/')) {
            ("/", to) => format!("{to}/$1"),
            (_, "") => "/$2".to_owned(),
            (_, to) => format!("{to}$1$2"),
        };
        let pattern = pattern(&path.prefix);
        Some(Self {
            pattern,
            replacement,
        })
    }
}

/// A regular expression for a prefix and all that is below it.
fn pattern(prefix: &str) -> String {
    match prefix {
        "/" => "/(.*)".to_owned(),
        // The plan lets nothing else pass that means something in one.
        prefix => format!("{}(/|$)(.*)", prefix.replace('.', "\\.")),
    }
}

/// An Ingress that sends these paths of all the appling's hosts to its Service.
fn ingress(part: &Part<'_>, name: &str, path_type: &str, paths: Vec<String>) -> Ingress {
    let spec = &part.version.spec;
    let service = spec.service_names.first().cloned().unwrap_or_default();
    let path = |path: String| HTTPIngressPath {
        path: Some(path),
        path_type: path_type.to_owned(),
        backend: backend(&service),
    };
    let paths: Vec<HTTPIngressPath> = paths.into_iter().map(path).collect();
    let rule = |host: &String| IngressRule {
        host: Some(host.clone()),
        http: Some(HTTPIngressRuleValue {
            paths: paths.clone(),
        }),
    };
    Ingress {
        metadata: part.metadata(name),
        spec: Some(IngressSpec {
            ingress_class_name: Some(part.settings.ingress_class.clone()),
            rules: Some(spec.hosts.iter().map(rule).collect()),
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    }
}

fn backend(service: &str) -> IngressBackend {
    IngressBackend {
        service: Some(IngressServiceBackend {
            name: service.to_owned(),
            port: Some(ServiceBackendPort {
                number: Some(PORT),
                ..ServiceBackendPort::default()
            }),
        }),
        ..IngressBackend::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;

    fn path(prefix: &str, rewrite: &str) -> IngressPath {
        IngressPath {
            prefix: prefix.to_owned(),
            rewrite: Some(rewrite.to_owned()),
        }
    }

    #[test]
    fn a_prefix_is_rewritten_by_whole_segments() {
        let cases = [
            ("/api", "/", "/api", Some("/")),
            ("/api", "/", "/api/", Some("/")),
            ("/api", "/", "/api/users/1", Some("/users/1")),
            ("/api", "/", "/apis", None),
            ("/api", "/v1", "/api", Some("/v1")),
            ("/api", "/v1/", "/api/users", Some("/v1/users")),
            ("/", "/v1", "/", Some("/v1/")),
            ("/", "/v1", "/users", Some("/v1/users")),
            ("/v1.0", "/", "/v1.0/users", Some("/users")),
            ("/v1.0", "/", "/v1x0/users", None),
        ];
        for (prefix, rewrite, asked, expected) in cases {
            let rewriting = Rewriting::of(&path(prefix, rewrite)).unwrap();
            let regex = Regex::new(&format!("^{}", rewriting.pattern)).unwrap();
            // What this crate reads as a group's name goes on over letters; `$1$2` and `/$1` do not.
            let seen = regex
                .is_match(asked)
                .then(|| regex.replace(asked, &rewriting.replacement).into_owned());
            assert_eq!(seen.as_deref(), expected, "{prefix} as {rewrite}: {asked}");
        }
    }

    #[test]
    fn a_prefix_that_stays_is_not_rewritten() {
        assert_eq!(Rewriting::of(&path("/api", "/api")), None);
    }
}

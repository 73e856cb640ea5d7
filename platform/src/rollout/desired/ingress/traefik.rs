//! Routes for Traefik 3.6: an Ingress for what Ingresses can say. Its provider for ingress-nginx's
//! annotations knows neither of those for redirects and rewriting, and lets no Ingress name a
//! Middleware; so these two are an IngressRoute with Middlewares.

use iterapp_schema::IngressPath;
use k8s_openapi::api::networking::v1::Ingress;

use super::super::Part;
use super::super::service::PORT;
use super::{Rewriting, ingress, paths, redirects};
use crate::release::spec::Redirect;
use crate::rollout::traefik::{
    IngressRoute, IngressRouteSpec, Middleware, MiddlewareName, MiddlewareSpec, RedirectRegex,
    ReplacePathRegex, Route, Service,
};

/// The paths that are not rewritten.
pub(in super::super) fn ingresses(part: &Part<'_>) -> Vec<Ingress> {
    let plain: Vec<String> = paths(part)
        .into_iter()
        .filter(|path| Rewriting::of(path).is_none())
        .map(|path| path.prefix)
        .collect();
    let name = part.version.spec.name.as_ref();
    match plain.as_slice() {
        [] => Vec::new(),
        _ => vec![ingress(part, name, "Prefix", plain)],
    }
}

/// The rewritten paths of every host, and the hosts that redirect.
pub(in super::super) fn ingress_routes(part: &Part<'_>) -> Vec<IngressRoute> {
    let spec = &part.version.spec;
    let rewritten = rewritten(part);
    let service = spec.service_names.first().cloned().unwrap_or_default();
    let rewrite = |host: &String, path: &IngressPath, middleware: &Middleware| Route {
        rule: format!("Host({host:?}) && {}", prefix_rule(&path.prefix)),
        kind: "Rule".to_owned(),
        middlewares: vec![named(middleware)],
        services: vec![Service {
            kind: "Service".to_owned(),
            name: service.clone(),
            port: Some(PORT),
        }],
    };
    let of_host = |host| {
        let paths = rewritten.iter();
        paths.map(move |(path, middleware)| (host, path, middleware))
    };
    let rewrites = spec.hosts.iter().flat_map(of_host);
    let rewrites = rewrites.map(|(host, path, middleware)| rewrite(host, path, middleware));
    let redirects = redirects(part).into_iter().map(|redirect| Route {
        rule: format!("Host({:?})", redirect.from),
        kind: "Rule".to_owned(),
        middlewares: vec![named(&redirecting(part, &redirect))],
        // It never gets there, and must still be somewhere.
        services: vec![Service {
            kind: "TraefikService".to_owned(),
            name: "noop@internal".to_owned(),
            port: None,
        }],
    });
    let routes: Vec<Route> = rewrites.chain(redirects).collect();
    match routes.as_slice() {
        [] => Vec::new(),
        _ => vec![IngressRoute::new(
            part.metadata(spec.name.as_ref()),
            IngressRouteSpec { routes },
        )],
    }
}

/// What those routes name.
pub(in super::super) fn middlewares(part: &Part<'_>) -> Vec<Middleware> {
    let rewriting = rewritten(part)
        .into_iter()
        .map(|(_, middleware)| middleware);
    let redirects = redirects(part);
    let redirecting = redirects.iter().map(|redirect| redirecting(part, redirect));
    let mut all: Vec<Middleware> = Vec::new();
    for middleware in rewriting.chain(redirecting) {
        if !all.contains(&middleware) {
            all.push(middleware);
        }
    }
    all
}

/// Each rewritten path with the Middleware that does it.
fn rewritten(part: &Part<'_>) -> Vec<(IngressPath, Middleware)> {
    let paths = paths(part).into_iter();
    let rewritten = paths.filter_map(|path| Rewriting::of(&path).map(|how| (path, how)));
    rewritten
        .zip(1..)
        .map(|((path, how), number)| {
            let spec = MiddlewareSpec {
                replace_path_regex: Some(ReplacePathRegex {
                    regex: format!("^{}", how.pattern),
                    replacement: how.replacement,
                }),
                ..MiddlewareSpec::default()
            };
            (path, middleware(part, &format!("rewrite-{number}"), spec))
        })
        .collect()
}

/// One for each direction will do, since the route decides for which hosts. Port, path and query
/// are kept.
fn redirecting(part: &Part<'_>, redirect: &Redirect) -> Middleware {
    let (name, regex, replacement) = if redirect.to.starts_with("www.") {
        ("add-www", "^(https?)://(.*)$", "${1}://www.${2}")
    } else {
        ("drop-www", r"^(https?)://www\.(.*)$", "${1}://${2}")
    };
    let spec = MiddlewareSpec {
        redirect_regex: Some(RedirectRegex {
            regex: regex.to_owned(),
            replacement: replacement.to_owned(),
            permanent: true,
        }),
        ..MiddlewareSpec::default()
    };
    middleware(part, name, spec)
}

fn middleware(part: &Part<'_>, name: &str, spec: MiddlewareSpec) -> Middleware {
    let name = format!("{}.{name}", part.version.spec.name);
    Middleware::new(part.metadata(&name), spec)
}

fn named(middleware: &Middleware) -> MiddlewareName {
    MiddlewareName {
        name: kube::ResourceExt::name_any(middleware),
    }
}

/// Word for word what Traefik makes of an Ingress' path of type `Prefix`: the longest rule wins,
/// and so the longest prefix does.
fn prefix_rule(prefix: &str) -> String {
    match prefix {
        "/" => "PathPrefix(\"/\")".to_owned(),
        prefix => format!("(Path({prefix:?}) || PathPrefix(\"{prefix}/\"))"),
    }
}

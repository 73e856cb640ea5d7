//! Routes for ingress-nginx: one Ingress, and one more for each path that is rewritten, since its
//! annotations hold for a whole Ingress.

use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;

use super::super::Part;
use super::{Rewriting, ingress, paths, pattern, redirects};

const REWRITE_TARGET: &str = "nginx.ingress.kubernetes.io/rewrite-target";
const USE_REGEX: &str = "nginx.ingress.kubernetes.io/use-regex";
/// Redirects the other form of each of the Ingress' hosts, unless that is somebody's host too.
const FROM_TO_WWW_REDIRECT: &str = "nginx.ingress.kubernetes.io/from-to-www-redirect";

/// As soon as one path of a host is rewritten, ingress-nginx takes all paths of that host for
/// regular expressions, of whatever Ingress; so wherever paths are named they are written as such.
/// It prefers longer ones, as they are written.
pub(in super::super) fn ingresses(part: &Part<'_>) -> Vec<Ingress> {
    let name = part.version.spec.name.as_ref();
    let named = part
        .version
        .spec
        .ingress()
        .is_some_and(|i| !i.paths.is_empty());
    let (rewritten, plain): (Vec<_>, Vec<_>) = paths(part)
        .into_iter()
        .partition(|path| Rewriting::of(path).is_some());
    let mut all = Vec::new();
    if named && !plain.is_empty() {
        let patterns = plain.iter().map(|path| pattern(&path.prefix)).collect();
        all.push(by_regex(part, name, patterns));
    } else if !plain.is_empty() {
        all.push(ingress(part, name, "Prefix", vec!["/".to_owned()]));
    }
    for (rewriting, number) in rewritten.iter().filter_map(Rewriting::of).zip(1..) {
        let name = format!("{name}.rewrite-{number}");
        let mut one = by_regex(part, &name, vec![rewriting.pattern]);
        annotate(&mut one, REWRITE_TARGET, &rewriting.replacement);
        all.push(one);
    }
    if !redirects(part).is_empty() {
        for one in &mut all {
            annotate(one, FROM_TO_WWW_REDIRECT, "true");
        }
    }
    all
}

fn by_regex(part: &Part<'_>, name: &str, patterns: Vec<String>) -> Ingress {
    let mut ingress = ingress(part, name, "ImplementationSpecific", patterns);
    annotate(&mut ingress, USE_REGEX, "true");
    ingress
}

fn annotate(ingress: &mut Ingress, key: &str, value: &str) {
    ingress
        .annotations_mut()
        .insert(key.to_owned(), value.to_owned());
}

//! What is fine in each file and wrong when they are put together: names and domains.

use std::collections::HashMap;
use std::ops::Range;

use crate::assemble::{FILE_NAME, Found};
use crate::diagnostic::{Code, Diagnostic, Related};
use crate::format::At;
use crate::iterapp::service_names;
use crate::names::AppName;

/// The longest DNS label.
const MAX_LABEL: usize = 63;

/// Compares the applings of an app.
pub fn check(app: &AppName, applings: &[Found]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    // An only one shares its name with nobody.
    if applings.len() > 1 {
        problems.extend(names_twice(applings));
        problems.extend(service_names_that_clash(app, applings));
    }
    problems.extend(service_names_too_long(app, applings));
    problems.extend(domains_twice(applings));
    problems
}

/// A place in one of the files; none for an only appling that has no `name`.
type Place = Option<(String, Range<usize>)>;

/// Where an appling got its name: the key `name`, or else its entry in the root file.
fn name_place(appling: &Found) -> Place {
    let key = appling
        .contents
        .name
        .as_ref()
        .map(|name| (appling.file.clone(), name.span.clone()));
    let entry = || {
        appling
            .entry
            .as_ref()
            .map(|e| (FILE_NAME.to_owned(), e.span.clone()))
    };
    key.or_else(entry)
}

fn problem(code: Code, place: Place, message: String) -> Diagnostic {
    let (file, span) = place.unzip();
    Diagnostic::new(code, file.unwrap_or_else(|| FILE_NAME.to_owned()), message).at(span)
}

fn pointing_at(problem: Diagnostic, place: Place, message: &str) -> Diagnostic {
    match place {
        Some((file, span)) => problem.related(Related {
            file,
            span,
            message: message.to_owned(),
        }),
        None => problem,
    }
}

fn names_twice(applings: &[Found]) -> Vec<Diagnostic> {
    let mut first = HashMap::new();
    let mut problems = Vec::new();
    for appling in applings {
        let Some(earlier) = first.insert(&appling.name, appling) else {
            continue;
        };
        first.insert(&appling.name, earlier);
        let message = format!("a second appling is called `{}`", appling.name);
        let problem = problem(Code::NameTwice, name_place(appling), message).hint(format!(
            "set another `name` in `{}`; `_` counts as `-`",
            appling.file,
        ));
        problems.push(pointing_at(problem, name_place(earlier), "the first one"));
    }
    problems
}

/// App `a` with the applings `b` and `a-b`: the first is published as `a-b` and `b`.
fn service_names_that_clash(app: &AppName, applings: &[Found]) -> Vec<Diagnostic> {
    let owners: HashMap<_, _> = applings
        .iter()
        .map(|found| (found.name.as_ref(), found))
        .collect();
    let clash = |appling: &Found| {
        let published = service_names(app, &appling.name, applings.len());
        let long = published.first().filter(|_| published.len() > 1)?;
        let other = owners
            .get(long.as_str())
            .filter(|other| other.name != appling.name)?;
        let message = format!(
            "inside the cluster `{long}` would be this appling and the appling `{}` of the app `{app}`",
            appling.name,
        );
        let problem = problem(Code::ServiceNameClash, name_place(other), message)
            .hint("rename one of them by `name` in its file");
        Some(pointing_at(problem, name_place(appling), "the other one"))
    };
    applings.iter().filter_map(clash).collect()
}

fn service_names_too_long(app: &AppName, applings: &[Found]) -> Vec<Diagnostic> {
    let long = |appling: &Found| {
        let names = service_names(app, &appling.name, applings.len());
        let name = names.into_iter().find(|name| name.len() > MAX_LABEL)?;
        let message = format!(
            "the appling's name inside the cluster, `{name}`, has {} characters; {MAX_LABEL} are possible",
            name.len(),
        );
        let hint = format!("set a shorter `name` in `{}`", appling.file);
        Some(problem(Code::ServiceNameTooLong, name_place(appling), message).hint(hint))
    };
    applings.iter().filter_map(long).collect()
}

/// A domain may lead to several applings of an app, where each takes paths of its own.
fn domains_twice(applings: &[Found]) -> Vec<Diagnostic> {
    let mut first: HashMap<(&str, &str), Place> = HashMap::new();
    let mut problems = Vec::new();
    for appling in applings {
        let prefixes = appling
            .contents
            .paths
            .iter()
            .map(|path| path.prefix.as_str());
        let prefixes: Vec<&str> = match appling.contents.paths.is_empty() {
            true => vec!["/"],
            false => prefixes.collect(),
        };
        for At { value, span, .. } in &appling.contents.domains {
            let domain = value.0.as_str();
            let place = Some((appling.file.clone(), span.clone()));
            let taken = prefixes
                .iter()
                .find_map(|prefix| first.get(&(domain, *prefix)));
            match taken.cloned() {
                Some(earlier) => problems.push(domain_twice(domain, place, earlier)),
                None => first.extend(
                    prefixes
                        .iter()
                        .map(|prefix| ((domain, *prefix), place.clone())),
                ),
            }
        }
    }
    problems
}

fn domain_twice(domain: &str, place: Place, earlier: Place) -> Diagnostic {
    let message = format!(
        "the domain {domain:?} is listed twice, for the same paths; they can lead to one appling only"
    );
    let problem = problem(Code::DomainTwice, place, message)
        .hint("keep one of the two, or give the applings different `[ingress] paths`");
    pointing_at(problem, earlier, "listed here first")
}

//! From the keys that say how an appling runs to what they mean together.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Code, Edit};
use crate::file::{Fault, File};
use crate::format::secret::FileValue;
use crate::format::section;
use crate::format::values::{CronJobName, Domain, FilePath, List, Map};
use crate::format::{
    At, AutoscaleKeys, CronJobKeys, ExperimentalKeys, IngressKeys, ResourceKeys, RunKeys,
};
use crate::iterapp::{
    Autoscale, CronAction, CronJob, Http, Ingress, IngressPath, Isolation, Resources, Run, Scale,
};
use crate::older;
use crate::{EnvValue, Environment};

/// The most prefixes of paths that an appling can have.
const MAX_PATHS: usize = 100;

/// The keys without older spellings.
pub fn older_spellings(mut keys: RunKeys, file: &mut File) -> RunKeys {
    let (old, present) = (keys.health.take(), keys.readiness_path.take());
    keys.readiness_path = older::spelling("health", old, "readiness_path", present, file);
    if let Some(old) = keys.domain.take() {
        let text = file.text.get(old.span.clone()).unwrap_or_default();
        let edits = vec![
            Edit::new(old.key.clone(), "domains"),
            Edit::new(old.span.clone(), format!("[{text}]")),
        ];
        older::told(
            "domain",
            &old,
            "domains",
            keys.domains.as_ref(),
            edits,
            file,
        );
        let list = |domain: At<Domain>| At {
            key: domain.key.clone(),
            span: domain.span.clone(),
            value: List(vec![domain]),
        };
        keys.domains = keys.domains.or(Some(list(old)));
    }
    keys
}

/// Says where an override's domains do nothing.
pub fn own_domains(own: &RunKeys, environment: Environment, file: &mut File) {
    if environment == Environment::Prod {
        return;
    }
    let redirect = own.from_to_www_redirect.as_ref().map(|at| &at.key);
    let keys = [own.domains.as_ref().map(|at| &at.key), redirect];
    for key in keys.into_iter().flatten() {
        let message =
            format!("domains lead to `prod` alone, so this does nothing in `{environment}`");
        let fault = Fault::new(Code::NoEffect, message)
            .hint("remove it: the environment is reached by the platform's host");
        file.report(key.clone(), fault);
    }
}

/// Whether keys say how the appling runs in `prod`, where its domains lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domains {
    LeadHere,
    LeadElsewhere,
}

/// What the keys mean, in one environment or wherever nothing is overridden.
pub fn resolve(keys: RunKeys, domains: Domains, file: &mut File) -> Run {
    let is_worker = keys.worker.as_ref().is_some_and(|worker| worker.value);
    let http = match is_worker {
        true => {
            no_http(&keys, file);
            None
        }
        false => Some(http(&keys, domains, file)),
    };
    let requests = resources(keys.requests.as_ref());
    let limits = resources(keys.limits.as_ref());
    within_limits(keys.requests.as_ref(), keys.limits.as_ref(), file);
    let jobs = keys.cronjobs.map(|at| at.value.0).unwrap_or_default();
    let experimental = keys.experimental.map(|at| at.value).unwrap_or_default();
    let labels = keys.node_selector.map(|at| at.value.0).unwrap_or_default();
    Run {
        scale: scale(keys.replicas, keys.autoscale, file),
        command: keys.command.map(|at| at.value.0),
        release_command: keys.release_command.map(|at| at.value.0),
        grace_period: keys
            .grace_period
            .map_or(Run::DEFAULT_GRACE_PERIOD, |at| at.value.0),
        node_selector: labels
            .into_iter()
            .map(|(key, at)| (key.0, at.value.0))
            .collect(),
        requests,
        limits,
        files: files(keys.files, file),
        cronjobs: cronjobs(jobs, http.is_some(), file),
        isolation: isolation(&experimental, file),
        experimental: experimental
            .others
            .into_iter()
            .map(|(name, at)| (name, at.value))
            .collect(),
        http,
    }
}

/// Says which keys a worker has no use for.
fn no_http(keys: &RunKeys, file: &mut File) {
    let RunKeys {
        port,
        readiness_path,
        liveness_path,
        domains,
        from_to_www_redirect,
        ingress,
        worker,
        ..
    } = keys;
    let places = [
        ("port", port.as_ref().map(|at| &at.key)),
        ("readiness_path", readiness_path.as_ref().map(|at| &at.key)),
        ("liveness_path", liveness_path.as_ref().map(|at| &at.key)),
        ("domains", domains.as_ref().map(|at| &at.key)),
        (
            "from_to_www_redirect",
            from_to_www_redirect.as_ref().map(|at| &at.key),
        ),
        ("ingress", ingress.as_ref().map(|at| &at.key)),
    ];
    let line = worker.as_ref().map(|at| at.key.clone());
    for (name, place) in places {
        let Some(place) = place.cloned() else {
            continue;
        };
        let message = format!("a worker is not asked over HTTP, so `{name}` has no meaning");
        let fault = Fault::new(Code::WorkerWithHttp, message)
            .hint(format!("remove `{name}`, or `worker = true`"));
        file.report_with(place, fault, line.clone(), "a worker by this");
    }
}

fn http(keys: &RunKeys, domains: Domains, file: &mut File) -> Http {
    let disabled = keys
        .ingress
        .as_ref()
        .and_then(|at| at.value.disable.as_ref());
    let disabled = disabled.filter(|disable| disable.value);
    let ingress = match disabled {
        Some(disable) => {
            unreachable(keys, domains, disable, file);
            None
        }
        None => Some(ingress(keys, domains, file)),
    };
    let defaults = Http::default();
    Http {
        port: keys
            .port
            .as_ref()
            .and_then(|at| u16::try_from(at.value.0).ok())
            .unwrap_or(defaults.port),
        readiness_path: keys
            .readiness_path
            .as_ref()
            .map_or(defaults.readiness_path, |at| at.value.0.clone()),
        liveness_path: keys.liveness_path.as_ref().map(|at| at.value.0.clone()),
        ingress,
    }
}

/// Says which keys are about being reached from outside, where nothing is.
fn unreachable(keys: &RunKeys, domains: Domains, disable: &At<bool>, file: &mut File) {
    let here = domains == Domains::LeadHere;
    let hosts = keys
        .domains
        .as_ref()
        .filter(|at| here && !at.value.0.is_empty());
    let redirect = keys
        .from_to_www_redirect
        .as_ref()
        .filter(|at| here && at.value);
    let paths = keys.ingress.as_ref().and_then(|at| at.value.paths.as_ref());
    let places = [
        ("its domains do", hosts.map(|at| &at.key)),
        ("`from_to_www_redirect` does", redirect.map(|at| &at.key)),
        ("`paths` does", paths.map(|at| &at.key)),
    ];
    for (what, place) in places {
        let Some(place) = place.cloned() else {
            continue;
        };
        let message =
            format!("`[ingress] disable` keeps the appling from being reached, so {what} nothing");
        let fault = Fault::new(Code::NoEffect, message).hint("remove one of the two");
        file.report_with(place, fault, Some(disable.key.clone()), "disabled here");
    }
}

fn ingress(keys: &RunKeys, lead: Domains, file: &mut File) -> Ingress {
    let domains = keys
        .domains
        .as_ref()
        .map(|at| &at.value.0[..])
        .unwrap_or_default();
    let redirect = keys.from_to_www_redirect.as_ref().filter(|at| at.value);
    let names: BTreeSet<&str> = domains.iter().map(|at| at.value.0.as_str()).collect();
    if let Some(redirect) = redirect.filter(|_| lead == Domains::LeadHere) {
        let has_other_form = |name: &str| match name.strip_prefix("www.") {
            Some(apex) => names.contains(apex),
            None => names.contains(format!("www.{name}").as_str()),
        };
        let has_domains = file.layout().keys(file.text).any(|key| key == "domains");
        let why = match names.is_empty() {
            true if has_domains => None,
            true => Some("`from_to_www_redirect` is about `domains`, and there are none"),
            false => names.iter().all(|name| has_other_form(name)).then_some(
                "both forms of every domain are listed, so `from_to_www_redirect` redirects nothing",
            ),
        };
        if let Some(message) = why {
            let fault = Fault::new(Code::NoEffect, message)
                .hint("list the form that is to serve, and not the one that is to redirect");
            file.report(redirect.key.clone(), fault);
        }
    }
    Ingress {
        domains: domains
            .iter()
            .map(|domain| domain.value.0.clone())
            .collect(),
        from_to_www_redirect: redirect.is_some(),
        paths: paths(keys, file),
    }
}

/// The prefixes of `[ingress] paths`.
pub fn paths(keys: &RunKeys, file: &mut File) -> Vec<IngressPath> {
    let Some(IngressKeys {
        paths: Some(list), ..
    }) = keys.ingress.as_ref().map(|at| &at.value)
    else {
        return Vec::new();
    };
    if list.value.0.len() > MAX_PATHS {
        let message = format!(
            "`ingress.paths` lists {}; an appling can have {MAX_PATHS}",
            list.value.0.len()
        );
        let fault = Fault::new(Code::OutOfRange, message)
            .hint("a shorter prefix holds for all that lies below it");
        file.report(list.key.clone(), fault);
        return Vec::new();
    }
    let mut paths: Vec<IngressPath> = Vec::new();
    for At { value, span, .. } in &list.value.0 {
        if paths.iter().any(|path| path.prefix == value.prefix) {
            let message = format!("the prefix {:?} is listed twice", value.prefix);
            let fault = Fault::new(Code::PathTwice, message).hint("keep one of the two");
            file.report(span.clone(), fault);
            continue;
        }
        paths.push(IngressPath {
            prefix: value.prefix.clone(),
            rewrite: value.rewrite.clone(),
        });
    }
    paths
}

fn scale(
    replicas: Option<At<crate::format::values::Int<0, 100>>>,
    autoscale: Option<At<AutoscaleKeys>>,
    file: &mut File,
) -> Scale {
    let Some(autoscale) = autoscale else {
        return replicas.map_or_else(Scale::default, |at| Scale::Fixed(at.value.0));
    };
    if let Some(replicas) = replicas {
        let message = "`[autoscale]` decides on the number of pods, so `replicas` cannot";
        let fault = Fault::new(Code::ReplicasAndAutoscale, message)
            .hint("remove `replicas`, or the section; `min` is the least number of pods");
        let place = Some(autoscale.key.clone());
        file.report_with(replicas.key, fault, place, "decided here");
    }
    let told = file.is_told_of(&autoscale);
    let AutoscaleKeys { min, max, cpu } = autoscale.value;
    let Some(max) = max else {
        if !told {
            section::missing("autoscale", "max", "10", autoscale.key, file);
        }
        return Scale::default();
    };
    let least = min
        .as_ref()
        .map_or(Run::DEFAULT_REPLICAS.min(max.value.0), |at| at.value.0);
    if let Some(min) = min.filter(|min| min.value.0 > max.value.0) {
        let message = format!("`min` is {}, above `max`, which is {}", least, max.value.0);
        let fault = Fault::new(Code::MinAboveMax, message).hint("lower `min`, or raise `max`");
        file.report_with(min.span, fault, Some(max.span), "at most this many");
        return Scale::default();
    }
    Scale::Auto(Autoscale {
        min: least,
        max: max.value.0,
        cpu: cpu.map_or(Autoscale::DEFAULT_CPU, |at| at.value.0),
    })
}

/// No file can lie in another.
fn files(
    keys: Option<At<Map<FilePath, FileValue>>>,
    file: &mut File,
) -> BTreeMap<String, EnvValue> {
    let entries = keys.map(|at| at.value.0).unwrap_or_default();
    let mut files: BTreeMap<String, EnvValue> = BTreeMap::new();
    for (FilePath(path), at) in entries {
        let lies_in = |one: &str, other: &str| {
            let rest = one.strip_prefix(other);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if let Some(other) = files
            .keys()
            .find(|other| lies_in(&path, other) || lies_in(other, &path))
        {
            let message = format!("the file {path:?} would be where {other:?} is");
            let fault = Fault::new(Code::BadFilePath, message).hint("choose another path");
            file.report(at.key, fault);
            continue;
        }
        files.insert(path, at.value.0);
    }
    files
}

fn resources(keys: Option<&At<ResourceKeys>>) -> Resources {
    let keys = keys.map(|at| &at.value);
    Resources {
        cpu: keys.and_then(|keys| Some(keys.cpu.as_ref()?.value.text.clone())),
        memory: keys.and_then(|keys| Some(keys.memory.as_ref()?.value.text.clone())),
    }
}

fn within_limits(
    requests: Option<&At<ResourceKeys>>,
    limits: Option<&At<ResourceKeys>>,
    file: &mut File,
) {
    let (Some(requests), Some(limits)) = (requests.map(|at| &at.value), limits.map(|at| &at.value))
    else {
        return;
    };
    let cpu = requests.cpu.as_ref().zip(limits.cpu.as_ref());
    let cpu = cpu.filter(|(request, limit)| request.value.amount > limit.value.amount);
    if let Some((request, limit)) = cpu {
        above_limit("CPU", &request.span, &limit.span, file);
    }
    let memory = requests.memory.as_ref().zip(limits.memory.as_ref());
    let memory = memory.filter(|(request, limit)| request.value.amount > limit.value.amount);
    if let Some((request, limit)) = memory {
        above_limit("memory", &request.span, &limit.span, file);
    }
}

fn above_limit(
    what: &str,
    request: &std::ops::Range<usize>,
    limit: &std::ops::Range<usize>,
    file: &mut File,
) {
    let message = format!("more {what} is requested than the limit allows");
    let fault =
        Fault::new(Code::RequestAboveLimit, message).hint("raise the limit, or request less");
    file.report_with(request.clone(), fault, Some(limit.clone()), "the limit");
}

fn cronjobs(
    jobs: Vec<(CronJobName, At<CronJobKeys>)>,
    has_http: bool,
    file: &mut File,
) -> BTreeMap<String, CronJob> {
    let mut resolved: BTreeMap<String, CronJob> = BTreeMap::new();
    for (CronJobName(name), at) in jobs {
        let place = at.key.clone();
        let Some(job) = cronjob(&name, at, has_http, file) else {
            continue;
        };
        if resolved.insert(name.clone(), job).is_some() {
            let message = format!("a second cron job is called `{name}`; `_` counts as `-`");
            let fault = Fault::new(Code::CronJobTwice, message).hint("rename one of them");
            file.report(place, fault);
        }
    }
    resolved
}

fn cronjob(name: &str, at: At<CronJobKeys>, has_http: bool, file: &mut File) -> Option<CronJob> {
    let header = format!("cronjobs.{name}");
    let told = file.is_told_of(&at);
    let CronJobKeys {
        schedule,
        path,
        headers,
        command,
        concurrency,
    } = at.value;
    let fault = |message: String| Fault::new(Code::CronJobAction, message);
    let action = match (path, command) {
        (Some(path), Some(command)) => {
            let message = format!("`[{header}]` has both `path` and `command`");
            let fault = fault(message).hint("keep one, or make two cron jobs");
            file.report_with(command.key, fault, Some(path.key), "the other one");
            None
        }
        (Some(path), None) if !has_http => {
            let message = format!("`[{header}]` asks a worker for a path, and it answers none");
            file.report(
                path.key,
                fault(message).hint("let it run a `command` instead"),
            );
            None
        }
        (Some(path), None) => {
            let headers = headers.map(|at| at.value.0).unwrap_or_default();
            Some(CronAction::Call {
                path: path.value.0,
                headers: headers
                    .into_iter()
                    .map(|(name, at)| (name.0, at.value.0))
                    .collect(),
            })
        }
        (None, Some(command)) => {
            if let Some(headers) = headers {
                let message = format!("`[{header}]` runs a command, which has no headers");
                let fault = Fault::new(Code::NoEffect, message).hint("remove them");
                file.report(headers.key, fault);
            }
            Some(CronAction::Run {
                command: command.value.0,
            })
        }
        (None, None) => {
            if !told {
                let message = format!("`[{header}]` does not say what to do");
                let fault = fault(message).hint("add `path = \"/…\"` or `command = \"…\"`");
                file.report(at.key.clone(), fault);
            }
            None
        }
    };
    if schedule.is_none() && !told {
        section::missing(&header, "schedule", "\"0 3 * * *\"", at.key, file);
    }
    Some(CronJob {
        schedule: schedule?.value.0,
        action: action?,
        concurrency: concurrency.map(|at| at.value).unwrap_or_default(),
    })
}

fn isolation(keys: &ExperimentalKeys, file: &mut File) -> Option<Isolation> {
    let known = &keys.known;
    let apps = known.isolate_allow_apps.as_ref();
    if known.isolate_appling.is_none() {
        if let Some(apps) = apps {
            let mentioned = |key: &str| key.contains("isolate-appling");
            if file.layout().keys(file.text).any(mentioned) {
                return None;
            }
            let message = "`isolate-allow-apps` is about an isolated appling, and this one is not";
            let fault =
                Fault::new(Code::NoEffect, message).hint("add `isolate-appling = \"namespace\"`");
            file.report(apps.key.clone(), fault);
        }
        return None;
    }
    let words = apps.map(|at| &at.value.0[..]).unwrap_or_default();
    if let (Some(Err(word)), Some(at)) = (words.iter().find(|word| word.is_err()), apps) {
        let message = format!("no app is called `{word}`, so it lets nobody in");
        let fault =
            Fault::new(Code::NoEffect, message).hint("list apps of this platform, or remove it");
        file.report(at.span.clone(), fault);
    }
    Some(Isolation {
        allow_apps: words.iter().flatten().cloned().collect(),
    })
}

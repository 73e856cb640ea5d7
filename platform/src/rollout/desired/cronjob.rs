//! Work on a schedule: a CronJob for each of an appling's cron jobs.
//!
//! One that calls a path runs `curl` with its whole request in a mounted Secret: header values are
//! in no argument and no pod's spec. One that runs a command does so in the appling's own image,
//! with what the appling's pods have.

use std::collections::BTreeMap;

use iterapp_schema::{ApplingName, Concurrency, CronAction, CronJob as Asked, EnvValue};
use k8s_openapi::ByteString;
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, JobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::{
    Container, KeyToPath, PodSpec, PodTemplateSpec, ResourceRequirements, Secret,
    SecretVolumeSource, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use secrecy::ExposeSecret;

use super::labels::{self, Labels};
use super::pod::{self, CONTAINER};
use super::{Part, configuration};
use crate::release::spec::{Version, WantedEnvironment};
use crate::secrets::open::OpenedValue;

/// The longest name that Kubernetes takes for a CronJob: its Jobs add a number to it.
const LONGEST_NAME: usize = 52;

/// A run that could not start for so long is left out, seconds.
const STARTING_DEADLINE: i64 = 300;
/// How long a call may take, seconds.
const CALL_DEADLINE: i64 = 600;
/// How long its pod may take to be there and to be ended, seconds.
const POD_OVERHEAD: i64 = 120;
/// How long a command may take, seconds: it would keep the next runs from starting.
const RUN_DEADLINE: i64 = 12 * 60 * 60;
/// How long the last runs and their logs stay, seconds.
const KEPT: i32 = 24 * 60 * 60;

/// Where the caller finds its request.
const REQUEST_FOLDER: &str = "/run/hops";
/// The key of a cron job's Secret that has the request.
pub const REQUEST: &str = "request";

/// All CronJobs of an environment, by the good versions: see
/// [`crate::release::spec::WantedEnvironment::good`].
pub(super) fn cron_jobs(parts: &[Part<'_>]) -> Vec<CronJob> {
    let runs = runs(parts);
    runs.iter().map(cron_job).collect()
}

/// The requests of those that call.
pub(super) fn secrets(parts: &[Part<'_>]) -> Vec<Secret> {
    let runs = runs(parts);
    runs.iter().filter_map(secret).collect()
}

/// A cron job of an appling.
struct Run<'a> {
    part: &'a Part<'a>,
    /// As `iterapp.toml` has it.
    name: &'a str,
    asked: &'a Asked,
    /// As Kubernetes has it.
    object_name: String,
}

fn runs<'a>(parts: &'a [Part<'a>]) -> Vec<Run<'a>> {
    let versions: Vec<&Version> = parts.iter().map(|part| part.version).collect();
    let names = names(&versions);
    let of_part = |part: &'a Part<'a>| {
        let cronjobs = part.version.spec.run.cronjobs.iter();
        cronjobs.map(move |(name, asked)| (part, name, asked))
    };
    let all = parts.iter().flat_map(of_part);
    all.zip(names)
        .map(|((part, name, asked), object_name)| Run {
            part,
            name,
            asked,
            object_name,
        })
        .collect()
}

/// `{appling}-{cron job}`, with a hash where that is too long or not the only one.
fn names(versions: &[&Version]) -> Vec<String> {
    let pairs: Vec<(&ApplingName, &String)> = versions
        .iter()
        .flat_map(|version| {
            let cronjobs = version.spec.run.cronjobs.keys();
            cronjobs.map(|cronjob| (&version.spec.name, cronjob))
        })
        .collect();
    let plain = |(appling, cronjob): &(&ApplingName, &String)| {
        format!("{appling}-{cronjob}").replace('_', "-")
    };
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for pair in &pairs {
        *times.entry(plain(pair)).or_default() += 1;
    }
    let name = |pair: &(&ApplingName, &String)| {
        let name = plain(pair);
        if name.len() <= LONGEST_NAME && times[&name] == 1 {
            return name;
        }
        let hash = pod::short_hash(pair);
        let kept = LONGEST_NAME - hash.len() - 1;
        let start = name.get(..kept).unwrap_or(&name).trim_end_matches('-');
        format!("{start}-{hash}")
    };
    pairs.iter().map(name).collect()
}

fn cron_job(run: &Run<'_>) -> CronJob {
    let policy = match run.asked.concurrency {
        Concurrency::Allow => "Allow",
        Concurrency::Forbid => "Forbid",
        Concurrency::Replace => "Replace",
    };
    CronJob {
        metadata: run.part.metadata(&run.object_name),
        spec: CronJobSpec {
            schedule: run.asked.schedule.clone(),
            time_zone: Some("Etc/UTC".to_owned()),
            concurrency_policy: Some(policy.to_owned()),
            starting_deadline_seconds: Some(STARTING_DEADLINE),
            successful_jobs_history_limit: Some(1),
            failed_jobs_history_limit: Some(3),
            // An appling without pods is paused, and all its work with it; and a request is not made
            // without a header that cannot be had.
            suspend: Some(
                run.part.version.spec.replicas() == 0 || headers(run, |_| String::new()).is_none(),
            ),
            job_template: JobTemplateSpec {
                metadata: Some(labelled(labels_of(run))),
                spec: Some(job(run)),
            },
        },
        ..CronJob::default()
    }
}

/// Of a Job, which is Kubernetes' to make and to delete, and so not marked as the platform's.
fn labels_of(run: &Run<'_>) -> Labels {
    let WantedEnvironment {
        app, environment, ..
    } = run.part.wanted;
    let mut labels = labels::of_jobs(app, *environment, &run.part.version.spec.name);
    labels.insert(labels::CRONJOB.to_owned(), run.name.to_owned());
    labels
}

/// Of its pods, whose lines are among the environment's.
fn labels_of_pods(run: &Run<'_>) -> Labels {
    let mut labels = run.part.labels_of_job_pods();
    labels.extend(labels_of(run));
    labels
}

fn labelled(labels: Labels) -> ObjectMeta {
    ObjectMeta {
        labels: Some(labels),
        ..ObjectMeta::default()
    }
}

/// Tried once: whether a run may be repeated only its author knows, and the next one comes.
fn job(run: &Run<'_>) -> JobSpec {
    let (deadline, spec) = match &run.asked.action {
        CronAction::Call { .. } => (CALL_DEADLINE + POD_OVERHEAD, caller(run)),
        CronAction::Run { command } => (RUN_DEADLINE, pod::of_job(run.part, Some(command))),
    };
    JobSpec {
        backoff_limit: Some(0),
        active_deadline_seconds: Some(deadline),
        ttl_seconds_after_finished: Some(KEPT),
        template: PodTemplateSpec {
            metadata: Some(labelled(labels_of_pods(run))),
            spec: Some(spec),
        },
        ..JobSpec::default()
    }
}

fn caller(run: &Run<'_>) -> PodSpec {
    let volume = "request";
    let own = pod::pod_spec(run.part);
    PodSpec {
        containers: vec![Container {
            name: CONTAINER.to_owned(),
            image: Some(run.part.settings.caller_image.clone()),
            image_pull_policy: Some("IfNotPresent".to_owned()),
            command: Some(vec![
                "curl".to_owned(),
                "--config".to_owned(),
                format!("{REQUEST_FOLDER}/{REQUEST}"),
            ]),
            resources: Some(little()),
            security_context: Some(pod::nobody()),
            termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
            volume_mounts: Some(vec![VolumeMount {
                name: volume.to_owned(),
                mount_path: REQUEST_FOLDER.to_owned(),
                read_only: Some(true),
                ..VolumeMount::default()
            }]),
            ..Container::default()
        }],
        volumes: Some(vec![Volume {
            name: volume.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(secret_name(run)),
                items: Some(vec![KeyToPath {
                    key: REQUEST.to_owned(),
                    path: REQUEST.to_owned(),
                    ..KeyToPath::default()
                }]),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        }]),
        restart_policy: Some("Never".to_owned()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: own.security_context,
        image_pull_secrets: own.image_pull_secrets,
        ..PodSpec::default()
    }
}

/// What one request takes.
fn little() -> ResourceRequirements {
    let amounts = |cpu: Option<&str>, memory: &str| {
        let cpu = cpu.map(|cpu| ("cpu".to_owned(), Quantity(cpu.to_owned())));
        let memory = ("memory".to_owned(), Quantity(memory.to_owned()));
        Some(cpu.into_iter().chain([memory]).collect())
    };
    ResourceRequirements {
        requests: amounts(Some("5m"), "16Mi"),
        limits: amounts(None, "64Mi"),
        ..ResourceRequirements::default()
    }
}

/// Named after its content, so that runs of before keep what they had. The fingerprints tell nobody
/// anything about the values.
fn secret_name(run: &Run<'_>) -> String {
    let content = request_of(run, |opened| opened.fingerprint.clone());
    format!("cron-{}-{}", run.object_name, pod::short_hash(&content))
}

/// The request of a call, with of each secret header what `shown` says; nothing when one of them could
/// not be opened.
fn request_of(run: &Run<'_>, shown: impl Fn(&OpenedValue) -> String) -> Option<String> {
    let CronAction::Call { path, .. } = &run.asked.action else {
        return None;
    };
    let service = run.part.version.spec.service_names.first()?;
    let headers = headers(run, shown)?;
    Some(request(&format!("http://{service}{path}"), &headers))
}

fn secret(run: &Run<'_>) -> Option<Secret> {
    let content = request_of(run, |opened| opened.value.expose_secret().to_owned())?;
    let mut data = BTreeMap::from([(REQUEST.to_owned(), ByteString(content.into_bytes()))]);
    // By themselves, too, so that they are known wherever they must not be shown.
    for (number, value) in secret_headers(run).enumerate() {
        data.insert(format!("header-{number}"), ByteString(value.into_bytes()));
    }
    Some(Secret {
        metadata: configuration::metadata(run.part, &secret_name(run)),
        type_: Some("Opaque".to_owned()),
        data: Some(data),
        immutable: Some(true),
        ..Secret::default()
    })
}

fn secret_headers(run: &Run<'_>) -> impl Iterator<Item = String> {
    let headers = match &run.asked.action {
        CronAction::Call { headers, .. } => Some(headers.values()),
        CronAction::Run { .. } => None,
    };
    let opened = &run.part.wanted.opened;
    let values = headers.into_iter().flatten();
    values.filter_map(|value| Some(opened.get(value)?.value.expose_secret().to_owned()))
}

/// The headers of a call; nothing when one of them is a secret that could not be opened.
fn headers(
    run: &Run<'_>,
    shown: impl Fn(&OpenedValue) -> String,
) -> Option<BTreeMap<String, String>> {
    let CronAction::Call { headers, .. } = &run.asked.action else {
        return Some(BTreeMap::new());
    };
    let opened = |value: &EnvValue| Some(shown(run.part.wanted.opened.get(value)?));
    let header = |(name, value): (&String, &EnvValue)| {
        let value = value.plain().or_else(|| opened(value))?;
        Some((name.clone(), value))
    };
    headers.iter().map(header).collect()
}

/// A GET, as curl reads it from a file. Whatever is not 2xx ends it with an error: redirects,
/// too, of which it follows none. What the appling answers is in the log, and its status after it.
fn request(url: &str, headers: &BTreeMap<String, String>) -> String {
    let mut lines = vec![
        format!("url = {}", quoted(url)),
        "globoff".to_owned(),
        "silent".to_owned(),
        "show-error".to_owned(),
        "fail-with-body".to_owned(),
        "location".to_owned(),
        "max-redirs = 0".to_owned(),
        "connect-timeout = 10".to_owned(),
        format!("max-time = {CALL_DEADLINE}"),
        r#"write-out = "\n%{http_code} in %{time_total} s\n""#.to_owned(),
    ];
    for (name, value) in headers {
        // A header without a value is written so; `Name:` would mean that it is not sent.
        let header = match value.trim() {
            "" => format!("{name};"),
            _ => format!("{name}: {value}"),
        };
        lines.push(format!("header = {}", quoted(&header)));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// A value as curl's configuration files have it. Line breaks would end the header, and begin
/// another.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\r' | '\n' => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_its_author_wrote() {
        let headers = [
            ("Authorization", r#"Bearer a"b\c $(d)"#),
            ("X-Empty", ""),
            ("X-Lines", "one\r\nX-Two: two"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let written = request("http://shop/tidy?a={b}", &headers.into());
        insta::assert_snapshot!(written);
    }
}

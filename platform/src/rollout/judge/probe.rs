//! An app that runs and does not answer its readiness probe.

use iterapp_schema::Http;

use super::super::observe::ObservedPod;
use super::Reason;
use super::trouble::{Trouble, Weight};
use crate::release::spec::Version;

/// Both ask the readiness path: one until the app answers, the other from then on.
const PROBES: [&str; 2] = ["Startup probe ", "Readiness probe "];

/// What the kubelet said last of its probe, in words for the app's author.
pub(super) fn readiness(version: &Version, pod: &ObservedPod) -> Option<Trouble> {
    let said = pod.warnings.iter().find_map(|warning| {
        let rest = PROBES
            .iter()
            .find_map(|probe| warning.strip_prefix(probe))?;
        Some(rest.split_once(": ").map_or(rest, |(_, said)| said))
    })?;
    let http = version.spec.http()?;
    Some(Trouble::passing(Weight::Probe, reason(http, said)))
}

fn reason(http: &Http, said: &str) -> Reason {
    let port = http.port;
    let probe = format!("GET :{port}{}", http.readiness_path);
    if let Some((_, status)) = said.split_once("statuscode: ") {
        return Reason::new(format!("the readiness probe {probe} got {status}"))
            .hint(about_status(status));
    }
    if said.contains("connection refused") {
        return Reason::new(format!(
            "nothing answers on port {port}: connection refused"
        ))
        .hint(format!(
            "does the app listen on 0.0.0.0:{port} (127.0.0.1 is not reached)? \
                 If it listens on another port, set `port` in iterapp.toml",
        ));
    }
    if is_timeout(said) {
        return Reason::new(format!("the readiness probe {probe} got no answer in time")).hint(
            "the path must answer within 2 s, so it should not wait for anything else; \
             `readiness_path` in iterapp.toml names it",
        );
    }
    Reason::new(format!("the readiness probe {probe} failed"))
        .details(vec![said.to_owned()])
        .hint(format!("the app must speak plain HTTP on port {port}"))
}

fn about_status(status: &str) -> &'static str {
    match status.trim() {
        "404" => "set `readiness_path` in iterapp.toml to a path that the app answers with 200",
        "401" | "403" => {
            "set `readiness_path` in iterapp.toml to a path that answers 200 without a login"
        }
        _ => "200 to 399 counts as ready; the app's log may say more (`hops logs`)",
    }
}

fn is_timeout(said: &str) -> bool {
    [
        "Client.Timeout",
        "deadline exceeded",
        "i/o timeout",
        "request canceled",
    ]
    .iter()
    .any(|sign| said.contains(sign))
}

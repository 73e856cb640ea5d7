//! A container that ran, and ended.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus};

use super::super::observe::{ObservedPod, last_end};
use super::Reason;
use super::trouble::{Trouble, Weight};
use crate::release::spec::Version;

/// So many restarts are a loop. One may be an app that wants its neighbour to be there first.
const LOOP: i32 = 2;

/// The app keeps ending. Ending with 0 is how an app asks to be restarted, so that one may go on
/// until the deadline.
pub(super) fn crash(version: &Version, pod: &ObservedPod) -> Option<Trouble> {
    let status = pod.container()?;
    let ended = last_end(status)?;
    let hopeless = status.restart_count >= LOOP && is_down(status) && ended.exit_code != 0;
    let reason = Reason::new(format!("the app {}", how(ended))).details(pod.last_lines.clone());
    let reason = match hint(version, ended, pod) {
        Some(hint) => reason.hint(hint),
        None => reason,
    };
    Some(Trouble::passing(Weight::Crash, reason).hopeless_if(hopeless))
}

/// It ended once, and runs now: what keeps it from being ready is more likely something else.
pub(super) fn is_over(pod: &ObservedPod) -> bool {
    let once = |status: &ContainerStatus| status.restart_count < LOOP && !is_down(status);
    pod.container().is_some_and(once)
}

fn is_down(status: &ContainerStatus) -> bool {
    status
        .state
        .as_ref()
        .is_some_and(|state| state.running.is_none())
}

/// How a container ended, as the end of a sentence.
pub(super) fn how(ended: &ContainerStateTerminated) -> String {
    if ended.reason.as_deref() == Some("OOMKilled") {
        return "was killed because it used more memory than it may (OOMKilled)".to_owned();
    }
    match (ended.exit_code, signal(ended)) {
        (0, _) => "exited with code 0, though it is to go on running".to_owned(),
        (_, Some((number, name))) => format!("was ended by signal {number}{name}"),
        (code, None) => format!("exited with code {code}"),
    }
}

/// The signal that ended a container; shells and container runtimes report it as 128 and more.
fn signal(ended: &ContainerStateTerminated) -> Option<(i32, &'static str)> {
    let number = match ended.signal {
        Some(number) if number > 0 => number,
        _ if (129..=159).contains(&ended.exit_code) => ended.exit_code - 128,
        _ => return None,
    };
    let name = match number {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        _ => "",
    };
    Some((number, name))
}

fn hint(version: &Version, ended: &ContainerStateTerminated, pod: &ObservedPod) -> Option<String> {
    let liveness = pod
        .warnings
        .iter()
        .find(|warning| warning.starts_with("Liveness probe"));
    let killed = matches!(signal(ended), Some((9 | 15, _)));
    let hint = match ended.exit_code {
        _ if ended.reason.as_deref() == Some("OOMKilled") => return limit(version),
        _ if killed && liveness.is_some() => {
            return Some(format!(
                "Kubernetes restarts it because `liveness_path` in iterapp.toml does not answer: {}",
                liveness.map(String::as_str).unwrap_or_default(),
            ));
        }
        0 => "a container's main program must stay in the foreground",
        126 => "exit code 126: the command was found, but may not be executed",
        127 => "exit code 127: the command was not found in the image",
        _ if pod.last_lines.is_empty() => "it wrote nothing to stdout or stderr before it ended",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn limit(version: &Version) -> Option<String> {
    let memory = version.spec.run.limits.memory.as_ref()?;
    Some(format!(
        "`memory` under [limits] in iterapp.toml allows it {memory}"
    ))
}

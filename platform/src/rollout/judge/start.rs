//! A container that does not come to run: its image, or its command.

use std::time::Duration;

use k8s_openapi::api::core::v1::ContainerState;

use super::super::observe::{ObservedPod, last_end};
use super::Reason;
use super::trouble::{Trouble, Weight};
use crate::release::spec::Version;

/// A registry may be away for a moment.
const PULLING: Duration = Duration::from_secs(20);

/// The kubelet may say so for a moment while it gets to know of a Secret, say.
const STARTING: Duration = Duration::from_secs(5);

/// The image cannot be pulled.
pub(super) fn image(version: &Version, pod: &ObservedPod) -> Option<Trouble> {
    let (hopeless, message) = unpulled(pod, pod.container()?.state.as_ref()?)?;
    let reason = Reason::new(format!("its image cannot be pulled: {}", version.image))
        .details(vec![message]);
    Some(Trouble::passing(Weight::Image, reason).hopeless_if(hopeless))
}

/// Whether a container waits for its image and waiting longer will not help, and what is said about it.
pub(super) fn unpulled(pod: &ObservedPod, state: &ContainerState) -> Option<(bool, String)> {
    let waiting = state.waiting.as_ref()?;
    let hopeless = match waiting.reason.as_deref()? {
        "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable" => pod.age >= PULLING,
        "InvalidImageName" | "ErrImageNeverPull" | "ImageInspectError" => pod.age >= STARTING,
        _ => return None,
    };
    let mut warnings = pod.warnings.iter();
    let pull = warnings.find(|warning| warning.starts_with("Failed to pull image"));
    let message = pull.or(waiting.message.as_ref());
    Some((hopeless, message.cloned().unwrap_or_default()))
}

/// The container cannot be made, or its command not be started.
pub(super) fn container(version: &Version, pod: &ObservedPod) -> Option<Trouble> {
    let message = match waiting(pod) {
        Some((why, message)) if is_start_error(why) => message,
        _ => failed_start(pod)?,
    };
    let words = shortened(&message);
    let reason = Reason::new(format!("its container cannot be started: {words}"));
    let reason = match hint(version, &words) {
        Some(hint) => reason.hint(hint),
        None => reason,
    };
    Some(Trouble::passing(Weight::Start, reason).hopeless_if(pod.age >= STARTING))
}

fn is_start_error(why: &str) -> bool {
    matches!(
        why,
        "CreateContainerConfigError"
            | "CreateContainerError"
            | "PreCreateHookError"
            | "PreStartHookError"
            | "RunContainerError"
    )
}

/// containerd calls a command that it cannot start a container that ended.
fn failed_start(pod: &ObservedPod) -> Option<String> {
    let status = pod.container()?;
    let running = status
        .state
        .as_ref()
        .is_some_and(|state| state.running.is_some());
    let ended = last_end(status).filter(|_| !running)?;
    let why = ended.reason.as_deref();
    let is_start = matches!(why, Some("StartError" | "ContainerCannotRun"));
    is_start.then(|| ended.message.clone().unwrap_or_default())
}

fn waiting(pod: &ObservedPod) -> Option<(&str, String)> {
    let state: &ContainerState = pod.container()?.state.as_ref()?;
    let waiting = state.waiting.as_ref()?;
    let message = waiting.message.clone().unwrap_or_default();
    Some((waiting.reason.as_deref()?, message))
}

/// Without the names of all the layers that passed the message on.
fn shortened(message: &str) -> String {
    let inner = message
        .rsplit_once("unable to start container process: ")
        .map_or(message, |(_, inner)| inner);
    let inner = inner
        .strip_prefix("error during container init: ")
        .unwrap_or(inner);
    inner.trim_end_matches(": unknown").trim().to_owned()
}

fn hint(version: &Version, words: &str) -> Option<&'static str> {
    let missing = match version.spec.run.command {
        None => "the Dockerfile's CMD or ENTRYPOINT names a program that is not in the image",
        Some(_) => {
            "`command` in iterapp.toml are the arguments of the Dockerfile's ENTRYPOINT; \
             where there is none, it must begin with a program of the image"
        }
    };
    const CLOSED: &str =
        "make the file executable in the Dockerfile, for example with `RUN chmod +x`";
    const FORMAT: &str = "the program is for another processor, or a script without a `#!` line";
    [
        ("no such file or directory", missing),
        ("executable file not found", missing),
        ("permission denied", CLOSED),
        ("exec format error", FORMAT),
    ]
    .into_iter()
    .find(|(part, _)| words.contains(part))
    .map(|(_, hint)| hint)
}

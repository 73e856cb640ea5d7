//! Where a release command stands that may run.

use std::time::Duration;

use builder_client::Redactor;
use k8s_openapi::api::batch::v1::JobCondition;

use super::super::observe::{ObservedCommand, ObservedPod, end_of, last_end};
use super::trouble::{Trouble, no_room};
use super::{Reason, crash, start};
use crate::release::spec::Version;

/// Where a release command stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandStanding {
    /// It runs, or is about to.
    Running {
        /// What keeps it from it, if something does.
        why: Option<String>,
    },
    /// It ended well.
    Succeeded,
    /// It did not, or will not run.
    Failed {
        /// Why, for the author.
        reason: Reason,
    },
}

impl CommandStanding {
    /// The same, for people to read.
    #[must_use]
    pub fn redacted(self, redactor: &Redactor) -> Self {
        match self {
            Self::Succeeded => Self::Succeeded,
            Self::Running { why } => Self::Running {
                why: why.map(|why| redactor.text(&why)),
            },
            Self::Failed { reason } => Self::Failed {
                reason: reason.redacted(redactor),
            },
        }
    }
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until Kubernetes ends it.
    pub deadline: Duration,
    /// Until it must have begun.
    pub begin: Duration,
}

/// How long Kubernetes may take to end what it is to end, besides the grace that it gives.
const OVERDUE: Duration = Duration::from_secs(120);

/// Judges a command that may run since so long. Only one that cannot have begun is given up: what
/// has begun ends by itself, or by its deadline.
pub fn judge_command(
    version: &Version,
    observed: &ObservedCommand,
    started_for: Duration,
    patience: Patience,
) -> CommandStanding {
    let Some(job) = &observed.job else {
        return failed(gone());
    };
    let pod = observed.pod.as_ref();
    if let Some(condition) = end_of(job) {
        if condition.type_ == "Complete" {
            return CommandStanding::Succeeded;
        }
        return failed(reason(version, condition, pod, patience.deadline));
    }
    let grace = Duration::from_secs(version.spec.run.grace_period.into());
    if started_for >= patience.deadline + grace + OVERDUE {
        return failed(lost(patience.deadline));
    }
    let trouble = pod.and_then(|pod| cannot_begin(version, pod));
    let hopeless = trouble.as_ref().is_some_and(|trouble| trouble.hopeless);
    let has_not_begun = pod.is_none() || trouble.is_some();
    if hopeless || (has_not_begun && started_for >= patience.begin) {
        return failed(trouble.map_or_else(|| no_pod(patience.begin), |trouble| trouble.reason));
    }
    let why = trouble.map(|trouble| trouble.reason.summary);
    CommandStanding::Running { why }
}

/// What keeps its container from running, which it then never did.
fn cannot_begin(version: &Version, pod: &ObservedPod) -> Option<Trouble> {
    start::image(version, pod)
        .or_else(|| no_room(version, pod))
        .or_else(|| cannot_start(version, pod))
}

fn cannot_start(version: &Version, pod: &ObservedPod) -> Option<Trouble> {
    let trouble = start::container(version, pod)?;
    let Reason {
        summary, details, ..
    } = trouble.reason;
    let summary = summary.replacen("its container", "its release command", 1);
    let reason = Reason::new(summary)
        .details(details)
        .hint("`release_command` is given to the image's ENTRYPOINT as its arguments");
    Some(Trouble { reason, ..trouble })
}

fn failed(reason: Reason) -> CommandStanding {
    CommandStanding::Failed { reason }
}

fn reason(
    version: &Version,
    condition: &JobCondition,
    pod: Option<&ObservedPod>,
    deadline: Duration,
) -> Reason {
    if condition.reason.as_deref() == Some("DeadlineExceeded") {
        let seconds = deadline.as_secs();
        return Reason::new(format!(
            "its release command had not ended after {seconds} s, and was ended"
        ))
        .details(pod.map(|pod| pod.last_lines.clone()).unwrap_or_default());
    }
    let Some(pod) = pod else {
        return Reason::new("the pod of its release command was deleted before it had ended");
    };
    if let Some(trouble) = cannot_start(version, pod) {
        return trouble.reason;
    }
    let status = pod.pod.status.clone().unwrap_or_default();
    match (status.reason, pod.container().and_then(last_end)) {
        (Some(why), _) => Reason::new(format!(
            "its release command was stopped by its node ({why})"
        ))
        .details(status.message.into_iter().collect()),
        (None, Some(ended)) => Reason::new(format!("its release command {}", crash::how(ended)))
            .details(pod.last_lines.clone()),
        (None, None) => Reason::new("its release command was stopped before it had begun"),
    }
}

fn gone() -> Reason {
    Reason::new(
        "its release command was deleted before its end was seen, so that nobody knows what it did",
    )
    .hint("look at what it changes; another release runs it again")
}

fn lost(deadline: Duration) -> Reason {
    let seconds = deadline.as_secs();
    Reason::new(format!(
        "its release command was to be ended after {seconds} s, and Kubernetes does not say that it has"
    ))
    .hint("its node may be lost; whoever runs the cluster knows")
}

fn no_pod(patience: Duration) -> Reason {
    let seconds = patience.as_secs();
    Reason::new(format!(
        "Kubernetes has made no pod for its release command within {seconds} s"
    ))
    .hint("a quota or a policy of the cluster may refuse it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::batch::v1::Job;
    use serde_json::{Value, json};

    const PATIENCE: Patience = Patience {
        deadline: Duration::from_secs(600),
        begin: Duration::from_secs(30),
    };

    fn version() -> Version {
        let spec = json!({
            "name": "web", "commit": "0123", "run": {}, "hosts": [], "service_names": [], "env": {},
        });
        Version {
            spec: serde_json::from_value(spec).unwrap(),
            image: "registry/web@sha256:00".to_owned(),
        }
    }

    fn job(conditions: Value) -> Option<Job> {
        Some(serde_json::from_value(json!({ "status": { "conditions": conditions } })).unwrap())
    }

    fn ended(type_: &str, reason: &str) -> Option<Job> {
        job(json!([{ "type": type_, "status": "True", "reason": reason }]))
    }

    fn pod(status: Value) -> Option<ObservedPod> {
        Some(ObservedPod {
            pod: serde_json::from_value(json!({ "metadata": {}, "status": status })).unwrap(),
            last_lines: vec!["the last line".to_owned()],
            ..ObservedPod::default()
        })
    }

    fn container(state: Value) -> Option<ObservedPod> {
        pod(json!({ "containerStatuses": [{
            "name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state,
        }]}))
    }

    fn stands(job: Option<Job>, pod: Option<ObservedPod>, seconds: u64) -> CommandStanding {
        let observed = ObservedCommand { job, pod };
        judge_command(
            &version(),
            &observed,
            Duration::from_secs(seconds),
            PATIENCE,
        )
    }

    fn reason_of(job: Option<Job>, pod: Option<ObservedPod>, seconds: u64) -> Reason {
        match stands(job, pod, seconds) {
            CommandStanding::Failed { reason } => reason,
            other => panic!("not failed: {other:?}"),
        }
    }

    #[test]
    fn what_runs_goes_on_until_kubernetes_says_otherwise() {
        let running = || container(json!({ "running": {} }));
        let runs = CommandStanding::Running { why: None };
        for seconds in [0, 29, 31, 599, 601] {
            assert_eq!(stands(job(json!([])), running(), seconds), runs);
        }
        let going = json!([
            { "type": "FailureTarget", "status": "True" },
            { "type": "Failed", "status": "False" },
        ]);
        assert_eq!(stands(job(going), running(), 601), runs);
        let lost = reason_of(job(json!([])), running(), 600 + 30 + 120);
        assert!(lost.summary.contains("was to be ended after 600 s"));
    }

    #[test]
    fn its_end_is_what_the_job_says() {
        let done = container(json!({ "terminated": { "exitCode": 0 } }));
        let complete = ended("Complete", "CompletionsReached");
        assert_eq!(stands(complete, done, 5), CommandStanding::Succeeded);
        let failed = || ended("Failed", "BackoffLimitExceeded");
        let crashed = container(json!({ "terminated": { "exitCode": 3 } }));
        let reason = reason_of(failed(), crashed, 5);
        assert_eq!(reason.summary, "its release command exited with code 3");
        assert_eq!(reason.details, ["the last line"]);
        let evicted = pod(json!({ "phase": "Failed", "reason": "Evicted", "message": "no disk" }));
        let reason = reason_of(failed(), evicted, 5);
        assert!(reason.summary.ends_with("its node (Evicted)"), "{reason}");
        let slow = ended("Failed", "DeadlineExceeded");
        let reason = reason_of(
            slow,
            container(json!({ "terminated": { "exitCode": 143 } })),
            601,
        );
        assert!(reason.summary.contains("not ended after 600 s"), "{reason}");
        let reason = reason_of(failed(), None, 5);
        assert!(reason.summary.contains("was deleted"), "{reason}");
        let reason = reason_of(None, None, 5);
        assert!(
            reason.summary.contains("nobody knows what it did"),
            "{reason}"
        );
    }

    #[test]
    fn a_command_that_is_not_in_the_image_is_told_as_such() {
        let missing =
            "unable to start container process: exec: \"rake\": executable file not found in $PATH";
        let terminated = json!({ "exitCode": 128, "reason": "StartError", "message": missing });
        let failed = ended("Failed", "BackoffLimitExceeded");
        let reason = reason_of(failed, container(json!({ "terminated": terminated })), 5);
        let said = "its release command cannot be started: exec: \"rake\"";
        assert!(reason.summary.starts_with(said), "{reason}");
        assert!(reason.hint.unwrap_or_default().contains("ENTRYPOINT"));
    }

    #[test]
    fn only_what_cannot_have_begun_is_given_up() {
        let no_room = || {
            let condition =
                json!({ "type": "PodScheduled", "status": "False", "message": "0/1 nodes" });
            pod(json!({ "conditions": [condition] }))
        };
        let why = Some("no node has room for one of its pods".to_owned());
        let waits = CommandStanding::Running { why };
        assert_eq!(stands(job(json!([])), no_room(), 29), waits);
        assert!(
            reason_of(job(json!([])), no_room(), 30)
                .summary
                .contains("no node has room")
        );
        let starts = CommandStanding::Running { why: None };
        assert_eq!(stands(job(json!([])), None, 29), starts);
        assert!(
            reason_of(job(json!([])), None, 30)
                .summary
                .contains("made no pod")
        );
        let creating = container(json!({ "waiting": { "reason": "ContainerCreating" } }));
        assert_eq!(stands(job(json!([])), creating, 400), starts);
        let mut pulling = container(json!({ "waiting": { "reason": "ImagePullBackOff" } }));
        pulling.as_mut().unwrap().age = Duration::from_secs(60);
        let reason = reason_of(job(json!([])), pulling, 25);
        assert!(
            reason.summary.starts_with("its image cannot be pulled"),
            "{reason}"
        );
    }
}

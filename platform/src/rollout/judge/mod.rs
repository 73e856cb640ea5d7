//! Whether a version of an appling is ready, on its way, or failed, and why. Pure.
//!
//! | file | |
//! | --- | --- |
//! | `trouble` | everything that may be wrong with a version, and which of it weighs most |
//! | `crash`, `probe`, `start` | three kinds of trouble with a pod, worded |
//! | `sidecar` | the same for what stands beside the app |
//! | `command` | where a release command stands |
//! | `reason` | how trouble is told |

mod command;
mod crash;
mod probe;
mod reason;
mod sidecar;
mod start;
#[cfg(test)]
mod tests;
mod trouble;

pub use command::{CommandStanding, Patience, judge_command};
pub use reason::Reason;

use std::time::Duration;

use builder_client::Redactor;
use k8s_openapi::api::apps::v1::Deployment;

use super::desired::{STEADY_SECONDS, version_label};
use super::observe::ObservedAppling;
use crate::release::spec::Version;
use trouble::Trouble;

/// Where a version of an appling stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Every wanted pod is of this version and serves.
    Ready,
    /// On its way.
    Waiting {
        /// What it waits for, as a progress line.
        why: String,
    },
    /// Did not make it.
    Failed {
        /// Why, for the author.
        reason: Reason,
    },
}

impl Standing {
    /// The same, for people to read.
    #[must_use]
    pub fn redacted(self, redactor: &Redactor) -> Self {
        match self {
            Self::Ready => Self::Ready,
            Self::Waiting { why } => Self::Waiting {
                why: redactor.text(&why),
            },
            Self::Failed { reason } => Self::Failed {
                reason: reason.redacted(redactor),
            },
        }
    }
}

/// Judges the wanted version of an appling after so long on trial. Pods of earlier versions have no
/// say in it.
pub fn judge(
    version: &Version,
    observed: &ObservedAppling,
    on_trial_for: Duration,
    deadline: Duration,
) -> Standing {
    if is_ready(version, observed) {
        return Standing::Ready;
    }
    let troubles = trouble::all(version, observed);
    if let Some(hopeless) = Trouble::gravest(&troubles, |trouble| trouble.hopeless) {
        let reason = hopeless.reason.clone();
        return Standing::Failed { reason };
    }
    let worst = Trouble::gravest(&troubles, |_| true);
    if on_trial_for >= deadline {
        let reason = worst.map_or_else(
            || too_slow(version, observed, deadline),
            |t| t.reason.clone(),
        );
        return Standing::Failed { reason };
    }
    let why = progress(version, observed, worst.filter(|_| !observed.is_starting()));
    Standing::Waiting { why }
}

/// Every wanted pod is of this version and available, and those of the version before are at least
/// being stopped. A worker's pods are available once they have run for a few seconds.
fn is_ready(version: &Version, observed: &ObservedAppling) -> bool {
    let Some(deployment) = &observed.deployment else {
        return false;
    };
    let status = deployment.status.clone().unwrap_or_default();
    let wanted = i64::from(observed.wanted_pods(version));
    let count = |number: Option<i32>| i64::from(number.unwrap_or(0));
    is_current(deployment, observed)
        && count(status.updated_replicas) >= wanted
        && count(status.available_replicas) >= wanted
        && count(status.replicas) <= count(status.updated_replicas)
}

/// Whether what Kubernetes says of the Deployment is about the version that is wanted.
fn is_current(deployment: &Deployment, observed: &ObservedAppling) -> bool {
    let status = deployment.status.as_ref();
    let seen = status
        .and_then(|status| status.observed_generation)
        .unwrap_or(0);
    let applied = version_label(deployment) == Some(&observed.label);
    applied && seen >= deployment.metadata.generation.unwrap_or(0)
}

fn progress(version: &Version, observed: &ObservedAppling, worst: Option<&Trouble>) -> String {
    let count = ready_count(version, observed);
    let all_ready = observed.ready_pods() >= to_count(observed.wanted_pods(version));
    match worst {
        Some(trouble) => format!("{count}: {}", trouble.reason.summary),
        None if all_ready && observed.is_unsteady(version) => {
            format!("{count}, watched for {STEADY_SECONDS} s")
        }
        None if all_ready => format!("{count}, those before are being stopped"),
        None => count,
    }
}

fn too_slow(version: &Version, observed: &ObservedAppling, deadline: Duration) -> Reason {
    let count = ready_count(version, observed);
    let seconds = deadline.as_secs();
    let hint = match version.spec.http() {
        Some(_) => {
            "a pod must start and answer its readiness probe within that time; \
             if it does slow work at its start, do that work after it answers"
        }
        None => "a pod must start within that time, and go on running",
    };
    Reason::new(format!("after {seconds} s only {count}")).hint(hint)
}

fn ready_count(version: &Version, observed: &ObservedAppling) -> String {
    let wanted = observed.wanted_pods(version);
    let ready = observed.ready_pods().min(to_count(wanted));
    let pods = if wanted == 1 { "pod" } else { "pods" };
    let state = match version.spec.http() {
        Some(_) => "ready",
        None => "running",
    };
    format!("{ready} of {wanted} {pods} {state}")
}

fn to_count(replicas: u32) -> usize {
    usize::try_from(replicas).unwrap_or(usize::MAX)
}

impl ObservedAppling {
    /// Whether its pods are so young that what is wrong with them may be just that they start.
    fn is_starting(&self) -> bool {
        const YOUNG: Duration = Duration::from_secs(8);
        let unready = || self.pods.iter().filter(|pod| !pod.is_ready());
        unready().next().is_some() && unready().all(|pod| pod.age < YOUNG)
    }

    fn wanted_pods(&self, version: &Version) -> u32 {
        let spec = self.deployment.as_ref().and_then(|d| d.spec.as_ref());
        let now = spec.and_then(|spec| u32::try_from(spec.replicas?).ok());
        version.spec.replicas_given(now)
    }

    /// Whether it is a worker some of whose pods have not run for long enough to count.
    fn is_unsteady(&self, version: &Version) -> bool {
        let status = self.deployment.as_ref().and_then(|d| d.status.as_ref());
        let unavailable = status.and_then(|status| status.unavailable_replicas);
        version.spec.http().is_none() && unavailable.unwrap_or(0) > 0
    }

    fn ready_pods(&self) -> usize {
        self.pods.iter().filter(|pod| pod.is_ready()).count()
    }
}

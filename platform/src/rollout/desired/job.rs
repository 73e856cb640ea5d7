//! The Job that runs a release command: once, before the appling's pods are replaced.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Part, labels, pod};
use crate::release::spec::ReleaseCommand;

/// How long Kubernetes keeps the last Job that has ended, for people who look. The platform has
/// written down its end and its lines long before.
const KEPT_SECONDS: i32 = 24 * 60 * 60;

/// The name of a release command's Job, at most 63 characters. No other release's Job ever has it,
/// not even one of the same number that a platform of the same name made before its database was
/// set back: the end of random digits is the release's own.
pub fn job_name(command: &ReleaseCommand) -> String {
    let ReleaseCommand { id, release, .. } = command;
    let own = id.as_u128() & 0xffff_ffff;
    format!("{}-r{release}-{own:08x}", command.version.spec.name)
}

/// Suspended until it is written down that it may run: a Job that is gone later has had its chance,
/// and is never made again.
pub(super) fn job(part: &Part<'_>, command: &ReleaseCommand) -> Job {
    let release = (labels::RELEASE.to_owned(), command.release.to_string());
    let mut pod_labels = part.labels_of_job_pods();
    pod_labels.extend([release.clone()]);
    let deadline = part.settings.release_command_deadline.as_secs();
    let mut metadata = part.metadata(&job_name(command));
    metadata.labels.get_or_insert_default().extend([release]);
    Job {
        metadata,
        spec: Some(JobSpec {
            suspend: Some(!command.started),
            backoff_limit: Some(0),
            completions: Some(1),
            parallelism: Some(1),
            active_deadline_seconds: Some(i64::try_from(deadline).unwrap_or(i64::MAX)),
            ttl_seconds_after_finished: Some(KEPT_SECONDS),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(pod_labels),
                    annotations: Some([stay_annotation()].into()),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod_spec(part)),
            },
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}

/// A node that is to go waits for it.
fn stay_annotation() -> (String, String) {
    let key = "cluster-autoscaler.kubernetes.io/safe-to-evict";
    (key.to_owned(), "false".to_owned())
}

/// Its pod has nothing to drain, so that the author's grace is the whole of it.
fn pod_spec(part: &Part<'_>) -> PodSpec {
    let run = &part.version.spec.run;
    PodSpec {
        termination_grace_period_seconds: Some(run.grace_period.into()),
        ..pod::of_job(part, run.release_command.as_deref())
    }
}

//! What became of release commands, and what they write.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, LogParams};

use super::super::cluster::{Cluster, ClusterError};
use super::super::desired::{CONTAINER, job_name};
use super::super::pods::read_line;
use super::{ObservedPod, age, list, look_at};
use crate::release::spec::WantedEnvironment;

/// What is read at most at once: more than the kubelet keeps of a log.
const MAX_READ: i64 = 16 << 20;

/// What Kubernetes has of one release command.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObservedCommand {
    /// Its Job, unless it is gone.
    pub job: Option<Job>,
    /// The Job's pod, once there is one.
    pub pod: Option<ObservedPod>,
}

impl ObservedCommand {
    /// When Kubernetes called its Job ended.
    pub fn ended_at(&self) -> Option<Timestamp> {
        Some(end_of(self.job.as_ref()?)?.last_transition_time.as_ref()?.0)
    }
}

/// The condition `Complete` or `Failed` of a Job that has ended.
pub fn end_of(job: &Job) -> Option<&JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .find(|c| matches!(c.type_.as_str(), "Complete" | "Failed") && c.status == "True")
}

impl ObservedPod {
    /// Whether the author's container ran, or runs.
    pub fn has_begun(&self) -> bool {
        let state = self.container().and_then(|status| status.state.as_ref());
        state.is_some_and(|state| state.running.is_some() || state.terminated.is_some())
    }
}

/// One line that a release command wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// When, in nanoseconds since 1970.
    pub at: i64,
    /// Without its line break.
    pub text: String,
}

/// What Kubernetes has of the wanted release commands, in their order.
///
/// # Errors
///
/// When Kubernetes does not answer.
pub async fn commands(
    cluster: &Cluster,
    wanted: &WantedEnvironment,
) -> Result<Vec<ObservedCommand>, ClusterError> {
    let (jobs, pods) =
        tokio::try_join!(list::<Job>(cluster, wanted), list::<Pod>(cluster, wanted))?;
    let now = Timestamp::now();
    let mut observed: Vec<ObservedCommand> = Vec::new();
    for command in &wanted.commands {
        let name = job_name(command);
        let job = jobs.iter().find(|job| job.name_any() == name).cloned();
        let pod = job.as_ref().and_then(|job| pod_of(job, &pods));
        let pod = pod.map(|pod| ObservedPod {
            pod: pod.clone(),
            age: age(pod, now),
            ..ObservedPod::default()
        });
        observed.push(ObservedCommand { job, pod });
    }
    let pods = observed
        .iter_mut()
        .filter_map(|command| command.pod.as_mut());
    let troubled: Vec<&mut ObservedPod> = pods.filter(|pod| has_trouble(pod)).collect();
    if !troubled.is_empty() {
        look_at(cluster, wanted, troubled).await?;
    }
    Ok(observed)
}

/// The lines that a command's pod wrote after a moment, oldest first, at most `most` of them.
///
/// # Errors
///
/// When Kubernetes does not answer, or has no log of the pod.
pub async fn command_lines(
    cluster: &Cluster,
    pod: &Pod,
    after: Option<i64>,
    most: usize,
) -> Result<Vec<CommandLine>, ClusterError> {
    let namespace = pod.namespace().unwrap_or_default();
    let api: Api<Pod> = cluster.in_namespace(&namespace);
    let name = pod.name_any();
    let query = LogParams {
        container: Some(CONTAINER.to_owned()),
        timestamps: true,
        // The kubelet counts from whole seconds, and so gives some lines again.
        since_time: after.and_then(|at| Timestamp::from_nanosecond(at.into()).ok()),
        limit_bytes: Some(MAX_READ),
        ..LogParams::default()
    };
    let read = || async {
        let mut reader = Box::pin(api.log_stream(&name, &query).await?);
        let mut found = Vec::new();
        while found.len() < most
            && let Some((line, rest)) = read_line(reader).await
        {
            found.extend(parse(&line).filter(|line| Some(line.at) > after));
            reader = rest;
        }
        Ok(found)
    };
    cluster
        .request(&format!("read the log of {name}"), read)
        .await
}

/// A line as the kubelet gives it: a time, a blank, and what was written.
fn parse(line: &str) -> Option<CommandLine> {
    let (at, text) = line.split_once(' ').unwrap_or((line, ""));
    let at: Timestamp = at.parse().ok()?;
    // As a terminal shows it in the end.
    let text = text.trim_end_matches('\r').rsplit('\r').next()?;
    Some(CommandLine {
        at: i64::try_from(at.as_nanosecond()).ok()?,
        text: text.to_owned(),
    })
}

fn pod_of<'a>(job: &Job, pods: &'a [Pod]) -> Option<&'a Pod> {
    let job = job.uid()?;
    let is_owned = |pod: &&Pod| pod.owner_references().iter().any(|owner| owner.uid == job);
    pods.iter().find(is_owned)
}

/// It does not run, and has not ended well.
fn has_trouble(pod: &ObservedPod) -> bool {
    let phase = pod.pod.status.as_ref().and_then(|s| s.phase.as_deref());
    !pod.is_ready() && phase != Some("Succeeded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_time_to_the_nanosecond() {
        let line = parse("2026-01-01T00:00:01.000000007Z  two  blanks ").unwrap();
        assert_eq!(line.at % 1_000_000_000, 7);
        assert_eq!(line.text, " two  blanks ");
        assert_eq!(parse("2026-01-01T00:00:01Z").unwrap().text, "");
        assert_eq!(parse("unable to retrieve container logs"), None);
    }
}

//! The lines that one pod wrote.

use std::time::Duration;

use futures::io::{AsyncBufRead, AsyncBufReadExt};
use futures::stream::{self, BoxStream, Stream, StreamExt};
use iterapp_schema::ApplingName;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, LogParams};
use tokio::time::timeout;

use super::super::cluster::Cluster;
use super::super::desired::CONTAINER;
use super::super::{labels, secrets};
use super::{PodLine, Pods};

/// What a pod wrote so far, oldest first; nothing for a pod that names no appling.
pub(super) fn lines(
    pods: &Pods,
    pod: &Pod,
    tail: Option<u32>,
) -> Option<BoxStream<'static, PodLine>> {
    let source = Source::of(pods, pod)?;
    let query = LogParams {
        tail_lines: tail.map(i64::from),
        ..source.query()
    };
    let opened = async move { stream::iter(source.open(query).await.ok()).flatten() };
    Some(stream::once(opened).flatten().boxed())
}

/// Why a pod's lines cannot be read now.
pub(super) enum NotOpen {
    /// There is no such pod any more.
    Gone,
    /// It has not started, or Kubernetes does not answer.
    NotYet,
}

/// Where lines come from.
#[derive(Clone)]
pub(super) struct Source {
    cluster: Cluster,
    namespace: String,
    api: Api<Pod>,
    pod: String,
    appling: ApplingName,
    deadline: Duration,
    /// Whether its container ends for good: a Job's does.
    pub(super) ends: bool,
}

impl Source {
    pub(super) fn of(pods: &Pods, pod: &Pod) -> Option<Self> {
        let job = labels::job_of(pod.labels());
        let ends = job.is_some();
        Some(Self {
            cluster: pods.cluster.clone(),
            namespace: pods.namespace.clone(),
            api: pods.api.clone(),
            pod: pod.name_any(),
            appling: labels::appling_of(pod.labels()).or(job)?,
            ends,
            deadline: pods.cluster.settings().request_deadline,
        })
    }

    pub(super) fn query(&self) -> LogParams {
        LogParams {
            container: Some(CONTAINER.to_owned()),
            timestamps: true,
            ..LogParams::default()
        }
    }

    /// Starts reading, without the secrets that the pod may have by now.
    pub(super) async fn open(
        &self,
        query: LogParams,
    ) -> Result<impl Stream<Item = PodLine> + Send + 'static + use<>, NotOpen> {
        let open = timeout(self.deadline, self.api.log_stream(&self.pod, &query)).await;
        let reader = match open {
            Ok(Ok(reader)) => reader,
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() => {
                return Err(NotOpen::Gone);
            }
            Ok(Err(_)) | Err(_) => return Err(NotOpen::NotYet),
        };
        let redactor = secrets::redactor_of_pods(&self.cluster, &self.namespace).await;
        let redactor = redactor.map_err(|_| NotOpen::NotYet)?;
        let source = self.clone();
        let lines = stream::unfold(Box::pin(reader), read_line);
        Ok(lines.filter_map(move |line| std::future::ready(source.line(&redactor.text(&line)))))
    }

    /// A line as the kubelet gives it: a time, a blank, and what was written.
    fn line(&self, line: &str) -> Option<PodLine> {
        let (at, text) = line.split_once(' ').unwrap_or((line, ""));
        Some(PodLine {
            at: at.parse::<Timestamp>().ok()?,
            appling: self.appling.clone(),
            pod: self.pod.clone(),
            text: text.to_owned(),
        })
    }
}

/// One line, whatever bytes an app wrote; `None` at the end, and when the connection is lost.
pub(in super::super) async fn read_line<R: AsyncBufRead + Unpin>(
    mut reader: R,
) -> Option<(String, R)> {
    let mut line = Vec::new();
    let read = reader.read_until(b'\n', &mut line).await.ok()?;
    let text = String::from_utf8_lossy(&line);
    (read > 0).then(|| (text.trim_end_matches(['\r', '\n']).to_owned(), reader))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_need_not_be_text() {
        let written: &[u8] = b"one\r\n\xff two\n\nthree";
        let lines: Vec<String> = stream::unfold(written, read_line).collect().await;
        assert_eq!(lines, ["one", "\u{fffd} two", "", "three"]);
    }
}

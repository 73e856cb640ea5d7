//! What pods write from now on, also those that start later.

use std::collections::HashSet;
use std::time::Duration;

use futures::stream::{self, BoxStream, SelectAll, Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::LogParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use tokio::time::sleep;

use super::tail::{NotOpen, Source};
use super::{PodLine, Pods};

/// Between two attempts to read a pod that has not started, or has just been restarted.
const PAUSE: Duration = Duration::from_secs(1);

/// Lines of all pods as they are written, until the stream is dropped.
pub(super) fn lines(pods: Pods, tail: Option<u32>) -> impl Stream<Item = PodLine> + Send + 'static {
    let config = watcher::Config::default().labels(&pods.selector);
    let events = watcher::watcher(pods.api.clone(), config).default_backoff();
    let mut known = HashSet::new();
    let found = events.filter_map(move |event| {
        let pod = event
            .ok()
            .and_then(present)
            .filter(|pod| known.insert(pod.uid()));
        std::future::ready(pod.and_then(|pod| Source::of(&pods, &pod)))
    });
    let following = Following {
        found: found.boxed(),
        lines: SelectAll::new(),
        tail,
    };
    stream::unfold(following, |mut following| async move {
        let line = following.next().await?;
        Some((line, following))
    })
}

fn present(event: Event<Pod>) -> Option<Pod> {
    match event {
        Event::Apply(pod) | Event::InitApply(pod) => Some(pod),
        Event::Delete(_) | Event::Init | Event::InitDone => None,
    }
}

struct Following {
    found: BoxStream<'static, Source>,
    lines: SelectAll<BoxStream<'static, PodLine>>,
    tail: Option<u32>,
}

impl Following {
    async fn next(&mut self) -> Option<PodLine> {
        loop {
            tokio::select! {
                source = self.found.next() => self.lines.push(pod(source?, self.tail).boxed()),
                Some(line) = self.lines.next() => return Some(line),
            }
        }
    }
}

/// One pod's lines over all restarts of its container, until it is gone.
fn pod(source: Source, tail: Option<u32>) -> impl Stream<Item = PodLine> + Send + 'static {
    let reading = Reading {
        source,
        tail,
        last: None,
        open: None,
    };
    stream::unfold(reading, |mut reading| async move {
        let line = reading.next().await?;
        Some((line, reading))
    })
}

struct Reading {
    source: Source,
    tail: Option<u32>,
    /// When the last line was written.
    last: Option<Timestamp>,
    open: Option<BoxStream<'static, PodLine>>,
}

impl Reading {
    async fn next(&mut self) -> Option<PodLine> {
        loop {
            let Some(lines) = &mut self.open else {
                self.reopen().await?;
                continue;
            };
            match lines.next().await {
                Some(line) if Some(line.at) > self.last => {
                    self.last = Some(line.at);
                    return Some(line);
                }
                // The kubelet counts from whole seconds, and so gives some lines again.
                Some(_) => {}
                None if self.source.ends => return None,
                None => {
                    self.open = None;
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Starts reading where it ended; `None` when the pod is gone.
    async fn reopen(&mut self) -> Option<()> {
        let query = LogParams {
            follow: true,
            since_time: self.last,
            tail_lines: self.tail.filter(|_| self.last.is_none()).map(i64::from),
            ..self.source.query()
        };
        match self.source.open(query).await {
            Ok(lines) => self.open = Some(lines.boxed()),
            Err(NotOpen::Gone) => return None,
            Err(NotOpen::NotYet) => sleep(PAUSE).await,
        }
        Some(())
    }
}

//! The daemon's status messages become events, each once and in order.

mod step;

use std::collections::{BTreeMap, HashMap};

use bollard_buildkit_proto::moby::buildkit::v1::{
    StatusResponse, Vertex, VertexLog, VertexStatus, VertexWarning,
};

use crate::{BuildEvent, StepNumber, Stream, Transfer, redact::Redactor};
use step::{Step, between, time};

/// What is known of a build so far. The daemon repeats itself, all of it at the end: what has been
/// told already is known by its time.
pub(crate) struct Feed {
    redactor: Redactor,
    steps: HashMap<String, Step>,
}

impl Feed {
    pub(crate) fn new(redactor: Redactor) -> Feed {
        Feed {
            redactor,
            steps: HashMap::new(),
        }
    }

    /// What one message brings. Within it a step's lines come before its end.
    pub(crate) fn apply(&mut self, message: StatusResponse) -> Vec<BuildEvent> {
        let mut events = Vec::new();
        let mut ends = Vec::new();
        for vertex in &message.vertexes {
            self.started(vertex, &mut ends, &mut events);
        }
        let mut moved: BTreeMap<StepNumber, Vec<Transfer>> = BTreeMap::new();
        for status in message.statuses {
            if let Some((step, transfer)) = self.moved(status) {
                moved.entry(step).or_default().push(transfer);
            }
        }
        let progress = |(step, transfers)| BuildEvent::Progress { step, transfers };
        events.extend(moved.into_iter().map(progress));
        for log in message.logs {
            self.wrote(log, &mut events);
        }
        for warning in message.warnings {
            events.extend(self.warned(warning));
        }
        for vertex in ends {
            self.ended(vertex, &mut events);
        }
        events
    }

    /// What is left when no message will come any more: lines without an end.
    pub(crate) fn finish(&mut self) -> Vec<BuildEvent> {
        let redactor = self.redactor.clone();
        let mut events = Vec::new();
        for step in self.steps.values_mut() {
            step.flush(&redactor, &mut events);
        }
        events
    }

    /// A step's name and last lines, by its digest; else those of the first step that failed.
    pub(crate) fn step(&self, digest: Option<&str>) -> Option<(String, Vec<String>)> {
        let named = digest.and_then(|digest| self.steps.get(digest));
        let failed = || {
            self.steps
                .values()
                .filter(|s| s.failed)
                .min_by_key(|s| s.completed)
        };
        let step = named.or_else(failed)?;
        Some((step.name.clone(), step.last_lines.iter().cloned().collect()))
    }

    fn step_mut(&mut self, digest: &str) -> &mut Step {
        let next = self.steps.len() as StepNumber + 1;
        self.steps
            .entry(digest.to_owned())
            .or_insert_with(|| Step::new(next))
    }

    fn started<'v>(
        &mut self,
        vertex: &'v Vertex,
        ends: &mut Vec<&'v Vertex>,
        events: &mut Vec<BuildEvent>,
    ) {
        // The daemon announces steps long before they run, in no particular order.
        if vertex.started.is_none() && vertex.completed.is_none() {
            return;
        }
        let name = self.redactor.text(&vertex.name);
        let step = self.step_mut(&vertex.digest);
        step.name = name;
        let started = time(vertex.started.as_ref());
        if started > step.started {
            let again = step.started.is_some();
            let (number, name) = (step.number, step.name.clone());
            // Only one message may hold an end and the next start; then the end has to be told first.
            if let Some(i) = ends.iter().position(|end| end.digest == vertex.digest) {
                let end = ends.remove(i);
                self.ended(end, events);
            }
            self.step_mut(&vertex.digest).started = started;
            if !vertex.cached {
                events.push(BuildEvent::Started {
                    step: number,
                    name,
                    again,
                });
            }
        }
        if vertex.completed.is_some() {
            ends.push(vertex);
        }
    }

    fn ended(&mut self, vertex: &Vertex, events: &mut Vec<BuildEvent>) {
        let redactor = self.redactor.clone();
        let step = self.step_mut(&vertex.digest);
        let completed = time(vertex.completed.as_ref());
        if completed <= step.completed {
            return;
        }
        let first = step.completed.is_none();
        step.completed = completed;
        step.flush(&redactor, events);
        let number = step.number;
        if vertex.cached && vertex.error.is_empty() {
            let name = step.name.clone();
            events.extend(first.then_some(BuildEvent::Cached { step: number, name }));
            return;
        }
        step.failed = !vertex.error.is_empty();
        let duration = between(step.started, completed);
        let error = step.failed.then(|| redactor.text(&vertex.error));
        events.push(BuildEvent::Done {
            step: number,
            duration,
            error,
        });
    }

    fn wrote(&mut self, log: VertexLog, events: &mut Vec<BuildEvent>) {
        let redactor = self.redactor.clone();
        let step = self.step_mut(&log.vertex);
        let stream = if log.stream == 1 {
            Stream::Out
        } else {
            Stream::Err
        };
        let output = step.outputs.entry(stream).or_default();
        let at = time(log.timestamp.as_ref()).unwrap_or_default();
        let told = output
            .latest
            .as_ref()
            .is_some_and(|(latest, piece)| at < *latest || (at == *latest && *piece == log.msg));
        if told {
            return;
        }
        let lines = output.lines.push(&log.msg, &redactor);
        output.latest = Some((at, log.msg));
        for line in lines {
            events.push(step.line(stream, line));
        }
    }

    fn moved(&mut self, status: VertexStatus) -> Option<(StepNumber, Transfer)> {
        let transfer = Transfer {
            name: if status.name.is_empty() {
                status.id.clone()
            } else {
                status.name
            },
            current: u64::try_from(status.current).unwrap_or_default(),
            total: u64::try_from(status.total).ok().filter(|total| *total > 0),
            done: status.completed.is_some(),
        };
        let at = time(status.timestamp.as_ref()).unwrap_or_default();
        let step = self.step_mut(&status.vertex);
        let known = step.transfers.get(&status.id);
        if known.is_some_and(|(latest, same)| at < *latest || *same == transfer) {
            return None;
        }
        step.transfers.insert(status.id, (at, transfer.clone()));
        Some((step.number, transfer))
    }

    fn warned(&mut self, warning: VertexWarning) -> Option<BuildEvent> {
        let message = self.redactor.text(&String::from_utf8_lossy(&warning.short));
        let step = self.step_mut(&warning.vertex);
        if step.warnings.contains(&message) {
            return None;
        }
        step.warnings.push(message.clone());
        let url = Some(warning.url).filter(|url| !url.is_empty());
        Some(BuildEvent::Warning {
            step: step.number,
            message,
            url,
        })
    }
}

#[cfg(test)]
mod tests;

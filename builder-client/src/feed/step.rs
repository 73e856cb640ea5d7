//! What is known of one step.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use bollard_buildkit_proto::google::protobuf::Timestamp;

use crate::{BuildEvent, LAST_LINES, StepNumber, Stream, Transfer, lines::Lines, redact::Redactor};

/// Seconds and nanoseconds.
pub(super) type Time = (i64, i32);

pub(super) struct Step {
    pub(super) number: StepNumber,
    pub(super) name: String,
    pub(super) started: Option<Time>,
    pub(super) completed: Option<Time>,
    pub(super) failed: bool,
    pub(super) outputs: HashMap<Stream, Output>,
    pub(super) last_lines: VecDeque<String>,
    pub(super) transfers: HashMap<String, (Time, Transfer)>,
    pub(super) warnings: Vec<String>,
}

#[derive(Default)]
pub(super) struct Output {
    pub(super) lines: Lines,
    pub(super) latest: Option<(Time, Vec<u8>)>,
}

impl Step {
    pub(super) fn new(number: StepNumber) -> Step {
        Step {
            number,
            name: String::new(),
            started: None,
            completed: None,
            failed: false,
            outputs: HashMap::new(),
            last_lines: VecDeque::new(),
            transfers: HashMap::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn line(&mut self, stream: Stream, line: String) -> BuildEvent {
        if self.last_lines.len() == LAST_LINES {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(line.clone());
        BuildEvent::Log {
            step: self.number,
            stream,
            line,
        }
    }

    pub(super) fn flush(&mut self, redactor: &Redactor, events: &mut Vec<BuildEvent>) {
        for stream in [Stream::Out, Stream::Err] {
            let rest = self
                .outputs
                .get_mut(&stream)
                .map(|output| output.lines.finish(redactor));
            for line in rest.unwrap_or_default() {
                events.push(self.line(stream, line));
            }
        }
    }
}

pub(super) fn time(timestamp: Option<&Timestamp>) -> Option<Time> {
    timestamp.map(|t| (t.seconds, t.nanos))
}

pub(super) fn between(from: Option<Time>, to: Option<Time>) -> Duration {
    let nanos = |(seconds, nanos): Time| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let elapsed = from.zip(to).map_or(0, |(from, to)| nanos(to) - nanos(from));
    Duration::from_nanos(u64::try_from(elapsed).unwrap_or_default())
}

use std::time::Duration;

use bollard_buildkit_proto::google::protobuf::Timestamp;

use super::*;
use crate::LAST_LINES;

fn at(millis: i64) -> Option<Timestamp> {
    let nanos = (millis % 1000 * 1_000_000) as i32;
    Some(Timestamp {
        seconds: millis / 1000,
        nanos,
    })
}

fn vertex(started: i64, completed: Option<i64>) -> Vertex {
    Vertex {
        digest: "sha256:1".to_owned(),
        name: "RUN make".to_owned(),
        started: at(started),
        completed: completed.and_then(at),
        ..Vertex::default()
    }
}

fn log(millis: i64, text: &str) -> VertexLog {
    VertexLog {
        vertex: "sha256:1".to_owned(),
        timestamp: at(millis),
        stream: 1,
        msg: text.as_bytes().to_vec(),
    }
}

fn message(vertexes: Vec<Vertex>, logs: Vec<VertexLog>) -> StatusResponse {
    StatusResponse {
        vertexes,
        logs,
        ..StatusResponse::default()
    }
}

fn started(again: bool) -> BuildEvent {
    BuildEvent::Started {
        step: 1,
        name: "RUN make".to_owned(),
        again,
    }
}

fn done(millis: u64) -> BuildEvent {
    BuildEvent::Done {
        step: 1,
        duration: Duration::from_millis(millis),
        error: None,
    }
}

fn line(text: &str) -> BuildEvent {
    BuildEvent::Log {
        step: 1,
        stream: Stream::Out,
        line: text.to_owned(),
    }
}

#[test]
fn lines_come_between_start_and_end_of_their_step() {
    let mut feed = Feed::new(Redactor::default());
    let all = message(
        vec![vertex(1, None), vertex(1, Some(5))],
        vec![log(2, "a\nb")],
    );
    assert_eq!(
        feed.apply(all),
        [started(false), line("a"), line("b"), done(4)]
    );
    assert_eq!(feed.finish(), []);
}

#[test]
fn steps_are_numbered_as_they_begin() {
    let mut feed = Feed::new(Redactor::default());
    let announced = |digest: &str| Vertex {
        digest: digest.to_owned(),
        ..Vertex::default()
    };
    let all = vec![
        announced("sha256:3"),
        announced("sha256:2"),
        vertex(1, None),
    ];
    assert_eq!(feed.apply(message(all, vec![])), [started(false)]);
}

#[test]
fn nothing_is_told_twice() {
    let mut feed = Feed::new(Redactor::default());
    feed.apply(message(
        vec![vertex(1, None)],
        vec![log(2, "a\n"), log(3, "a\n")],
    ));
    feed.apply(message(vec![vertex(1, Some(4))], vec![]));
    feed.apply(message(vec![vertex(6, Some(9))], vec![log(7, "b\n")]));
    let replay = message(
        vec![vertex(1, None), vertex(1, Some(4)), vertex(6, Some(9))],
        vec![log(2, "a\n"), log(3, "a\n"), log(7, "b\n")],
    );
    assert_eq!(feed.apply(replay), []);
    assert_eq!(feed.finish(), []);
}

#[test]
fn a_step_may_start_again() {
    let mut feed = Feed::new(Redactor::default());
    let twice = vec![vertex(1, Some(2)), vertex(5, None)];
    assert_eq!(
        feed.apply(message(twice, vec![])),
        [started(false), done(1), started(true)]
    );
    assert_eq!(
        feed.apply(message(vec![vertex(5, Some(8))], vec![])),
        [done(3)]
    );
}

#[test]
fn a_cached_step_is_told_once_and_never_started() {
    let mut feed = Feed::new(Redactor::default());
    let cached = |t| Vertex {
        cached: true,
        ..vertex(t, Some(t))
    };
    let told = BuildEvent::Cached {
        step: 1,
        name: "RUN make".to_owned(),
    };
    assert_eq!(feed.apply(message(vec![cached(1)], vec![])), [told]);
    assert_eq!(feed.apply(message(vec![cached(3)], vec![])), []);
}

#[test]
fn a_failed_step_is_found_with_its_last_lines() {
    let mut feed = Feed::new(Redactor::new([&b"hunter22"[..]]));
    let text: String = (0..50).map(|i| format!("line {i} hunter22\n")).collect();
    let failed = Vertex {
        error: "exit code: 1".to_owned(),
        ..vertex(1, Some(2))
    };
    let events = feed.apply(message(vec![failed], vec![log(1, &text)]));
    assert!(matches!(&events[51], BuildEvent::Done { error: Some(e), .. } if e == "exit code: 1"));
    for digest in [None, Some("sha256:1")] {
        let (name, lines) = feed.step(digest).unwrap();
        assert_eq!((name.as_str(), lines.len()), ("RUN make", LAST_LINES));
        assert_eq!(lines.last().unwrap(), "line 49 ***");
    }
}

#[test]
fn only_progress_that_moved_is_told() {
    let mut feed = Feed::new(Redactor::default());
    let status = |current, timestamp| VertexStatus {
        id: "sha256:layer".to_owned(),
        vertex: "sha256:1".to_owned(),
        current,
        total: 10,
        timestamp: at(timestamp),
        ..VertexStatus::default()
    };
    let mut tell = |current, timestamp| {
        let statuses = vec![status(current, timestamp)];
        feed.apply(StatusResponse {
            statuses,
            ..StatusResponse::default()
        })
        .len()
    };
    assert_eq!(
        [tell(1, 1), tell(5, 2), tell(5, 3), tell(1, 1)],
        [1, 1, 0, 0]
    );
}

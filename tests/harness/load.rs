//! A steady stream of requests against one host, on a thread of its own, so that nothing a test
//! does meanwhile slows it down.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    Answer, get_with,
    web::{client, fresh_client},
};

/// Which connections the requests use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// A new one for every request.
    Fresh,
    /// As few as will do, used again and again.
    Kept,
}

/// What came of the requests so far.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Those that were answered with 200, by the message in the answer.
    pub answered: BTreeMap<String, Answered>,
    /// All others.
    pub failed: Vec<Failed>,
}

/// A request that was not answered with 200.
#[derive(Debug, Clone)]
pub struct Failed {
    /// When it was asked.
    pub asked: Duration,
    /// What came instead.
    pub answer: String,
}

/// Requests that were answered by one version.
#[derive(Debug, Clone, Default)]
pub struct Answered {
    /// How many.
    pub count: usize,
    /// When the first of them was asked.
    pub first: Duration,
    /// When the last of them was asked.
    pub last: Duration,
}

impl Tally {
    /// How many there were.
    pub fn total(&self) -> usize {
        let answered = self.answered.values().map(|answered| answered.count);
        self.failed.len() + answered.sum::<usize>()
    }

    /// What failed, a line for each stretch of the same answer.
    pub fn failures(&self) -> String {
        let same = |a: &Failed, b: &Failed| a.answer == b.answer;
        let line = |stretch: &[Failed]| {
            let (Some(first), Some(last)) = (stretch.first(), stretch.last()) else {
                return String::new();
            };
            let seconds = |one: &Failed| one.asked.as_secs_f64();
            let (begun, ended) = (seconds(first), seconds(last));
            let (times, answer) = (stretch.len(), first.answer.trim());
            format!("{begun:.3} to {ended:.3} s, {times} times: {answer}\n")
        };
        self.failed.chunk_by(same).map(line).collect()
    }
}

/// Requests that go on until this is stopped.
pub struct Load {
    tally: Arc<Mutex<Tally>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Starts to ask for `/`, so many times a second, however long the answers take.
    pub fn start(host: &str, per_second: u32, connections: Connections) -> Load {
        Load::of_path(host, "/", per_second, connections)
    }

    /// The same for another path. What is no JSON with a `message` is told as `?`.
    pub fn of_path(host: &str, path: &str, per_second: u32, connections: Connections) -> Load {
        let (tally, stop) = (Arc::<Mutex<Tally>>::default(), Arc::<AtomicBool>::default());
        let asking = ask(
            (host.to_owned(), path.to_owned()),
            per_second,
            connections,
            tally.clone(),
            stop.clone(),
        );
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(asking);
        });
        Load {
            tally,
            stop,
            thread: Some(thread),
        }
    }

    /// What came so far.
    pub fn so_far(&self) -> Tally {
        lock(&self.tally).clone()
    }

    /// Stops asking, and waits for the answers that are still to come.
    ///
    /// # Panics
    /// When the thread did.
    pub fn stop(mut self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the requests");
        }
        self.so_far()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

async fn ask(
    (host, path): (String, String),
    per_second: u32,
    connections: Connections,
    tally: Arc<Mutex<Tally>>,
    stop: Arc<AtomicBool>,
) {
    let client = match connections {
        Connections::Fresh => fresh_client(),
        Connections::Kept => client(),
    };
    let start = Instant::now();
    let mut ticks = interval(Duration::from_secs(1) / per_second);
    // What was late is asked for all the same: so many a second, whatever else runs on the machine.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut requests = JoinSet::new();
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let (client, tally) = (client.clone(), tally.clone());
        let (host, path) = (host.clone(), path.clone());
        requests.spawn(async move {
            let asked = start.elapsed();
            let answer = get_with(&client, &host, &path).await;
            note(&mut lock(&tally), asked, &answer);
        });
        while requests.try_join_next().is_some() {}
    }
    requests.join_all().await;
}

fn note(tally: &mut Tally, asked: Duration, answer: &Answer) {
    if answer.status == 200 {
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let message = body["message"].as_str().unwrap_or("?").to_owned();
        let first = Answered {
            first: asked,
            ..Answered::default()
        };
        let answered = tally.answered.entry(message).or_insert(first);
        answered.count += 1;
        answered.last = answered.last.max(asked);
    } else {
        let Answer { status, body, .. } = answer;
        let answer = format!("{status} {body}");
        tally.failed.push(Failed { asked, answer });
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Following a log until its end, over broken connections and restarts of the platform.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::api::{LogLine, Release};

use super::client::{Ask, Client};
use super::failure::Failure;
use super::lines::{Broken, Lines};
use super::seen::Seen;
use super::ui::Ui;

/// So long the platform may be out of reach before a follower gives up.
const GIVE_UP: Duration = Duration::from_secs(300);
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How far a pods' log is read back after a broken connection.
const READ_BACK: &str = "1000";

/// Tells the lines of a log, each once.
pub struct Follower<'a, T> {
    client: &'a Client,
    ui: &'a mut Ui,
    tell: T,
    seen: Seen,
    patience: Patience,
}

impl<'a, T: FnMut(&mut Ui, &LogLine) -> Result<(), Failure>> Follower<'a, T> {
    /// A follower that has told nothing yet.
    pub fn new(client: &'a Client, ui: &'a mut Ui, tell: T) -> Self {
        let (seen, patience) = (Seen::default(), Patience::default());
        Self {
            client,
            ui,
            tell,
            seen,
            patience,
        }
    }

    /// Counts a line as told, so that it is not told again.
    pub fn skip(&mut self, line: &LogLine) {
        self.seen.is_new(line);
    }

    /// Tells a release's log until the release has ended, and gives it back as it ended.
    pub async fn release(&mut self, release: &Release) -> Result<Release, Failure> {
        let id = release.id.to_string();
        let log = ["releases", &id, "log"];
        let following = [("follow", "true".to_owned())];
        loop {
            let told = self
                .stream(
                    Ask {
                        path: &log,
                        query: &following,
                    },
                    None,
                )
                .await;
            let broke = self.endurable(told)?;
            let now = Ask {
                path: &["releases", &id],
                query: &[],
            };
            let now: Result<Release, Failure> = self.client.get(now).await;
            match now {
                Ok(now) if now.state.ended() => {
                    if broke {
                        self.stream(
                            Ask {
                                path: &log,
                                query: &[],
                            },
                            None,
                        )
                        .await?;
                    }
                    return Ok(now);
                }
                Ok(_) => self.patience.reached(),
                Err(failure) => {
                    self.endurable(Err(failure))?;
                }
            }
            self.patience.pause().await;
        }
    }

    /// Tells what pods say until something speaks against it; by itself that has no end. A platform
    /// that cannot be reached to begin with is not waited for.
    pub async fn pods(&mut self, path: &[&str], query: &[(&str, String)]) -> Result<(), Failure> {
        let started = self.ui.now();
        let lines = self.client.lines(Ask { path, query }).await?;
        let told = self.told(lines, None).await;
        self.endurable(told)?;
        let others = query.iter().filter(|(name, _)| *name != "tail").cloned();
        let query: Vec<_> = others.chain([("tail", READ_BACK.to_owned())]).collect();
        loop {
            self.patience.pause().await;
            let ask = Ask {
                path,
                query: &query,
            };
            let told = self.stream(ask, Some(started)).await;
            self.endurable(told)?;
        }
    }

    /// Tells one stream to its end, but for lines that were told before, or are older than `since`.
    async fn stream(&mut self, ask: Ask<'_>, since: Option<Timestamp>) -> Result<(), Failure> {
        let lines = self.client.lines(ask).await?;
        self.told(lines, since).await
    }

    async fn told(&mut self, mut lines: Lines, since: Option<Timestamp>) -> Result<(), Failure> {
        self.patience.reached();
        self.seen.rewind();
        while let Some(line) = lines.next().await.map_err(broken)? {
            let old = since.is_some_and(|since| line.at < since);
            if self.seen.is_new(&line) && !old {
                self.patience.progress();
                (self.tell)(self.ui, &line)?;
            }
        }
        Ok(())
    }

    /// Whether the stream broke; failures that waiting will not mend are given back.
    fn endurable(&mut self, told: Result<(), Failure>) -> Result<bool, Failure> {
        let Err(failure) = told else {
            return Ok(false);
        };
        if !failure.temporary || self.patience.is_over() {
            return Err(failure);
        }
        if failure.code != QUIET && self.patience.first_trouble() {
            let why = failure.causes.last().unwrap_or(&failure.message);
            self.ui
                .note(format_args!("the connection is lost ({why}); trying again"));
        }
        Ok(true)
    }
}

/// Gives up following on Ctrl-C.
pub async fn until_interrupted<T>(
    following: impl Future<Output = Result<T, Failure>>,
) -> Option<Result<T, Failure>> {
    tokio::select! {
        ended = following => Some(ended),
        Ok(()) = tokio::signal::ctrl_c() => None,
    }
}

const QUIET: &str = "quiet";

fn broken(broken: Broken) -> Failure {
    let code = if matches!(broken, Broken::Idle(_)) {
        QUIET
    } else {
        "broken"
    };
    Failure::failed(code, broken.to_string()).temporary(true)
}

/// How long to wait before the next attempt, and when to give up.
#[derive(Debug)]
struct Patience {
    pause: Duration,
    trouble_since: Option<Instant>,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            pause: SHORTEST_PAUSE,
            trouble_since: None,
        }
    }
}

impl Patience {
    fn reached(&mut self) {
        self.trouble_since = None;
    }

    fn progress(&mut self) {
        self.pause = SHORTEST_PAUSE;
    }

    fn first_trouble(&mut self) -> bool {
        let first = self.trouble_since.is_none();
        self.trouble_since.get_or_insert_with(Instant::now);
        first
    }

    fn is_over(&self) -> bool {
        self.trouble_since
            .is_some_and(|since| since.elapsed() > GIVE_UP)
    }

    async fn pause(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

//! Following a log until its end, over broken connections and restarts of the platform.

use jiff::Timestamp;

use crate::api::{LogLine, Release};

use super::client::{Ask, Client};
use super::failure::Failure;
use super::lines::{Broken, Lines};
use super::patience::{Patience, QUIET};
use super::seen::Seen;
use super::ui::Ui;

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
        match told {
            Ok(()) => Ok(false),
            Err(failure) => self.patience.endure(self.ui, failure).map(|()| true),
        }
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

fn broken(broken: Broken) -> Failure {
    let code = if matches!(broken, Broken::Idle(_)) {
        QUIET
    } else {
        "broken"
    };
    Failure::failed(code, broken.to_string()).temporary(true)
}

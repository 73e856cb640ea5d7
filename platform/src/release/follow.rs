//! Following a release: its steps, and the lines of its builds and release commands, as they happen,
//! in one stream.

use std::{collections::BTreeMap, time::Duration};

use futures::{Stream, stream};
use iterapp_schema::ApplingName;
use uuid::Uuid;

use crate::{
    api::LogLine,
    db::{self, releases::Release},
    nudge,
    platform::Platform,
};

/// Lines that are read from one stream at once.
const BATCH: i64 = 1_000;
/// How long a lost nudge delays a line.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

struct Follower {
    platform: Platform,
    release: Uuid,
    follow: bool,
    nudged: nudge::Subscription,
    /// Last line read, by stream.
    cursors: BTreeMap<Uuid, i64>,
    ended: bool,
}

/// The lines of a release so far, in batches; with `follow` also those to come, until it has ended.
pub fn follow(
    platform: &Platform,
    release: Uuid,
    follow: bool,
) -> impl Stream<Item = anyhow::Result<Vec<LogLine>>> + use<> {
    let follower = Follower {
        nudged: platform.nudges.subscribe(nudge::LOG),
        platform: platform.clone(),
        release,
        follow,
        cursors: BTreeMap::new(),
        ended: false,
    };
    stream::try_unfold(follower, |mut follower| async move {
        let lines = follower.next().await?;
        Ok(lines.map(|lines| (lines, follower)))
    })
}

impl Follower {
    async fn next(&mut self) -> anyhow::Result<Option<Vec<LogLine>>> {
        while !self.ended {
            // Looked at before the lines are read: a release's last line comes with its end.
            let Some(release) = db::releases::find(&self.platform.db, self.release).await? else {
                return Ok(None);
            };
            let lines = self.read(&release).await?;
            if lines.is_empty() {
                self.ended = !self.follow || release.ended_at.is_some();
                if !self.ended {
                    let (nudged, cursors) = (&mut self.nudged, &self.cursors);
                    nudged
                        .wait(LONGEST_WAIT, |payload| {
                            payload
                                .parse()
                                .is_ok_and(|id: Uuid| cursors.contains_key(&id))
                        })
                        .await;
                }
            } else {
                return Ok(Some(lines));
            }
        }
        Ok(None)
    }

    async fn read(&mut self, release: &Release) -> anyhow::Result<Vec<LogLine>> {
        let mut lines = Vec::new();
        for (stream, source) in self.streams(release).await? {
            let cursor = self.cursors.entry(stream).or_insert(0);
            for line in db::log_lines::after(&self.platform.db, stream, *cursor, BATCH).await? {
                *cursor = line.seq;
                let appling = line.appling.and_then(|name| ApplingName::parse(&name).ok());
                lines.push(LogLine {
                    at: line.at,
                    appling,
                    source: source.to_owned(),
                    pod: None,
                    text: line.text,
                });
            }
        }
        lines.sort_by_key(|line| line.at);
        Ok(lines)
    }

    async fn streams(&self, release: &Release) -> anyhow::Result<Vec<(Uuid, &'static str)>> {
        let verdicts = db::verdicts::of_release(&self.platform.db, release.id).await?;
        // An image that stayed was built, and told of, by an earlier release.
        let builds = verdicts
            .iter()
            .filter(|verdict| verdict.spec.commit == release.commit)
            .filter_map(|verdict| verdict.build)
            .map(|build| (build, "build"));
        let commands = verdicts
            .iter()
            .filter_map(|verdict| verdict.command.as_ref())
            .map(|command| (command.stream, "command"));
        Ok(std::iter::once((release.id, "release"))
            .chain(builds)
            .chain(commands)
            .collect())
    }
}

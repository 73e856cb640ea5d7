//! What git's hook hands over when a push is stored, and what the pusher reads in return.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use iterapp_schema::AppName;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Answer, Server, apps, auth};
use crate::{
    api::{ApplingState, LogLine, ReleaseState},
    db::{self, pushes::Push},
    nudge,
    platform::Platform,
    release::follow,
    tokens,
};

/// How long a pusher is told of a release.
const TELLING: Duration = Duration::from_secs(3600);
/// How long until a push is read.
const READING: Duration = Duration::from_secs(60);
/// How long a lost nudge delays a line.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// `POST /internal/received/{app}`: lines `OLD NEW REF` as git's post-receive hook gets them.
pub async fn received(
    State(server): State<Server>,
    Path(app): Path<String>,
    headers: HeaderMap,
    changes: String,
) -> Answer<Response> {
    if !auth::bearer_token(&headers).is_some_and(|token| tokens::same(token, &server.hook.token)) {
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    }
    let (platform, stop) = (server.platform, server.stop);
    let app = apps::find(&platform, &app).await?.name;
    let mut pushes = Vec::new();
    for branch in pushed_branches(&changes) {
        if let Some(push) = db::pushes::insert(&platform.db, &app, "push", None, &branch).await? {
            pushes.push(push);
        }
    }
    let (lines, to_pusher) = mpsc::channel(64);
    // When the pusher goes away the channel closes, and with it the telling, not the release.
    tokio::spawn(tell(platform, app, pushes, lines, stop));
    let body = ReceiverStream::new(to_pusher)
        .map(|line: String| Ok::<_, Infallible>(Bytes::from(line + "\n")));
    Ok(Body::from_stream(body).into_response())
}

/// Branches that were made or moved; deleted ones and tags release nothing.
fn pushed_branches(changes: &str) -> Vec<String> {
    let changed = changes.lines().filter_map(|line| {
        let mut words = line.splitn(3, ' ');
        let (_old, new, reference) = (words.next()?, words.next()?, words.next()?);
        let gone = new.bytes().all(|digit| digit == b'0');
        reference
            .strip_prefix("refs/heads/")
            .filter(|_| !gone)
            .map(str::to_owned)
    });
    changed.collect()
}

/// The pusher is gone.
struct Gone;

impl<T> From<mpsc::error::SendError<T>> for Gone {
    fn from(_: mpsc::error::SendError<T>) -> Gone {
        Gone
    }
}

async fn tell(
    platform: Platform,
    app: AppName,
    pushes: Vec<Uuid>,
    lines: mpsc::Sender<String>,
    stop: CancellationToken,
) {
    for push in pushes {
        let told = tokio::select! {
            told = tell_push(&platform, &app, push, &lines) => told,
            () = lines.closed() => return,
            () = stop.cancelled() => {
                // The pusher may be gone as well.
                let _ = lines.send(restarting(&app)).await;
                return;
            }
        };
        match told {
            Ok(Ok(())) => {}
            Ok(Err(Gone)) => return,
            Err(error) => {
                tracing::warn!(%app, error = format!("{error:#}"), "a pusher could not be told")
            }
        }
    }
}

fn restarting(app: &AppName) -> String {
    format!(
        "The platform is being restarted; the release goes on. To follow it: hops status -a {app}"
    )
}

async fn tell_push(
    platform: &Platform,
    app: &AppName,
    id: Uuid,
    lines: &mpsc::Sender<String>,
) -> anyhow::Result<Result<(), Gone>> {
    let Some(push) = settled(platform, id).await? else {
        let late = format!(
            "The push is stored; its release will start soon. To see it: hops status -a {app}"
        );
        return Ok(lines.send(late).await.map_err(Gone::from));
    };
    let Some(release) = push.release else {
        let outcome = push.outcome.unwrap_or_else(|| "stored".to_owned());
        return Ok(lines
            .send(format!("{}: {outcome}", push.branch))
            .await
            .map_err(Gone::from));
    };
    tell_release(platform, release, lines).await
}

/// Waits until the push was read.
async fn settled(platform: &Platform, id: Uuid) -> anyhow::Result<Option<Push>> {
    let mut nudged = platform.nudges.subscribe(nudge::LOG);
    let deadline = Instant::now() + READING;
    while Instant::now() < deadline {
        let push = db::pushes::get(&platform.db, id).await?;
        if push.release.is_some() || push.outcome.is_some() {
            return Ok(Some(push));
        }
        nudged
            .wait(LONGEST_WAIT, |payload| payload.parse() == Ok(id))
            .await;
    }
    Ok(None)
}

async fn tell_release(
    platform: &Platform,
    release: Uuid,
    lines: &mpsc::Sender<String>,
) -> anyhow::Result<Result<(), Gone>> {
    let deadline = Instant::now() + TELLING;
    let mut batches = Box::pin(follow::follow(platform, release, true));
    while let Ok(Some(batch)) = timeout_at(deadline, batches.next()).await {
        for line in batch? {
            if lines.send(shown(&line)).await.is_err() {
                return Ok(Err(Gone));
            }
        }
    }
    Ok(lines
        .send(last_words(platform, release).await?)
        .await
        .map_err(Gone::from))
}

fn shown(line: &LogLine) -> String {
    match (&line.appling, line.source.as_str()) {
        (Some(appling), "build" | "command") => format!("[{appling}] {}", line.text),
        _ => line.text.clone(),
    }
}

async fn last_words(platform: &Platform, id: Uuid) -> anyhow::Result<String> {
    let Some(release) = db::releases::find(&platform.db, id).await? else {
        return Ok(String::new());
    };
    let logs = format!("hops logs -a {} --release {}", release.app, release.number);
    Ok(match release.state {
        ReleaseState::Live => {
            let verdicts = db::verdicts::of_release(&platform.db, id).await?;
            let hosts = verdicts
                .iter()
                .filter(|verdict| verdict.state == ApplingState::Live)
                .filter_map(|verdict| verdict.spec.hosts.first());
            hosts
                .map(|host| format!("    {}", platform.config.app_url(host)))
                .collect::<Vec<_>>()
                .join("\n")
        }
        ReleaseState::Failed => format!("Your push is stored. To see this again: {logs}"),
        ReleaseState::Superseded | ReleaseState::Cancelled => {
            format!("To follow the app: hops status -a {}", release.app)
        }
        ReleaseState::Queued | ReleaseState::Running => {
            format!("The release goes on; to follow it: {logs} --follow")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_branches_that_are_there_count() {
        let zero = "0".repeat(40);
        let one = "1".repeat(40);
        let changes = format!(
            "{zero} {one} refs/heads/main\n{one} {zero} refs/heads/old\n{zero} {one} refs/tags/v1\n{zero} {one} refs/heads/a b\n"
        );
        assert_eq!(pushed_branches(&changes), ["main", "a b"]);
    }
}

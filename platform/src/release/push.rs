//! Reading a push: fetch, look at the default branch's tip, ask for a release.
//!
//! A push is a nudge: what counts is where the branch is now, not what the delivery said.

use anyhow::Context;
use iterapp_schema::AppName;
use uuid::Uuid;

use super::{read_iterapp, request, tell};
use crate::{
    db::{self, apps::App, pushes::Push},
    git::{self, store::CommitInfo},
    lease::{Lease, Next},
    platform::Platform,
};

/// Failures in a row after which a forge that cannot be reached ends the push.
const MAX_ATTEMPTS: i32 = 6;

/// Reads the push that `lease` holds.
///
/// # Errors
/// When Postgres or the git store fails: the push is read again later.
pub async fn read(platform: &Platform, lease: &Lease) -> anyhow::Result<Next> {
    let push = db::pushes::get(&platform.db, lease.id()).await?;
    if push.release.is_some() || push.outcome.is_some() {
        return Ok(Next::Rest);
    }
    let app = db::apps::find(&platform.db, &push.app)
        .await?
        .context("a push of no app")?;
    if let Err(error) = platform.fetch(&app).await {
        return fetch_failed(lease, &push, &error).await;
    }
    match what_to_release(platform, &push).await? {
        Ok(tip) => release(platform, lease, &push, tip).await,
        Err(outcome) => settle(lease, &push, None, Some(&outcome)).await,
    }
}

async fn fetch_failed(lease: &Lease, push: &Push, error: &anyhow::Error) -> anyhow::Result<Next> {
    tracing::warn!(app = %push.app, error = format!("{error:#}"), "fetching failed");
    if lease.attempts() < MAX_ATTEMPTS {
        return Ok(Next::Retry);
    }
    settle(
        lease,
        push,
        None,
        Some(&format!("the repository could not be fetched: {error:#}")),
    )
    .await
}

async fn settle(
    lease: &Lease,
    push: &Push,
    release: Option<Uuid>,
    outcome: Option<&str>,
) -> anyhow::Result<Next> {
    let mut tx = lease.begin().await?;
    db::pushes::settle(&mut tx, push.id, release, outcome).await?;
    tx.commit().await?;
    Ok(Next::Rest)
}

/// The default branch and its tip, or why this push releases nothing.
async fn what_to_release(
    platform: &Platform,
    push: &Push,
) -> anyhow::Result<Result<(String, CommitInfo), String>> {
    let Some(default) = default_branch(platform, &push.app, &push.branch).await? else {
        return Ok(Err("the repository has no branches".to_owned()));
    };
    let branch = default.clone();
    let tip = platform
        .store
        .read(&push.app, move |repository| {
            git::store::branch_tip(repository, &branch)
        })
        .await?;
    Ok(match tip {
        Some(_) if push.branch != default && push.source != "sweep" => {
            Err(tell::other_branch(&push.app, &push.branch, &default))
        }
        Some(tip) => Ok((default, tip)),
        None => Err(format!("the default branch `{default}` does not exist")),
    })
}

/// The app's default branch: what the forge says; without a forge, the first one pushed.
async fn default_branch(
    platform: &Platform,
    app: &AppName,
    pushed: &str,
) -> anyhow::Result<Option<String>> {
    let known = db::apps::find(&platform.db, app)
        .await?
        .and_then(|app| app.default_branch);
    if known.is_some() {
        return Ok(known);
    }
    let branches = platform.store.read(app, git::store::branches).await?;
    let Some(first) = first_default(&branches, pushed) else {
        return Ok(None);
    };
    git::http::set_head(&platform.store, app, &first).await?;
    db::apps::set_default_branch(&platform.db, app, &first).await?;
    Ok(Some(first))
}

/// Several branches may come with the first push: then the usual names go before the one told.
fn first_default(branches: &[String], pushed: &str) -> Option<String> {
    let usual = ["main", "master", pushed];
    usual
        .into_iter()
        .find(|name| branches.iter().any(|branch| branch == name))
        .map(str::to_owned)
        .or_else(|| branches.first().cloned())
}

async fn release(
    platform: &Platform,
    lease: &Lease,
    push: &Push,
    (branch, tip): (String, CommitInfo),
) -> anyhow::Result<Next> {
    let app: App = db::apps::find(&platform.db, &push.app)
        .await?
        .context("a push of no app")?;
    if app.seen_tip.as_ref() == Some(&tip.id) {
        return already_released(platform, lease, push, &tip).await;
    }
    let tree = platform.store.tree(&push.app, &tip.id).await?;
    let request = request::Request {
        id: Uuid::now_v7(),
        app: push.app.clone(),
        environment: read_iterapp::default_environment(&platform.db, &push.app, &tree).await?,
        reference: branch,
        commit: tip,
        cause: push.source.clone(),
    };
    platform
        .store
        .pin(&push.app, request.id, &request.commit.id)
        .await?;
    let mut tx = lease.begin().await?;
    if !db::apps::see_tip(&mut tx, &push.app, &request.commit.id).await? {
        tx.rollback().await?;
        return already_released(platform, lease, push, &request.commit).await;
    }
    let release = request::create(&mut tx, &request).await?;
    db::pushes::settle(&mut tx, push.id, Some(release.id), None).await?;
    tx.commit().await?;
    tracing::info!(app = %push.app, release = release.number, commit = %release.commit, "release asked for by a push");
    Ok(Next::Rest)
}

async fn already_released(
    platform: &Platform,
    lease: &Lease,
    push: &Push,
    tip: &CommitInfo,
) -> anyhow::Result<Next> {
    let release = db::releases::newest_pushed(&platform.db, &push.app, &tip.id)
        .await?
        .map(|release| release.id);
    let outcome = release
        .is_none()
        .then_some("this commit was considered before");
    settle(lease, push, release, outcome).await
}

/// Finds apps whose default branch is somewhere else than what was last considered, and stores a
/// push for them: covers a crash between git's storing of a push and ours.
///
/// # Errors
/// When Postgres or the git store fails.
pub async fn sweep(platform: &Platform) -> anyhow::Result<()> {
    for app in db::apps::all(&platform.db).await? {
        if app.repository.is_some() || db::pushes::any_waiting(&platform.db, &app.name).await? {
            continue;
        }
        let default = app.default_branch.clone();
        let tip = platform
            .store
            .read(&app.name, move |repository| match default {
                Some(branch) => {
                    Ok(git::store::branch_tip(repository, &branch)?.map(|tip| (branch, tip)))
                }
                None => Ok(git::store::branches(repository)?.first().map(|branch| {
                    (
                        branch.clone(),
                        CommitInfo {
                            id: String::new(),
                            subject: String::new(),
                        },
                    )
                })),
            })
            .await?;
        if let Some((branch, tip)) = tip
            && app.seen_tip.as_ref() != Some(&tip.id)
        {
            tracing::info!(app = %app.name, "a pushed commit was not considered yet");
            db::pushes::insert(&platform.db, &app.name, "sweep", None, &branch).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_branch_pushed_becomes_the_default() {
        let names = |list: &[&str]| {
            list.iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            first_default(&names(&["trunk"]), "trunk").as_deref(),
            Some("trunk")
        );
        assert_eq!(
            first_default(&names(&["a", "main"]), "a").as_deref(),
            Some("main")
        );
        assert_eq!(
            first_default(&names(&["a", "b"]), "b").as_deref(),
            Some("b")
        );
        assert_eq!(first_default(&[], "main"), None);
    }
}

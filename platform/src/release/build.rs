//! Building one image: the build that a lease holds, from git's objects to a digest.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use anyhow::Context;
use builder_client::{BuildError, BuildEvent, BuildRequest, Built};
use iterapp_schema::EnvValue;
use secrecy::{ExposeSecret, SecretSlice};
use sqlx::PgPool;
use tokio::{sync::mpsc, time::timeout};

use super::tell;
use crate::{
    db::{
        self,
        builds::{Build, Outcome},
    },
    lease::{FenceError, Lease, Next},
    platform::Platform,
    secrets::open,
};

/// Failures in a row of the platform's own after which a build is given up.
const MAX_ATTEMPTS: i32 = 5;
/// Lines of a build that are kept; a program that prints without end must not fill the database.
const MAX_LINES: usize = 50_000;
/// Lines that are stored at once.
const BATCH: usize = 500;
/// Events that wait for Postgres before the builder is held back.
const WAITING_EVENTS: usize = 2_048;

/// Runs the build that `lease` holds. A lost lease cancels it on the daemon.
///
/// # Errors
/// When Postgres or the git store fails: the build is tried again later.
pub async fn run(platform: &Platform, lease: &Lease) -> anyhow::Result<Next> {
    let build = db::builds::get(&platform.db, lease.id()).await?;
    if build.state != "waiting" {
        return Ok(Next::Rest);
    }
    let request = match request(platform, &build).await? {
        Ok(request) => request,
        Err(reason) => return end(platform, lease, &build, Err(reason)).await,
    };
    let (events, received) = mpsc::channel(WAITING_EVENTS);
    let building = timeout(
        platform.config.build_deadline,
        platform.builder.build(request, events),
    );
    let logging = keep_log(&platform.db, &build, received);
    let result = tokio::select! {
        (built, logged) = async { tokio::join!(building, logging) } => {
            logged?;
            built
        }
        lost = lease.lost() => return Err(FenceError::from(lost).into()),
    };
    match result {
        Ok(Ok(built)) => end(platform, lease, &build, Ok(built)).await,
        Ok(Err(error)) if error.is_retryable() && lease.attempts() < MAX_ATTEMPTS => {
            try_again(platform, lease, &build, &error).await
        }
        Ok(Err(error)) => end(platform, lease, &build, Err(tell::build_failure(&error))).await,
        Err(_) => {
            let minutes = platform.config.build_deadline.as_secs().div_ceil(60);
            end(
                platform,
                lease,
                &build,
                Err(format!(
                    "the build took longer than {minutes} min and was ended"
                )),
            )
            .await
        }
    }
}

/// What is asked of the builder; or why the author's secrets keep it from being asked.
async fn request(
    platform: &Platform,
    build: &Build,
) -> anyhow::Result<Result<BuildRequest, String>> {
    let tree = platform
        .store
        .tree(&build.app, &build.commit)
        .await
        .context("opening the commit")?;
    let settings = &build.settings;
    let secrets = match secrets(platform, build).await? {
        Ok(secrets) => secrets,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut build_args = settings.args.clone();
    build_args.insert("HOPS_GIT_SHA".to_owned(), build.commit.clone());
    Ok(Ok(BuildRequest {
        affinity: format!("{}/{}", build.app, build.appling),
        context: Arc::new(tree),
        dockerfile: settings.dockerfile.clone(),
        build_args,
        target: settings.target.clone(),
        platform: "linux/amd64".to_owned(),
        image: build.image.clone(),
        insecure_registry: platform.config.registry_insecure,
        credentials: platform.registry_auth.all().clone(),
        secrets,
        started: SystemTime::now(),
        no_cache: false,
    }))
}

/// The secrets that the Dockerfile may mount, by id.
async fn secrets(
    platform: &Platform,
    build: &Build,
) -> anyhow::Result<Result<BTreeMap<String, SecretSlice<u8>>, String>> {
    let asked = &build.settings.secrets;
    let (opened, shut) =
        open::open(platform, &build.app, build.environment, asked.values()).await?;
    if let Some(shut) = shut.first() {
        return Ok(Err(format!("a build secret {}", shut.reason)));
    }
    let value = |(id, value): (&String, &EnvValue)| {
        let opened = opened.get(value)?;
        let bytes = opened.value.expose_secret().as_bytes().to_vec();
        Some((id.clone(), bytes.into()))
    };
    Ok(Ok(asked.iter().filter_map(value).collect()))
}

/// Stores what the builder tells, in its order and in batches; ends when the builder has ended.
async fn keep_log(
    db: &PgPool,
    build: &Build,
    mut events: mpsc::Receiver<BuildEvent>,
) -> sqlx::Result<()> {
    let mut kept = 0;
    let mut worded = tell::BuildLog::default();
    let mut batch = Vec::with_capacity(BATCH);
    while events.recv_many(&mut batch, BATCH).await > 0 {
        let mut lines: Vec<String> = batch
            .drain(..)
            .filter_map(|event| worded.line(&event))
            .collect();
        if kept > MAX_LINES {
            continue;
        }
        kept += lines.len();
        if kept > MAX_LINES {
            lines.push(format!("the log is cut here: more than {MAX_LINES} lines"));
        }
        db::log_lines::append(
            &mut *db.acquire().await?,
            build.id,
            Some(build.appling.as_ref()),
            &lines,
        )
        .await?;
    }
    Ok(())
}

async fn try_again(
    platform: &Platform,
    lease: &Lease,
    build: &Build,
    error: &BuildError,
) -> anyhow::Result<Next> {
    tracing::warn!(app = %build.app, appling = %build.appling, attempt = lease.attempts(), %error, "a build failed and is tried again");
    let line = format!("the builder is not well, trying again: {error}");
    db::log_lines::append(
        &mut *platform.db.acquire().await?,
        build.id,
        Some(build.appling.as_ref()),
        &[line],
    )
    .await?;
    Ok(Next::Retry)
}

async fn end(
    platform: &Platform,
    lease: &Lease,
    build: &Build,
    result: Result<Built, String>,
) -> anyhow::Result<Next> {
    let outcome = match &result {
        Ok(built) => Outcome::Done(&built.digest),
        Err(reason) => Outcome::Failed(reason),
    };
    let mut tx = lease.begin().await?;
    db::builds::end(&mut tx, build.id, outcome).await?;
    tx.commit().await?;
    db::builds::nudge_waiting(&platform.db, build.id).await?;
    Ok(Next::Rest)
}

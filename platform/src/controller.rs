//! The controller: the loops that do the work. Any number of controllers may run; what is due is
//! shared out among them by leases.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::{
    sync::{Semaphore, mpsc},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    database::{backup, grants},
    db,
    lease::{FenceError, Lease, Next, Work},
    nudge,
    platform::Platform,
    release,
    rollout::resync,
};

/// How long due work may lie when its nudge was lost.
const POLL: Duration = Duration::from_secs(1);
/// How often the branches' tips are compared with what was released.
const SWEEP: Duration = Duration::from_secs(30);
/// Pushes read at the same time.
const PUSHES: usize = 8;
/// Environments looked at at the same time.
const ENVIRONMENTS: usize = 16;
/// Backups taken or proved at the same time, and backups restored: they are the servers' load.
const BACKUPS: usize = 2;
/// Changed environments that wait to be nudged.
const CHANGES: usize = 1_024;

/// Runs the loops until `stop`; then lets go of what is claimed, so that others go on at once.
pub async fn run(platform: Platform, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    let builds = platform.config.build_concurrency.max(1);
    tasks.spawn(work(platform.clone(), Work::Pushes, PUSHES, stop.clone()));
    tasks.spawn(work(platform.clone(), Work::Builds, builds, stop.clone()));
    tasks.spawn(work(
        platform.clone(),
        Work::Environments,
        ENVIRONMENTS,
        stop.clone(),
    ));
    tasks.spawn(work(platform.clone(), Work::Backups, BACKUPS, stop.clone()));
    tasks.spawn(work(
        platform.clone(),
        Work::Restores,
        BACKUPS,
        stop.clone(),
    ));
    let timers = stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = timers.cancelled() => {}
            () = resync(platform.clone()) => {}
            () = sweep(platform.clone()) => {}
            () = keep_backups(platform.clone()) => {}
            () = end_grants(platform) => {}
        }
    });
    tasks.close();
    tasks.wait().await;
}

/// One kind of work: claims what is due as long as there is room, and waits for nudges.
async fn work(platform: Platform, work: Work, at_once: usize, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(at_once));
    let running = TaskTracker::new();
    let mut nudged = platform.nudges.subscribe(nudge::WORK);
    while !stop.is_cancelled() {
        let Ok(permit) = room.clone().acquire_owned().await else {
            break;
        };
        match work.claim(&platform.db).await {
            Ok(Some(lease)) => {
                let (platform, stop) = (platform.clone(), stop.clone());
                running.spawn(async move {
                    handle(&platform, work, lease, stop).await;
                    drop(permit);
                });
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(work = work.table(), %error, "looking for work failed"),
        }
        drop(permit);
        tokio::select! {
            () = nudged.wait(POLL, |table| table == work.table()) => {}
            () = stop.cancelled() => {}
        }
    }
    running.close();
    running.wait().await;
}

async fn handle(platform: &Platform, work: Work, lease: Lease, stop: CancellationToken) {
    let doing: BoxFuture<'_, anyhow::Result<Next>> = match work {
        Work::Pushes => Box::pin(release::push::read(platform, &lease)),
        Work::Builds => Box::pin(release::build::run(platform, &lease)),
        Work::Environments => Box::pin(release::roll_out::pass(platform, &lease)),
        Work::Backups => Box::pin(backup::work(platform, &lease)),
        Work::Restores => Box::pin(backup::restore::work(platform, &lease)),
    };
    let next = tokio::select! {
        done = doing => done.unwrap_or_else(|error| unsuccessful(work, &lease, &error)),
        () = stop.cancelled() => Next::After(Duration::ZERO),
    };
    if let Err(error) = lease.give_back(next).await {
        tracing::warn!(work = work.table(), %error, "a claim could not be given back; it runs out by itself");
    }
}

fn unsuccessful(work: Work, lease: &Lease, error: &anyhow::Error) -> Next {
    if matches!(error.downcast_ref(), Some(FenceError::Lost(_))) {
        tracing::info!(work = work.table(), id = %lease.id(), "stopped: cancelled, or another controller took over");
    } else {
        tracing::error!(work = work.table(), id = %lease.id(), error = format!("{error:#}"), "work failed and is tried again");
    }
    Next::Retry
}

/// Makes environments due whose objects changed in Kubernetes.
async fn resync(platform: Platform) {
    let (changed, mut changes) = mpsc::channel(CHANGES);
    let watching = resync::watch(platform.cluster.clone(), changed);
    let nudging = async {
        while let Some((app, environment)) = changes.recv().await {
            if let Err(error) = db::environments::nudge(&platform.db, &app, environment).await {
                tracing::warn!(%app, %environment, %error, "a changed environment could not be nudged");
            }
        }
    };
    tokio::join!(watching, nudging);
}

async fn sweep(platform: Platform) {
    loop {
        if let Err(error) = release::push::sweep(&platform).await {
            tracing::warn!(
                error = format!("{error:#}"),
                "comparing branches with releases failed"
            );
        }
        sleep(SWEEP).await;
    }
}

/// Backups on a schedule, and the end of those that were kept for long enough.
async fn keep_backups(platform: Platform) {
    loop {
        if let Err(error) = backup::schedule::look(&platform).await {
            tracing::warn!(error = format!("{error:#}"), "looking after backups failed");
        }
        sleep(backup::schedule::EVERY).await;
    }
}

/// The end of people's logins whose time is over.
async fn end_grants(platform: Platform) {
    loop {
        if let Err(error) = grants::look(&platform).await {
            tracing::warn!(error = format!("{error:#}"), "looking after logins failed");
        }
        sleep(grants::EVERY).await;
    }
}

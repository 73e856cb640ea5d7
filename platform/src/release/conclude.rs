//! How a pass ends: the release with it once every appling has its verdict, and otherwise with when to
//! look again.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{Postgres, Transaction};

use super::{
    gathered::gather,
    record::{begin, say},
    tell,
};
use crate::{
    api::{ApplingState, ReleaseState},
    db::{self, releases::Release, verdicts::Verdict},
    lease::{Lease, Next},
    platform::Platform,
};

/// How often an environment is looked at while nothing is going on.
const CALM: Duration = Duration::from_secs(60);
/// How often while a release cannot begin; one that was asked for meanwhile nudges.
const QUEUED: Duration = Duration::from_secs(1);
/// How often while images are being built; a build that ends nudges.
const BUILDING: Duration = Duration::from_secs(5);
/// How often while a release command runs, whose lines are read then.
const RELEASING: Duration = Duration::from_secs(1);
/// How often while a candidate is on trial; a pod that changes nudges.
const ON_TRIAL: Duration = Duration::from_secs(1);

/// Ends the release once every appling has its verdict, and says when to look again.
pub(super) async fn conclude(platform: &Platform, lease: &Lease) -> anyhow::Result<Next> {
    let gathered = gather(platform, lease).await?;
    // A superseded release's command is looked after like any other.
    let commands_run = !gathered.running_commands.is_empty();
    let at_most = |wait| if commands_run { RELEASING } else { wait };
    let Some((release, verdicts)) = &gathered.release else {
        return Ok(Next::After(at_most(CALM)));
    };
    let in_state = |state| verdicts.iter().any(|verdict| verdict.state == state);
    if release.state == ReleaseState::Queued {
        return Ok(Next::After(QUEUED));
    }
    if in_state(ApplingState::RollingOut) {
        return Ok(Next::After(ON_TRIAL));
    }
    if in_state(ApplingState::Releasing) {
        return Ok(Next::After(RELEASING));
    }
    if in_state(ApplingState::Building) {
        return Ok(Next::After(at_most(BUILDING)));
    }
    end(lease, release, verdicts, &gathered.good).await?;
    // Failed candidates are taken back, and removed applings taken down, by the next pass.
    Ok(Next::After(Duration::ZERO))
}

async fn end(
    lease: &Lease,
    release: &Release,
    verdicts: &[Verdict],
    good: &[Verdict],
) -> anyhow::Result<()> {
    let failed: Vec<&Verdict> = verdicts
        .iter()
        .filter(|verdict| verdict.state == ApplingState::Failed)
        .collect();
    let Some(mut tx) = begin(lease, release).await? else {
        return Ok(());
    };
    if failed.is_empty() {
        for gone in good.iter().filter(|verdict| {
            release
                .removes
                .iter()
                .any(|name| name == verdict.appling.as_ref())
        }) {
            db::verdicts::remove(&mut tx, release.id, gone).await?;
            say(
                &mut tx,
                release.id,
                Some(&gone.appling),
                &tell::removed(&gone.appling),
            )
            .await?;
        }
        release_hosts(&mut tx, release, verdicts).await?;
        say(&mut tx, release.id, None, &tell::release_live(release)).await?;
        db::releases::end(&mut tx, release.id, true, None).await?;
    } else {
        let reason = tell::failed_reason(&failed, verdicts.len());
        say(
            &mut tx,
            release.id,
            None,
            &tell::release_failed_partly(release, &failed, verdicts.len()),
        )
        .await?;
        db::releases::end(&mut tx, release.id, false, Some(&reason)).await?;
    }
    tx.commit().await?;
    let seconds = Timestamp::now()
        .duration_since(release.created_at)
        .as_secs_f64();
    tracing::info!(app = %release.app, environment = %release.environment, release = release.number, failed = failed.len(), seconds, "release ended");
    Ok(())
}

/// Hosts that the app's newest live release in prod does not name any more are free again.
async fn release_hosts(
    tx: &mut Transaction<'_, Postgres>,
    release: &Release,
    verdicts: &[Verdict],
) -> sqlx::Result<()> {
    if release.environment != iterapp_schema::Environment::Prod {
        return Ok(());
    }
    let kept: Vec<String> = verdicts
        .iter()
        .flat_map(|verdict| verdict.spec.claims())
        .collect();
    db::hosts::release_others(tx, &release.app, &kept).await
}

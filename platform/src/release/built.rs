//! What becomes of applings once their builds have ended.

use anyhow::Context;

use super::{
    command,
    gathered::Gathered,
    record::{begin, fail, say},
    tell,
};
use crate::{
    api::ApplingState,
    db::{self, builds::Build, releases::Release, verdicts::Verdict},
    lease::Lease,
    platform::Platform,
};

/// Moves applings on whose builds have ended; `false` when there were none.
pub(super) async fn take_built(
    platform: &Platform,
    lease: &Lease,
    gathered: &Gathered,
) -> anyhow::Result<bool> {
    let mut taken = false;
    for (release, verdict) in gathered.in_state(ApplingState::Building) {
        let id = verdict.build.context("a verdict that waits for no build")?;
        let build = db::builds::get(&platform.db, id).await?;
        if build.state != "waiting" {
            take(lease, gathered, release, verdict, &build).await?;
            taken = true;
        }
    }
    Ok(taken)
}

async fn take(
    lease: &Lease,
    gathered: &Gathered,
    release: &Release,
    verdict: &Verdict,
    build: &Build,
) -> anyhow::Result<()> {
    let name = &verdict.appling;
    let Some(mut tx) = begin(lease, release).await? else {
        return Ok(());
    };
    match (build.image_by_digest(), &build.reason) {
        (Some(image), _) => {
            let releasing = command::must_wait(gathered, release.id, &verdict.spec);
            db::verdicts::set_image(&mut tx, release.id, name, &image, releasing).await?;
            say(&mut tx, release.id, Some(name), &tell::built(name, build)).await?;
        }
        (None, Some(reason)) => fail(&mut tx, release, name, reason).await?,
        // Cancelled when another release ended that wanted it too: once more, for this one.
        (None, None) => {
            let again = db::builds::find_or_create(&mut tx, build.wanted()).await?;
            db::verdicts::set_build(&mut tx, release.id, name, again).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

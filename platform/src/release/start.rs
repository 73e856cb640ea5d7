//! How a queued release starts: its `iterapp.toml` is read, its databases are made, and its plan is
//! written down. Or it fails there, before anything is built.

use anyhow::Context;
use iterapp_schema::ApplingName;
use jiff::Timestamp;

use super::{
    command,
    gathered::Gathered,
    keep,
    plan::{self, Kept, Places, Plan, Planned},
    read_iterapp,
    record::{begin, say},
    tell,
};
use crate::{
    api::ReleaseState,
    database::environment::{self as databases, NotMade},
    db::{self, releases::Release},
    lease::Lease,
    platform::Platform,
};

/// Reads `iterapp.toml` of a release that is still queued; `false` when there is none.
pub(super) async fn read_queued(
    platform: &Platform,
    lease: &Lease,
    gathered: &Gathered,
) -> anyhow::Result<bool> {
    let Some((release, _)) = gathered
        .release
        .as_ref()
        .filter(|(release, _)| release.state == ReleaseState::Queued)
    else {
        return Ok(false);
    };
    let tree = platform
        .store
        .tree(&release.app, &release.commit)
        .await
        .context("opening the commit")?;
    let app = release.app.clone();
    let read = tokio::task::spawn_blocking(move || read_iterapp::read(&app, &tree)).await??;
    let read = match read {
        Ok(read) => read,
        Err(mistakes) => return fail_release(lease, release, &mistakes.0).await,
    };
    let opened =
        read_iterapp::open_secrets(platform, &release.app, release.environment, &read).await?;
    if let Err(mistakes) = opened {
        return fail_release(lease, release, &mistakes.0).await;
    }
    let read_iterapp::Read { iterapp, notes, .. } = read;
    let running: Vec<ApplingName> = gathered
        .good
        .iter()
        .map(|verdict| verdict.appling.clone())
        .collect();
    let places = Places {
        domain: &platform.config.domain,
        registry: &platform.config.registry,
    };
    match plan::plan(
        &release.app,
        release.environment,
        &iterapp,
        &release.commit,
        &running,
        places,
    ) {
        Ok(mut plan) => {
            if let Some(told) = make_databases(platform, lease, gathered, release, &plan).await? {
                return Ok(told);
            }
            let (app, commit) = (&release.app, &release.commit);
            keep::keep(platform, app, commit, &gathered.good, &mut plan).await?;
            start(lease, gathered, release, &plan, &notes).await
        }
        Err(error) => fail_release(lease, release, &error.to_string()).await,
    }
}

/// Makes the databases that a plan wants, before anything is built. When they cannot be had: whether the
/// release has ended by that, or is to be read again while the rest of the environment is looked after.
async fn make_databases(
    platform: &Platform,
    lease: &Lease,
    gathered: &Gathered,
    release: &Release,
    plan: &Plan,
) -> anyhow::Result<Option<bool>> {
    let place = databases::Place {
        app: &release.app,
        environment: release.environment,
        id: gathered.environment.id,
    };
    let specs: Vec<_> = plan.applings.iter().map(|planned| &planned.spec).collect();
    let waited = Timestamp::now().duration_since(release.created_at);
    let is_patient = waited.unsigned_abs() < platform.config.rollout_deadline;
    let made = tokio::select! {
        made = databases::make(platform, lease, place, &specs) => made,
        lost = lease.lost() => return Err(lost.into()),
    };
    match made {
        Ok(()) => Ok(None),
        Err(NotMade::Failed(error)) => Err(error),
        Err(NotMade::Away(reason)) if is_patient => {
            say_once(platform, lease, release, &tell::no_database_yet(&reason)).await?;
            Ok(Some(false))
        }
        Err(NotMade::Away(reason) | NotMade::Refused(reason)) => {
            fail_release(lease, release, &reason).await.map(Some)
        }
    }
}

/// Says what a queued release waits for, unless that was said.
async fn say_once(
    platform: &Platform,
    lease: &Lease,
    release: &Release,
    text: &str,
) -> anyhow::Result<()> {
    let said = db::log_lines::after(&platform.db, release.id, 0, 100).await?;
    if said.iter().any(|line| line.text == text) {
        return Ok(());
    }
    if let Some(mut tx) = begin(lease, release).await? {
        say(&mut tx, release.id, None, text).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn fail_release(lease: &Lease, release: &Release, reason: &str) -> anyhow::Result<bool> {
    let Some(mut tx) = begin(lease, release).await? else {
        return Ok(true);
    };
    say(
        &mut tx,
        release.id,
        None,
        &tell::release_failed(release, reason),
    )
    .await?;
    db::releases::end(&mut tx, release.id, false, Some(reason)).await?;
    tx.commit().await?;
    Ok(true)
}

/// Writes a plan down: claimed hosts, builds, verdicts to come.
async fn start(
    lease: &Lease,
    gathered: &Gathered,
    release: &Release,
    plan: &Plan,
    notes: &[String],
) -> anyhow::Result<bool> {
    let Some(mut tx) = begin(lease, release).await? else {
        return Ok(true);
    };
    let hosts: Vec<String> = plan
        .applings
        .iter()
        .flat_map(|planned| planned.spec.claims())
        .collect();
    if let Some((host, owner)) = db::hosts::claim(&mut tx, &release.app, &hosts)
        .await?
        .into_iter()
        .next()
    {
        tx.rollback().await?;
        let redirects = plan.applings.iter().flat_map(|p| p.spec.redirects());
        let redirects_to = redirects
            .into_iter()
            .find(|redirect| redirect.from == host)
            .map(|redirect| redirect.to);
        let reason = tell::host_taken(&host, &owner, redirects_to.as_deref());
        return fail_release(lease, release, &reason).await;
    }
    for (position, planned) in plan.applings.iter().enumerate() {
        let Planned { spec, keeps, .. } = planned;
        let build = match keeps {
            Some(kept) => kept.build,
            None => db::builds::find_or_create(&mut tx, build_of(release, planned)).await?,
        };
        db::verdicts::insert(&mut tx, release.id, position, spec, build).await?;
        if let Some(Kept { image, .. }) = keeps {
            let releasing = command::must_wait(gathered, release.id, spec);
            db::verdicts::set_image(&mut tx, release.id, &spec.name, image, releasing).await?;
        }
    }
    db::releases::set_running(&mut tx, release.id, &plan.removes).await?;
    let mut lines = notes.to_vec();
    lines.extend(plan.applings.iter().map(|planned| match planned.keeps {
        Some(_) => tell::kept(&planned.spec.name, &planned.spec.commit),
        None => tell::building(&planned.spec.name),
    }));
    db::log_lines::append(&mut tx, release.id, None, &lines).await?;
    tx.commit().await?;
    Ok(true)
}

fn build_of<'a>(release: &'a Release, planned: &'a Planned) -> db::builds::Wanted<'a> {
    db::builds::Wanted {
        app: &release.app,
        appling: &planned.spec.name,
        commit: &release.commit,
        environment: release.environment,
        settings: &planned.build,
        image: &planned.image,
    }
}

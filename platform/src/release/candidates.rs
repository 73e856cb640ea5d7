//! The versions on trial: what is wanted of the cluster because of them, and what becomes of them.

use builder_client::Redactor;
use iterapp_schema::ApplingName;
use jiff::Timestamp;

use super::{
    gathered::Gathered,
    record::{begin, fail, say},
    spec::{ReleaseCommand, Version, WantedEnvironment},
    tell,
};
use crate::{
    api::ApplingState,
    database::connection::Databases,
    db::{self, environments::EnvironmentRow, releases::Release, verdicts::Verdict},
    lease::Lease,
    platform::Platform,
    rollout::{
        apply::Refusal,
        judge::{Standing, judge},
        observe::observe,
    },
    secrets::open::{self, Opened, Shut, Source},
};

/// The newest good version of each appling, or the candidate on trial; and the release commands.
pub(super) fn wanted(gathered: &Gathered, commands: Vec<ReleaseCommand>) -> WantedEnvironment {
    let candidates: Vec<(ApplingName, Version)> = gathered
        .in_state(ApplingState::RollingOut)
        // What became live a moment ago is good already.
        .filter_map(|(_, verdict)| Some((verdict.appling.clone(), verdict.version()?)))
        .collect();
    let is_candidate =
        |name: &ApplingName| candidates.iter().any(|(candidate, _)| candidate == name);
    let good: Vec<Version> = gathered.good.iter().filter_map(Verdict::version).collect();
    let stays = |version: &&Version| !is_candidate(&version.spec.name);
    let mut versions: Vec<Version> = good
        .iter()
        .filter(stays)
        .cloned()
        .chain(candidates.iter().map(|(_, version)| version.clone()))
        .collect();
    versions.sort_by(|one, other| one.spec.name.cmp(&other.spec.name));
    WantedEnvironment {
        app: gathered.environment.app.clone(),
        environment: gathered.environment.environment,
        versions,
        good,
        commands,
        opened: Opened::default(),
        databases: Databases::default(),
    }
}

/// The secret values of everything that is wanted. A Secret of the namespace that is gone is told by the
/// pods that need it; a sealed value opened when its release began.
pub(super) async fn open_all(
    platform: &Platform,
    wanted: &WantedEnvironment,
) -> anyhow::Result<Opened> {
    let (opened, shut) =
        open::open(platform, &wanted.app, wanted.environment, wanted.values()).await?;
    for Shut { source, reason } in shut {
        match source {
            Source::Sealed(_) => anyhow::bail!("a sealed value of a release {reason}"),
            Source::Named { secret, .. } => {
                tracing::warn!(app = %wanted.app, environment = %wanted.environment, secret, reason, "a secret is missing");
            }
        }
    }
    Ok(opened)
}

/// Watches the candidates, and writes down those that made it or did not.
pub(super) async fn attend(
    platform: &Platform,
    lease: &Lease,
    gathered: &Gathered,
    wanted: &WantedEnvironment,
) -> anyhow::Result<()> {
    let Some((release, _)) = gathered.in_state(ApplingState::RollingOut).next() else {
        return Ok(());
    };
    if gathered
        .in_state(ApplingState::RollingOut)
        .any(|(_, verdict)| verdict.on_trial_since.is_none())
    {
        let mut tx = lease.begin().await?;
        db::verdicts::start_trials(&mut tx, release.id).await?;
        tx.commit().await?;
    }
    let observed = observe(&platform.cluster, wanted).await?;
    let redactor = wanted.redactor();
    for (release, verdict) in gathered.in_state(ApplingState::RollingOut) {
        let (Some(version), Some(seen)) =
            (verdict.version(), observed.applings.get(&verdict.appling))
        else {
            continue;
        };
        let since = verdict.on_trial_since.unwrap_or_else(Timestamp::now);
        let on_trial_for = Timestamp::now().duration_since(since).unsigned_abs();
        let standing = judge(
            &version,
            seen,
            on_trial_for,
            platform.config.rollout_deadline,
        );
        let standing = standing.redacted(&redactor);
        write_down(platform, lease, release, verdict, standing).await?;
    }
    Ok(())
}

async fn write_down(
    platform: &Platform,
    lease: &Lease,
    release: &Release,
    verdict: &Verdict,
    standing: Standing,
) -> anyhow::Result<()> {
    let name = &verdict.appling;
    let Some(mut tx) = begin(lease, release).await? else {
        return Ok(());
    };
    match standing {
        Standing::Ready => {
            if db::verdicts::succeed(&mut tx, release.id, name).await? {
                let urls: Vec<String> = verdict
                    .spec
                    .hosts
                    .iter()
                    .map(|host| platform.config.app_url(host))
                    .collect();
                say(
                    &mut tx,
                    release.id,
                    Some(name),
                    &tell::live(&verdict.spec, &urls),
                )
                .await?;
            }
        }
        Standing::Waiting { why } => {
            if db::verdicts::set_waiting_for(&mut tx, release.id, name, &why).await? {
                say(&mut tx, release.id, Some(name), &tell::waiting(name, &why)).await?;
            }
        }
        Standing::Failed { reason } => {
            fail(&mut tx, release, name, &tell::rollout_failure(&reason)).await?
        }
    }
    tx.commit().await?;
    Ok(())
}

/// Kubernetes will never take some of what is wanted: the candidates concerned have failed. The
/// others are judged by the next pass.
pub(super) async fn refuse(
    lease: &Lease,
    gathered: &Gathered,
    refusals: &[Refusal],
    redactor: &Redactor,
) -> anyhow::Result<()> {
    let mut tx = lease.begin().await?;
    for refusal in refusals {
        let reason = redactor.text(&refusal.reason);
        let concerns = |name: &ApplingName| refusal.appling.as_ref().is_none_or(|one| one == name);
        let candidates = gathered
            .in_state(ApplingState::Releasing)
            .chain(gathered.in_state(ApplingState::RollingOut));
        if !candidates
            .clone()
            .any(|(_, verdict)| concerns(&verdict.appling))
        {
            let EnvironmentRow {
                app, environment, ..
            } = &gathered.environment;
            tracing::error!(%app, %environment, reason, "Kubernetes refuses what serves");
        }
        for (release, verdict) in candidates.filter(|(_, verdict)| concerns(&verdict.appling)) {
            fail(&mut tx, release, &verdict.appling, &reason).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

//! One pass over an environment: *gather → desired → apply → observe*, and out.
//!
//! A pass never waits for a build or a rollout; it does what can be done now, writes it down under
//! the lease, and says when to look again. What is healed behind the platform's back is healed by
//! the same pass.

use std::time::Duration;

use anyhow::Context;
use builder_client::Redactor;
use iterapp_schema::ApplingName;
use jiff::Timestamp;
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::{
    command,
    keep::{self, Kept},
    plan::{self, Places, Plan, Planned},
    read_iterapp,
    spec::{ReleaseCommand, Version, WantedEnvironment, namespace},
    tell,
};
use crate::{
    api::{ApplingState, ReleaseState},
    database::{
        connection::Databases,
        environment::{self as databases, NotMade},
        rotation,
    },
    db::{self, builds::Build, environments::EnvironmentRow, releases::Release, verdicts::Verdict},
    lease::{FenceError, Lease, Next},
    platform::Platform,
    rollout::{
        apply::{self, ApplyError, Refusal},
        desired::desired,
        judge::{Standing, judge},
        observe::observe,
    },
    secrets::open::{self, Opened, Shut, Source},
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

/// What Postgres has of an environment.
pub(super) struct Gathered {
    environment: EnvironmentRow,
    /// The newest unfinished release, with its verdicts so far.
    pub(super) release: Option<(Release, Vec<Verdict>)>,
    /// The newest good version of each appling.
    good: Vec<Verdict>,
    /// Those whose release commands may run, also of superseded releases; oldest first.
    pub(super) running_commands: Vec<Verdict>,
    /// Whether Kubernetes may hold anything of it.
    tried: bool,
}

/// Looks at the environment that `lease` holds and does what can be done now.
///
/// # Errors
/// When Postgres, the git store or Kubernetes fail: the pass is made again a little later.
pub async fn pass(platform: &Platform, lease: &Lease) -> anyhow::Result<Next> {
    let mut gathered = gather(platform, lease).await?;
    if read_queued(platform, lease, &gathered).await?
        || take_built(platform, lease, &gathered).await?
        || command::take_turns(lease, &gathered).await?
    {
        gathered = gather(platform, lease).await?;
    }
    if gathered.tried {
        let (commanding, commands) = command::wanted(&gathered);
        let mut wanted = wanted(&gathered, commands);
        wanted.opened = open_all(platform, &wanted).await?;
        let environment = gathered.environment.id;
        wanted.databases = databases::connections(platform, environment, &wanted).await?;
        databases::complete(&wanted)?;
        match apply::apply(
            &platform.cluster,
            &desired(&wanted, platform.cluster.settings()),
            lease,
        )
        .await
        {
            Ok(()) => {
                judge_candidates(platform, lease, &gathered, &wanted).await?;
                finish_rotations(platform, &gathered).await?;
            }
            Err(ApplyError::Refused(refusals)) => {
                let redactor = wanted.redactor();
                refuse_candidates(lease, &gathered, &refusals, &redactor).await?;
            }
            Err(ApplyError::LeaseLost(_)) => {
                return Err(FenceError::Lost(crate::lease::LeaseLost).into());
            }
            Err(ApplyError::Transient(reason)) => {
                tracing::warn!(app = %wanted.app, environment = %wanted.environment, reason, "Kubernetes cannot be changed now");
                return Ok(Next::Retry);
            }
        }
        if command::attend(platform, lease, &gathered, &commanding, &wanted).await? {
            return Ok(Next::After(Duration::ZERO));
        }
    } else {
        finish_rotations(platform, &gathered).await?;
    }
    conclude(platform, lease).await
}

async fn finish_rotations(platform: &Platform, gathered: &Gathered) -> anyhow::Result<()> {
    let EnvironmentRow {
        id,
        app,
        environment,
        ..
    } = &gathered.environment;
    rotation::finish(platform, *id, &namespace(app, *environment)).await
}

async fn gather(platform: &Platform, lease: &Lease) -> anyhow::Result<Gathered> {
    let environment = db::environments::get(&platform.db, lease.id()).await?;
    let release = match db::releases::unfinished(&platform.db, environment.id).await? {
        Some(release) => {
            let verdicts = db::verdicts::of_release(&platform.db, release.id).await?;
            Some((release, verdicts))
        }
        None => None,
    };
    let good = db::verdicts::good(&platform.db, environment.id).await?;
    let running_commands =
        db::verdicts::with_running_commands(&platform.db, environment.id).await?;
    let tried = db::verdicts::any_tried(&platform.db, environment.id).await?;
    Ok(Gathered {
        environment,
        release,
        good,
        running_commands,
        tried,
    })
}

impl Gathered {
    /// The release of an appling whose command may run; there is never more than one.
    pub(super) fn running_command_of(&self, appling: &ApplingName) -> Option<&Verdict> {
        let mut running = self.running_commands.iter();
        running.find(|verdict| verdict.appling == *appling)
    }

    /// Verdicts of the unfinished release in this state.
    pub(super) fn in_state(
        &self,
        state: ApplingState,
    ) -> impl Iterator<Item = (&Release, &Verdict)> + Clone {
        let all = self
            .release
            .iter()
            .flat_map(|(release, verdicts)| verdicts.iter().map(move |verdict| (release, verdict)));
        all.filter(move |(_, verdict)| verdict.state == state)
    }
}

/// A transaction for writing down what became of a release; none when a newer one took over since
/// the release was read. Whoever makes a release locks the environment's row first, as the lease
/// does here, so that the answer holds until the end of the transaction.
pub(super) async fn begin(
    lease: &Lease,
    release: &Release,
) -> anyhow::Result<Option<Transaction<'static, Postgres>>> {
    let mut tx = lease.begin().await?;
    let unfinished = db::releases::is_unfinished(&mut *tx, release.id).await?;
    Ok(unfinished.then_some(tx))
}

/// Reads `iterapp.toml` of a release that is still queued; `false` when there is none.
async fn read_queued(
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
    match databases::make(platform, place, &specs).await {
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

/// Moves applings on whose builds have ended; `false` when there were none.
async fn take_built(
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

/// The newest good version of each appling, or the candidate on trial; and the release commands.
fn wanted(gathered: &Gathered, commands: Vec<ReleaseCommand>) -> WantedEnvironment {
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
async fn open_all(platform: &Platform, wanted: &WantedEnvironment) -> anyhow::Result<Opened> {
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
async fn judge_candidates(
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
async fn refuse_candidates(
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

async fn fail(
    tx: &mut Transaction<'_, Postgres>,
    release: &Release,
    name: &ApplingName,
    reason: &str,
) -> anyhow::Result<()> {
    if db::verdicts::fail(tx, release.id, name, reason).await? {
        say(
            tx,
            release.id,
            Some(name),
            &tell::appling_failed(name, reason),
        )
        .await?;
    }
    Ok(())
}

/// Adds a text to a release's log.
pub(super) async fn say(
    tx: &mut Transaction<'_, Postgres>,
    release: Uuid,
    appling: Option<&ApplingName>,
    text: &str,
) -> sqlx::Result<()> {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    db::log_lines::append(tx, release, appling.map(AsRef::as_ref), &lines).await
}

/// Ends the release once every appling has its verdict, and says when to look again.
async fn conclude(platform: &Platform, lease: &Lease) -> anyhow::Result<Next> {
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

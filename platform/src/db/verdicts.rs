//! Verdicts: what became of each appling of a release.

use iterapp_schema::ApplingName;
use jiff::Timestamp;
use sqlx::{FromRow, PgExecutor, Postgres, Transaction, types::Json};
use uuid::Uuid;

use super::stored;
use crate::{
    api::ApplingState,
    release::spec::{ApplingSpec, Version},
};

/// One appling's part of a release.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The release.
    pub release: Uuid,
    /// The release's number.
    pub release_number: i64,
    /// The appling.
    pub appling: ApplingName,
    /// What the release wants of it.
    pub spec: ApplingSpec,
    /// The build of its image.
    pub build: Option<Uuid>,
    /// Image by digest, once built.
    pub image: Option<String>,
    /// Where it stands.
    pub state: ApplingState,
    /// Why it failed, in words for the author.
    pub reason: Option<String>,
    /// What its rollout waits for, in words for the author.
    pub waiting_for: Option<String>,
    /// Since when its candidate is on trial: since Kubernetes first accepted it.
    pub on_trial_since: Option<Timestamp>,
    /// Its release command, once it was started.
    pub command: Option<Command>,
}

/// A release command that was started.
#[derive(Debug, Clone)]
pub struct Command {
    /// The stream of its log lines.
    pub stream: Uuid,
    /// Since when its Job may run.
    pub started_at: Timestamp,
    /// When its last line that is stored was written, in nanoseconds since 1970.
    pub log_until: Option<i64>,
}

impl Verdict {
    /// What can be rolled out, once there is an image.
    pub fn version(&self) -> Option<Version> {
        Some(Version {
            spec: self.spec.clone(),
            image: self.image.clone()?,
        })
    }
}

#[derive(FromRow)]
struct Row {
    release: Uuid,
    number: i64,
    appling: String,
    spec: Json<ApplingSpec>,
    build: Option<Uuid>,
    image: Option<String>,
    state: String,
    reason: Option<String>,
    waiting_for: Option<String>,
    on_trial_since: Option<jiff_sqlx::Timestamp>,
    command: Option<Uuid>,
    command_started_at: Option<jiff_sqlx::Timestamp>,
    command_log_until: Option<i64>,
}

impl TryFrom<Row> for Verdict {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Verdict> {
        Ok(Verdict {
            release: row.release,
            release_number: row.number,
            appling: stored(&row.appling)?,
            spec: row.spec.0,
            build: row.build,
            image: row.image,
            state: state(&row.state)?,
            reason: row.reason,
            waiting_for: row.waiting_for,
            on_trial_since: row.on_trial_since.map(|at| at.to_jiff()),
            command: row
                .command
                .zip(row.command_started_at)
                .map(|(stream, started_at)| Command {
                    stream,
                    started_at: started_at.to_jiff(),
                    log_until: row.command_log_until,
                }),
        })
    }
}

fn state(text: &str) -> sqlx::Result<ApplingState> {
    Ok(match text {
        "building" => ApplingState::Building,
        "releasing" => ApplingState::Releasing,
        "rolling_out" => ApplingState::RollingOut,
        "live" => ApplingState::Live,
        "failed" => ApplingState::Failed,
        "superseded" => ApplingState::Superseded,
        "removed" => ApplingState::Removed,
        other => return Err(sqlx::Error::Decode(format!("no verdict is {other}").into())),
    })
}

macro_rules! select_verdict {
    ($rest:literal) => {
        concat!(
            "select v.release, r.number, v.appling, v.spec, v.build, v.image, v.state, v.reason, v.waiting_for, v.on_trial_since, \
             v.command, v.command_started_at, v.command_log_until \
             from verdicts v join releases r on r.id = v.release ",
            $rest
        )
    };
}

/// Stores that a release wants an appling, whose image is being built.
///
/// # Errors
/// When Postgres fails.
pub async fn insert(
    tx: &mut Transaction<'_, Postgres>,
    release: Uuid,
    position: usize,
    spec: &ApplingSpec,
    build: Uuid,
) -> sqlx::Result<()> {
    sqlx::query("insert into verdicts (release, appling, position, spec, build) values ($1, $2, $3, $4, $5)")
        .bind(release)
        .bind(spec.name.as_ref())
        .bind(i32::try_from(position).unwrap_or(i32::MAX))
        .bind(Json(spec))
        .bind(build)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The verdicts of a release, in the order of its `iterapp.toml`.
///
/// # Errors
/// When Postgres fails.
pub async fn of_release(db: impl PgExecutor<'_>, release: Uuid) -> sqlx::Result<Vec<Verdict>> {
    let rows = sqlx::query_as::<_, Row>(select_verdict!(
        "where v.release = $1 order by v.position, v.appling"
    ))
    .bind(release)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Verdict::try_from).collect()
}

/// The newest good version of each appling of an environment: what serves, unless a candidate is
/// on trial.
///
/// # Errors
/// When Postgres fails.
pub async fn good(db: impl PgExecutor<'_>, environment: Uuid) -> sqlx::Result<Vec<Verdict>> {
    let rows = sqlx::query_as::<_, Row>(
        "select distinct on (v.appling) v.release, r.number, v.appling, v.spec, v.build, v.image, v.state, v.reason, v.waiting_for, v.on_trial_since,
         v.command, v.command_started_at, v.command_log_until
         from verdicts v join releases r on r.id = v.release
         where r.environment = $1 and v.state in ('live', 'removed') order by v.appling, r.number desc",
    )
    .bind(environment)
    .fetch_all(db)
    .await?;
    let newest = rows
        .into_iter()
        .map(Verdict::try_from)
        .collect::<sqlx::Result<Vec<_>>>()?;
    Ok(newest
        .into_iter()
        .filter(|verdict| verdict.state == ApplingState::Live)
        .collect())
}

/// Verdicts of an environment whose release commands may run now, also of releases that were
/// superseded meanwhile; oldest first.
///
/// # Errors
/// When Postgres fails.
pub async fn with_running_commands(
    db: impl PgExecutor<'_>,
    environment: Uuid,
) -> sqlx::Result<Vec<Verdict>> {
    let rows = sqlx::query_as::<_, Row>(select_verdict!(
        "where r.environment = $1 and v.command_started_at is not null and v.command_ended_at is null \
         order by r.number, v.position"
    ))
    .bind(environment)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Verdict::try_from).collect()
}

/// Whether anything of the environment was ever given to Kubernetes.
///
/// # Errors
/// When Postgres fails.
pub async fn any_tried(db: impl PgExecutor<'_>, environment: Uuid) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "select exists (select 1 from verdicts v join releases r on r.id = v.release
         where r.environment = $1 and v.image is not null)",
    )
    .bind(environment)
    .fetch_one(db)
    .await
}

/// An appling's image is there: its candidate can go on trial, at once or after a release command.
///
/// # Errors
/// When Postgres fails.
pub async fn set_image(
    tx: &mut Transaction<'_, Postgres>,
    release: Uuid,
    appling: &ApplingName,
    image: &str,
    releasing: bool,
) -> sqlx::Result<()> {
    sqlx::query("update verdicts set state = $4, image = $3 where release = $1 and appling = $2 and state = 'building'")
        .bind(release)
        .bind(appling.as_ref())
        .bind(image)
        .bind(if releasing { "releasing" } else { "rolling_out" })
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The build that an appling waited for is gone: it waits for another one.
///
/// # Errors
/// When Postgres fails.
pub async fn set_build(
    tx: &mut Transaction<'_, Postgres>,
    release: Uuid,
    appling: &ApplingName,
    build: Uuid,
) -> sqlx::Result<()> {
    sqlx::query(
        "update verdicts set build = $3 where release = $1 and appling = $2 and state = 'building'",
    )
    .bind(release)
    .bind(appling.as_ref())
    .bind(build)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Kubernetes has accepted the candidates of a release: their time runs from now.
///
/// # Errors
/// When Postgres fails.
pub async fn start_trials(tx: &mut Transaction<'_, Postgres>, release: Uuid) -> sqlx::Result<()> {
    sqlx::query("update verdicts set on_trial_since = now() where release = $1 and state = 'rolling_out' and on_trial_since is null")
        .bind(release)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The release command of an appling may run from now on: its Job is there and has no pod yet.
/// `false` when the appling does not wait for that any more.
///
/// # Errors
/// When Postgres fails.
pub async fn start_command(
    tx: &mut Transaction<'_, Postgres>,
    release: Uuid,
    appling: &ApplingName,
    waiting_for: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update verdicts set command = $3, command_started_at = now(), waiting_for = $4
         where release = $1 and appling = $2 and state = 'releasing' and command is null",
    )
    .bind(release)
    .bind(appling.as_ref())
    .bind(Uuid::now_v7())
    .bind(waiting_for)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Lines of a release command up to this time are stored.
///
/// # Errors
/// When Postgres fails.
pub async fn set_command_log_until(
    tx: &mut Transaction<'_, Postgres>,
    release: Uuid,
    appling: &ApplingName,
    until: i64,
) -> sqlx::Result<()> {
    sqlx::query("update verdicts set command_log_until = $3 where release = $1 and appling = $2")
        .bind(release)
        .bind(appling.as_ref())
        .bind(until)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// A release command has ended, well or not; `false` when that was known before.
///
/// # Errors
/// When Postgres fails.
pub async fn end_command(
    tx: &mut Transaction<'_, Postgres>,
    release: Uuid,
    appling: &ApplingName,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update verdicts set command_ended_at = now()
         where release = $1 and appling = $2 and command is not null and command_ended_at is null",
    )
    .bind(release)
    .bind(appling.as_ref())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Nothing keeps an appling's candidate from its trial any more.
///
/// # Errors
/// When Postgres fails.
pub async fn roll_out(
    tx: &mut Transaction<'_, Postgres>,
    release: Uuid,
    appling: &ApplingName,
) -> sqlx::Result<()> {
    sqlx::query("update verdicts set state = 'rolling_out', waiting_for = null where release = $1 and appling = $2 and state = 'releasing'")
        .bind(release)
        .bind(appling.as_ref())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Notes what an appling waits for; `false` when that was noted before.
///
/// # Errors
/// When Postgres fails.
pub async fn set_waiting_for(
    tx: &mut Transaction<'_, Postgres>,
    release: Uuid,
    appling: &ApplingName,
    why: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update verdicts set waiting_for = $3 where release = $1 and appling = $2 and state in ('releasing', 'rolling_out') and waiting_for is distinct from $3",
    )
    .bind(release)
    .bind(appling.as_ref())
    .bind(why)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// An appling is on this release.
///
/// # Errors
/// When Postgres fails.
pub async fn succeed(
    tx: &mut Transaction<'_, Postgres>,
    release: Uuid,
    appling: &ApplingName,
) -> sqlx::Result<bool> {
    let done = sqlx::query("update verdicts set state = 'live' where release = $1 and appling = $2 and state = 'rolling_out'")
        .bind(release)
        .bind(appling.as_ref())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// An appling stays on the version before.
///
/// # Errors
/// When Postgres fails.
pub async fn fail(
    tx: &mut Transaction<'_, Postgres>,
    release: Uuid,
    appling: &ApplingName,
    reason: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update verdicts set state = 'failed', reason = $3
         where release = $1 and appling = $2 and state in ('building', 'releasing', 'rolling_out')",
    )
    .bind(release)
    .bind(appling.as_ref())
    .bind(reason)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Stores that a release took an appling down.
///
/// # Errors
/// When Postgres fails.
pub async fn remove(
    tx: &mut Transaction<'_, Postgres>,
    release: Uuid,
    before: &Verdict,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into verdicts (release, appling, position, spec, state) values ($1, $2, $3, $4, 'removed') on conflict do nothing",
    )
    .bind(release)
    .bind(before.appling.as_ref())
    .bind(i32::MAX)
    .bind(Json(&before.spec))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

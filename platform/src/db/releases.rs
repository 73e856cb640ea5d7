//! Releases: one commit of one app for one environment.

use iterapp_schema::{AppName, Environment};
use jiff::Timestamp;
use sqlx::{FromRow, PgExecutor, Postgres, Transaction};
use uuid::Uuid;

use super::stored;
use crate::api::ReleaseState;

/// One release.
#[derive(Debug, Clone)]
pub struct Release {
    /// Identity; also the stream of its steps' log lines.
    pub id: Uuid,
    /// The app.
    pub app: AppName,
    /// The environment's row.
    pub environment_id: Uuid,
    /// The environment.
    pub environment: Environment,
    /// Counts from 1 within the app.
    pub number: i64,
    /// The branch, tag or commit that was asked for.
    pub reference: String,
    /// The commit, 40 hex digits.
    pub commit: String,
    /// First line of the commit's message.
    pub subject: String,
    /// `push`, `webhook`, `sweep` or `deploy`.
    pub cause: String,
    /// Where it stands.
    pub state: ReleaseState,
    /// Why it did not become live.
    pub reason: Option<String>,
    /// Applings that it has no more.
    pub removes: Vec<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    app: String,
    environment: Uuid,
    environment_name: String,
    number: i64,
    reference: String,
    commit: String,
    subject: String,
    cause: String,
    state: String,
    reason: Option<String>,
    removes: Vec<String>,
    created_at: jiff_sqlx::Timestamp,
    ended_at: Option<jiff_sqlx::Timestamp>,
}

impl TryFrom<Row> for Release {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Release> {
        Ok(Release {
            id: row.id,
            app: stored(&row.app)?,
            environment_id: row.environment,
            environment: stored(&row.environment_name)?,
            number: row.number,
            reference: row.reference,
            commit: row.commit,
            subject: row.subject,
            cause: row.cause,
            state: state(&row.state)?,
            reason: row.reason,
            removes: row.removes,
            created_at: row.created_at.to_jiff(),
            ended_at: row.ended_at.map(|at| at.to_jiff()),
        })
    }
}

fn state(text: &str) -> sqlx::Result<ReleaseState> {
    Ok(match text {
        "queued" => ReleaseState::Queued,
        "running" => ReleaseState::Running,
        "live" => ReleaseState::Live,
        "failed" => ReleaseState::Failed,
        "superseded" => ReleaseState::Superseded,
        "cancelled" => ReleaseState::Cancelled,
        other => return Err(sqlx::Error::Decode(format!("no release is {other}").into())),
    })
}

/// The columns of [`Row`], for the statements below.
macro_rules! select_release {
    ($rest:literal) => {
        concat!(
            "select r.id, r.app, r.environment, e.name as environment_name, r.number, r.reference, r.commit, r.subject, \
             r.cause, r.state, r.reason, r.removes, r.created_at, r.ended_at \
             from releases r join environments e on e.id = r.environment ",
            $rest
        )
    };
}

/// A release to be made.
#[derive(Debug, Clone)]
pub struct NewRelease {
    /// Identity.
    pub id: Uuid,
    /// Counts from 1 within the app.
    pub number: i64,
    /// The app.
    pub app: AppName,
    /// The environment's row.
    pub environment_id: Uuid,
    /// What was asked for.
    pub reference: String,
    /// The commit, 40 hex digits.
    pub commit: String,
    /// First line of the commit's message.
    pub subject: String,
    /// What asked for it.
    pub cause: String,
}

/// Stores a release in state `queued`.
///
/// # Errors
/// When Postgres fails.
pub async fn insert(tx: &mut Transaction<'_, Postgres>, new: &NewRelease) -> sqlx::Result<()> {
    sqlx::query(
        "insert into releases (id, app, environment, number, reference, commit, subject, cause) values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(new.id)
    .bind(new.app.as_ref())
    .bind(new.environment_id)
    .bind(new.number)
    .bind(&new.reference)
    .bind(&new.commit)
    .bind(&new.subject)
    .bind(&new.cause)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// One release, if there is one of that id.
///
/// # Errors
/// When Postgres fails.
pub async fn find(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<Release>> {
    let row = sqlx::query_as::<_, Row>(select_release!("where r.id = $1"))
        .bind(id)
        .fetch_optional(db)
        .await?;
    row.map(Release::try_from).transpose()
}

/// The newest unfinished release of an environment; older ones are superseded when it is made.
///
/// # Errors
/// When Postgres fails.
pub async fn unfinished(
    db: impl PgExecutor<'_>,
    environment: Uuid,
) -> sqlx::Result<Option<Release>> {
    let row = sqlx::query_as::<_, Row>(select_release!(
        "where r.environment = $1 and r.ended_at is null order by r.number desc limit 1"
    ))
    .bind(environment)
    .fetch_optional(db)
    .await?;
    row.map(Release::try_from).transpose()
}

/// A release by its number within the app.
///
/// # Errors
/// When Postgres fails.
pub async fn find_by_number(
    db: impl PgExecutor<'_>,
    app: &AppName,
    number: i64,
) -> sqlx::Result<Option<Release>> {
    let row = sqlx::query_as::<_, Row>(select_release!("where r.app = $1 and r.number = $2"))
        .bind(app.as_ref())
        .bind(number)
        .fetch_optional(db)
        .await?;
    row.map(Release::try_from).transpose()
}

/// The newest release of a commit that a push led to.
///
/// # Errors
/// When Postgres fails.
pub async fn newest_pushed(
    db: impl PgExecutor<'_>,
    app: &AppName,
    commit: &str,
) -> sqlx::Result<Option<Release>> {
    let row = sqlx::query_as::<_, Row>(select_release!(
        "where r.app = $1 and r.commit = $2 and r.cause <> 'deploy' order by r.number desc limit 1"
    ))
    .bind(app.as_ref())
    .bind(commit)
    .fetch_optional(db)
    .await?;
    row.map(Release::try_from).transpose()
}

/// Releases of an app, newest first, of one environment or of all.
///
/// # Errors
/// When Postgres fails.
pub async fn list(
    db: impl PgExecutor<'_>,
    app: &AppName,
    environment: Option<Environment>,
    limit: i64,
) -> sqlx::Result<Vec<Release>> {
    let rows = sqlx::query_as::<_, Row>(select_release!(
        "where r.app = $1 and ($2::text is null or e.name = $2) order by r.number desc limit $3"
    ))
    .bind(app.as_ref())
    .bind(environment.map(|environment| environment.to_string()))
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Release::try_from).collect()
}

/// Marks `iterapp.toml` as read; `removes` are applings that it does not name any more.
///
/// # Errors
/// When Postgres fails.
pub async fn set_running(
    tx: &mut Transaction<'_, Postgres>,
    id: Uuid,
    removes: &[String],
) -> sqlx::Result<()> {
    sqlx::query(
        "update releases set state = 'running', removes = $2 where id = $1 and state = 'queued'",
    )
    .bind(id)
    .bind(removes)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether a release goes on.
///
/// # Errors
/// When Postgres fails.
pub async fn is_unfinished(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select 1 from releases where id = $1 and ended_at is null)")
        .bind(id)
        .fetch_one(db)
        .await
}

/// Ends a release as live or failed; `false` when it had ended before.
///
/// # Errors
/// When Postgres fails.
pub async fn end(
    tx: &mut Transaction<'_, Postgres>,
    id: Uuid,
    live: bool,
    reason: Option<&str>,
) -> sqlx::Result<bool> {
    let done = sqlx::query("update releases set state = $2, reason = $3, ended_at = now() where id = $1 and ended_at is null")
        .bind(id)
        .bind(if live { "live" } else { "failed" })
        .bind(reason)
        .execute(&mut **tx)
        .await?;
    super::log_lines::notify(&mut **tx, id).await?;
    Ok(done.rows_affected() == 1)
}

/// Supersedes every unfinished release of an environment but `by`; returns their ids.
///
/// # Errors
/// When Postgres fails.
pub async fn supersede(
    tx: &mut Transaction<'_, Postgres>,
    environment: Uuid,
    by: &NewRelease,
) -> sqlx::Result<Vec<Uuid>> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "update releases set state = 'superseded', reason = $3, ended_at = now()
         where environment = $1 and id <> $2 and ended_at is null returning id",
    )
    .bind(environment)
    .bind(by.id)
    .bind(format!("release {} took over", by.number))
    .fetch_all(&mut **tx)
    .await?;
    sqlx::query("update verdicts set state = 'superseded' where release = any($1) and state in ('building', 'releasing', 'rolling_out')")
        .bind(&ids)
        .execute(&mut **tx)
        .await?;
    Ok(ids)
}

/// Environment of the app's newest release that a push led to: where a push goes whose
/// `iterapp.toml` cannot be read.
///
/// # Errors
/// When Postgres fails.
pub async fn last_pushed_environment(
    db: impl PgExecutor<'_>,
    app: &AppName,
) -> sqlx::Result<Option<Environment>> {
    let name: Option<String> = sqlx::query_scalar(
        "select e.name from releases r join environments e on e.id = r.environment
         where r.app = $1 and r.cause <> 'deploy' order by r.number desc limit 1",
    )
    .bind(app.as_ref())
    .fetch_optional(db)
    .await?;
    name.map(|name| stored(&name)).transpose()
}

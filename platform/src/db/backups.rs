//! Backups of databases.

use std::time::Duration;

use iterapp_schema::ApplingName;
use jiff::Timestamp;
use sqlx::{FromRow, PgExecutor, types::Json};
use uuid::Uuid;

use super::owner;
use crate::database::backup::{contents::Contents, store::Written};

/// What became of a backup so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is to be taken.
    Waiting,
    /// It is to be proved.
    Taken,
    /// It was restored, and is what was dumped.
    Proved,
    /// It could not be taken, or is not what was dumped.
    Failed,
    /// It was kept for long enough.
    Deleted,
}

impl State {
    fn of(text: &str) -> State {
        match text {
            "waiting" => State::Waiting,
            "taken" => State::Taken,
            "proved" => State::Proved,
            "deleted" => State::Deleted,
            _ => State::Failed,
        }
    }

    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Taken => "taken",
            State::Proved => "proved",
            State::Failed => "failed",
            State::Deleted => "deleted",
        }
    }
}

/// Why a backup is none whose dump somebody deleted, or that is in the store of before.
pub const GONE: &str = "its dump is not in the store for backups any more";

/// A backup.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Its identity; the row that is leased.
    pub id: Uuid,
    /// The environment whose database it is of.
    pub environment: Uuid,
    /// Whose that is.
    pub appling: Option<ApplingName>,
    /// The server.
    pub server: String,
    /// The database's name there.
    pub name: String,
    /// `asked` or `scheduled`.
    pub cause: String,
    /// What became of it.
    pub state: State,
    /// Why it failed.
    pub reason: Option<String>,
    /// Where it is in the store.
    pub path: Option<String>,
    /// Its length.
    pub bytes: Option<i64>,
    /// Its SHA-256 digest.
    pub digest: Option<Vec<u8>>,
    /// What was dumped; in no list of backups.
    pub contents: Option<Contents>,
    /// The database's own settings, sealed; in no list of backups.
    pub settings: Option<Vec<u8>>,
    /// How many rows were dumped.
    pub rows: Option<i64>,
    /// The moment that it holds, once it was taken.
    pub taken_at: Option<Timestamp>,
    /// When it was last proved.
    pub proved_at: Option<Timestamp>,
    /// How long the restore for that took.
    pub restore_seconds: Option<f64>,
    /// When it was asked for.
    pub created_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    environment: Uuid,
    appling: String,
    server: String,
    name: String,
    cause: String,
    state: String,
    reason: Option<String>,
    path: Option<String>,
    bytes: Option<i64>,
    digest: Option<Vec<u8>>,
    #[sqlx(default)]
    contents: Option<Json<Contents>>,
    #[sqlx(default)]
    settings: Option<Vec<u8>>,
    rows: Option<i64>,
    taken_at: Option<jiff_sqlx::Timestamp>,
    proved_at: Option<jiff_sqlx::Timestamp>,
    restore_seconds: Option<f64>,
    created_at: jiff_sqlx::Timestamp,
}

impl TryFrom<Row> for Backup {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Backup> {
        Ok(Backup {
            id: row.id,
            environment: row.environment,
            appling: owner(&row.appling)?,
            server: row.server,
            name: row.name,
            cause: row.cause,
            state: State::of(&row.state),
            reason: row.reason,
            path: row.path,
            bytes: row.bytes,
            digest: row.digest,
            contents: row.contents.map(|contents| contents.0),
            settings: row.settings,
            rows: row.rows,
            taken_at: row.taken_at.map(jiff_sqlx::Timestamp::to_jiff),
            proved_at: row.proved_at.map(jiff_sqlx::Timestamp::to_jiff),
            restore_seconds: row.restore_seconds,
            created_at: row.created_at.to_jiff(),
        })
    }
}

/// The columns of a backup without what only a restore needs: the contents are large.
macro_rules! listed {
    () => {
        "id, environment, appling, server, name, cause, state, reason, path, bytes, digest, rows, \
         taken_at, proved_at, restore_seconds, created_at"
    };
}

/// The order of a database's backups in which the first is the one that is kept.
macro_rules! by_worth {
    () => {
        "proved_at is not null desc, state <> 'failed' desc, created_at desc"
    };
}

/// One backup.
///
/// # Errors
/// When Postgres fails, or there is none of this id.
pub async fn get(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Backup> {
    let row: Row = sqlx::query_as("select * from backups where id = $1")
        .bind(id)
        .fetch_one(db)
        .await?;
    row.try_into()
}

/// One of an environment, if it is there and not deleted.
///
/// # Errors
/// When Postgres fails.
pub async fn find(
    db: impl PgExecutor<'_>,
    environment: Uuid,
    id: Uuid,
) -> sqlx::Result<Option<Backup>> {
    let row: Option<Row> = sqlx::query_as(
        "select * from backups where environment = $1 and id = $2 and state <> 'deleted'",
    )
    .bind(environment)
    .bind(id)
    .fetch_optional(db)
    .await?;
    row.map(Backup::try_from).transpose()
}

/// The backups of an environment's databases that are not deleted, the newest first. Of those of a database
/// that could not even be taken there is the last one alone, if that was the last of all.
///
/// # Errors
/// When Postgres fails.
pub async fn of_environment(
    db: impl PgExecutor<'_>,
    environment: Uuid,
    limit: i64,
) -> sqlx::Result<Vec<Backup>> {
    let rows: Vec<Row> = sqlx::query_as(
        concat!(
            "select ", listed!(), "
         from backups b where environment = $1 and state <> 'deleted'
           and not (state = 'failed' and path is null and exists (
             select from backups newer where newer.environment = b.environment and newer.appling = b.appling
               and newer.created_at > b.created_at and newer.state <> 'waiting'
           ))
         order by created_at desc limit $2"
        ),
    )
    .bind(environment)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Backup::try_from).collect()
}

/// The newest backup that was proved, of each database of an environment that there is or was.
///
/// # Errors
/// When Postgres fails.
pub async fn newest_proved(
    db: impl PgExecutor<'_>,
    environment: Uuid,
) -> sqlx::Result<Vec<Backup>> {
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "select distinct on (name) ",
        listed!(),
        "
         from backups where environment = $1 and state <> 'deleted' and proved_at is not null
         order by name, created_at desc"
    ))
    .bind(environment)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Backup::try_from).collect()
}

/// The backup of a database that is kept however old it is: the newest that was proved, else the newest that
/// was taken. One whose dump was missed does not count.
///
/// # Errors
/// When Postgres fails.
pub async fn kept(
    db: impl PgExecutor<'_>,
    environment: Uuid,
    appling: Option<&ApplingName>,
) -> sqlx::Result<Option<Backup>> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "select * from backups
         where environment = $1 and appling = $2 and state <> 'deleted' and path is not null
           and reason is distinct from $3
         order by ",
        by_worth!(),
        " limit 1"
    ))
    .bind(environment)
    .bind(appling.map_or("", AsRef::as_ref))
    .bind(GONE)
    .fetch_optional(db)
    .await?;
    row.map(Backup::try_from).transpose()
}

/// Asks for a backup of a database.
///
/// # Errors
/// When Postgres fails, or the database is gone.
pub async fn ask(db: impl PgExecutor<'_>, database: Uuid) -> sqlx::Result<Uuid> {
    sqlx::query_scalar(
        "insert into backups (id, environment, appling, server, name, cause, due_at)
         select gen_random_uuid(), environment, appling, server, name, 'asked', now() from databases where id = $1
         returning id",
    )
    .bind(database)
    .fetch_one(db)
    .await
}

/// Asks for backups of the databases in these environments of which none was asked for so long, and none is
/// being taken or proved; says of how many.
///
/// # Errors
/// When Postgres fails.
pub async fn schedule(
    db: impl PgExecutor<'_>,
    every: Duration,
    environments: &[String],
) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "insert into backups (id, environment, appling, server, name, cause, due_at)
         select gen_random_uuid(), d.environment, d.appling, d.server, d.name, 'scheduled', now()
         from databases d join environments e on e.id = d.environment
         where d.made is not null and e.name = any($2) and not exists (
           select from backups b where b.environment = d.environment and b.appling = d.appling
             and (b.server = d.server and b.name = d.name and b.reason is null
                 and (b.due_at is not null or b.lease_until is not null)
               or b.created_at > now() - make_interval(secs => case b.state when 'failed' then least($1, 3600) else $1 end))
         )
         for update of d skip locked",
    )
    .bind(every.as_secs_f64())
    .bind(environments)
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// What is known of a backup once it was taken.
#[derive(Debug)]
pub struct Taken<'a> {
    /// The moment that it holds.
    pub at: Timestamp,
    /// Where it is in the store.
    pub path: &'a str,
    /// What was written there.
    pub written: &'a Written,
    /// What was dumped.
    pub contents: &'a Contents,
    /// The database's own settings, sealed.
    pub settings: &'a [u8],
}

/// Writes down that it was taken.
///
/// # Errors
/// When Postgres fails.
pub async fn set_taken(db: impl PgExecutor<'_>, id: Uuid, taken: &Taken<'_>) -> sqlx::Result<()> {
    sqlx::query(
        "update backups set state = 'taken', path = $2, bytes = $3, digest = $4, contents = $5, settings = $6,
                rows = $7, taken_at = $8
         where id = $1",
    )
    .bind(id)
    .bind(taken.path)
    .bind(taken.written.bytes)
    .bind(&taken.written.digest)
    .bind(Json(taken.contents))
    .bind(taken.settings)
    .bind(taken.contents.rows())
    .bind(jiff_sqlx::Timestamp::from(taken.at))
    .execute(db)
    .await?;
    Ok(())
}

/// Writes down that it was proved, by a restore that took so long.
///
/// # Errors
/// When Postgres fails.
pub async fn set_proved(db: impl PgExecutor<'_>, id: Uuid, seconds: f64) -> sqlx::Result<()> {
    sqlx::query(
        "update backups set state = 'proved', reason = null, proved_at = now(), restore_seconds = $2 where id = $1",
    )
    .bind(id)
    .bind(seconds)
    .execute(db)
    .await?;
    Ok(())
}

/// Writes down that it failed: a proof that there was is none any more.
///
/// # Errors
/// When Postgres fails.
pub async fn fail(db: impl PgExecutor<'_>, id: Uuid, reason: &str) -> sqlx::Result<()> {
    sqlx::query("update backups set state = 'failed', reason = $2, proved_at = null where id = $1")
        .bind(id)
        .bind(reason)
        .execute(db)
        .await?;
    Ok(())
}

/// Writes down why it could not be proved; it may be as good as it was.
///
/// # Errors
/// When Postgres fails.
pub async fn not_proved(db: impl PgExecutor<'_>, id: Uuid, reason: &str) -> sqlx::Result<()> {
    sqlx::query(
        "update backups set state = case when proved_at is null then 'taken' else 'proved' end, reason = $2 where id = $1",
    )
    .bind(id)
    .bind(reason)
    .execute(db)
    .await?;
    Ok(())
}

/// Has a backup that was taken proved once more; `false` when it was not taken yet, or is deleted.
///
/// # Errors
/// When Postgres fails.
pub async fn prove_again(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update backups set state = 'taken', reason = null, attempts = 0, due_at = now()
         where id = $1 and path is not null and state <> 'deleted'",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Backups that have been kept for so long, but for the one of each database that is [`kept`], and the one that
/// was it a day before: what is backed up before a restore displaces nothing that the restore is of.
///
/// # Errors
/// When Postgres fails.
pub async fn outdated(db: impl PgExecutor<'_>, keep: Duration) -> sqlx::Result<Vec<Backup>> {
    let rows: Vec<Row> = sqlx::query_as(
        concat!(
            "with ranked as (
           select id, environment, appling, created_at, row_number() over (
             order by ", by_worth!(), "
           ) as place
           from backups where state <> 'deleted' and path is not null and reason is distinct from $2
         ), spared as (
           select id, place = min(place) over of_database
                   or place = min(place) filter (where created_at < now() - interval '1 day') over of_database
                   as is_spared
           from ranked window of_database as (partition by environment, appling)
         )
         select ", listed!(), "
         from backups b
         where state in ('taken', 'proved', 'failed') and lease_until is null and due_at is null
           and created_at < now() - make_interval(secs => $1)
           and not exists (select from spared s where s.id = b.id and s.is_spared)
           and not exists (select from restores r where r.backup = b.id and r.state = 'waiting')
         order by created_at limit 10000"
        ),
    )
    .bind(keep.as_secs_f64())
    .bind(GONE)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Backup::try_from).collect()
}

/// Writes down that it is gone from the store.
///
/// # Errors
/// When Postgres fails.
pub async fn set_deleted(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<()> {
    sqlx::query("update backups set state = 'deleted', settings = null where id = $1")
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

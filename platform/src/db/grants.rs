//! Logins for people, which end by themselves: the record of who was let into which database.

use iterapp_schema::ApplingName;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use super::{databases::Database, owner};
use crate::api::Access;

/// How many of an environment are told, the newest first.
const TOLD: i64 = 100;

/// A login for somebody.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Its identity.
    pub id: Uuid,
    /// The environment.
    pub environment: Uuid,
    /// Whose database; nothing for the one that all applings share.
    pub appling: Option<ApplingName>,
    /// The server.
    pub server: String,
    /// The database's name there.
    pub name: String,
    /// The login.
    pub role: String,
    /// What it may do.
    pub access: Access,
    /// Whose token asked for it.
    pub who: String,
    /// When that was.
    pub created_at: jiff::Timestamp,
    /// When it ends.
    pub expires_at: jiff::Timestamp,
    /// When it was taken back.
    pub ended_at: Option<jiff::Timestamp>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    environment: Uuid,
    appling: String,
    server: String,
    name: String,
    role: String,
    access: String,
    who: String,
    created_at: jiff_sqlx::Timestamp,
    expires_at: jiff_sqlx::Timestamp,
    ended_at: Option<jiff_sqlx::Timestamp>,
}

impl TryFrom<Row> for Grant {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Grant> {
        Ok(Grant {
            id: row.id,
            environment: row.environment,
            appling: owner(&row.appling)?,
            server: row.server,
            name: row.name,
            role: row.role,
            access: match row.access.as_str() {
                "write" => Access::Write,
                _ => Access::Read,
            },
            who: row.who,
            created_at: row.created_at.to_jiff(),
            expires_at: row.expires_at.to_jiff(),
            ended_at: row.ended_at.map(jiff_sqlx::Timestamp::to_jiff),
        })
    }
}

/// What is to be granted.
#[derive(Debug)]
pub struct NewGrant<'a> {
    /// Its identity.
    pub id: Uuid,
    /// The database.
    pub database: &'a Database,
    /// The login.
    pub role: &'a str,
    /// What it may do.
    pub access: Access,
    /// Whose token asks for it.
    pub who: &'a str,
    /// How long it lasts, seconds.
    pub seconds: u32,
}

/// Writes one down.
///
/// # Errors
/// When Postgres fails.
pub async fn insert(db: impl PgExecutor<'_>, new: &NewGrant<'_>) -> sqlx::Result<Grant> {
    let NewGrant { id, database, .. } = new;
    let row: Row = sqlx::query_as(
        "insert into database_grants (id, environment, appling, server, name, role, access, who, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, now() + make_interval(secs => $9)) returning *",
    )
    .bind(id)
    .bind(database.environment)
    .bind(database.appling.as_ref().map_or("", AsRef::as_ref))
    .bind(&database.server)
    .bind(&database.name)
    .bind(new.role)
    .bind(new.access.as_str())
    .bind(new.who)
    .bind(f64::from(new.seconds))
    .fetch_one(db)
    .await?;
    row.try_into()
}

/// The newest ones of an environment.
///
/// # Errors
/// When Postgres fails.
pub async fn of_environment(
    db: impl PgExecutor<'_>,
    environment: Uuid,
) -> sqlx::Result<Vec<Grant>> {
    let rows: Vec<Row> = sqlx::query_as(
        "select * from database_grants where environment = $1 order by created_at desc limit $2",
    )
    .bind(environment)
    .bind(TOLD)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Grant::try_from).collect()
}

/// One of an environment, if it is there.
///
/// # Errors
/// When Postgres fails.
pub async fn find(
    db: impl PgExecutor<'_>,
    environment: Uuid,
    id: Uuid,
) -> sqlx::Result<Option<Grant>> {
    let row: Option<Row> =
        sqlx::query_as("select * from database_grants where environment = $1 and id = $2")
            .bind(environment)
            .bind(id)
            .fetch_optional(db)
            .await?;
    row.map(Grant::try_from).transpose()
}

/// Those whose time is over and that were not taken back yet: the first hundred of each server.
///
/// # Errors
/// When Postgres fails.
pub async fn overdue(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Grant>> {
    let rows: Vec<Row> = sqlx::query_as(
        "select * from (
           select *, row_number() over (partition by server order by expires_at) as place
           from database_grants where ended_at is null and expires_at <= now()
         ) overdue where place <= 100 order by expires_at",
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Grant::try_from).collect()
}

/// Its time is over now, whatever was agreed.
///
/// # Errors
/// When Postgres fails.
pub async fn expire(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<()> {
    sqlx::query("update database_grants set expires_at = least(expires_at, now()) where id = $1")
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

/// Writes down that it was taken back.
///
/// # Errors
/// When Postgres fails.
pub async fn set_ended(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<()> {
    sqlx::query("update database_grants set ended_at = now() where id = $1 and ended_at is null")
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

//! Restores of backups.

use iterapp_schema::ApplingName;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use super::owner;

/// A restore.
#[derive(Debug, Clone)]
pub struct Restore {
    /// Its identity; the row that is leased.
    pub id: Uuid,
    /// What is restored.
    pub backup: Uuid,
    /// The environment that gets it.
    pub environment: Uuid,
    /// Whose database there.
    pub appling: Option<ApplingName>,
    /// Whether it is over.
    pub has_ended: bool,
    /// Why it failed, if it did.
    pub reason: Option<String>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    backup: Uuid,
    environment: Uuid,
    appling: String,
    state: String,
    reason: Option<String>,
}

/// One restore.
///
/// # Errors
/// When Postgres fails, or there is none of this id.
pub async fn get(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Restore> {
    let row: Row = sqlx::query_as(
        "select id, backup, environment, appling, state, reason from restores where id = $1",
    )
    .bind(id)
    .fetch_one(db)
    .await?;
    Ok(Restore {
        id: row.id,
        backup: row.backup,
        environment: row.environment,
        appling: owner(&row.appling)?,
        has_ended: row.state != "waiting",
        reason: row.reason,
    })
}

/// Asks for a restore of a backup into an environment.
///
/// # Errors
/// When Postgres fails.
pub async fn ask(
    db: impl PgExecutor<'_>,
    backup: Uuid,
    environment: Uuid,
    appling: Option<&ApplingName>,
) -> sqlx::Result<Uuid> {
    sqlx::query_scalar(
        "insert into restores (id, backup, environment, appling, due_at)
         values (gen_random_uuid(), $1, $2, $3, now()) returning id",
    )
    .bind(backup)
    .bind(environment)
    .bind(appling.map_or("", AsRef::as_ref))
    .fetch_one(db)
    .await
}

/// Writes down its end, and why it failed if it did.
///
/// # Errors
/// When Postgres fails.
pub async fn end(db: impl PgExecutor<'_>, id: Uuid, reason: Option<&str>) -> sqlx::Result<()> {
    sqlx::query(
        "update restores set state = case when $2::text is null then 'done' else 'failed' end,
           reason = $2, ended_at = now() where id = $1",
    )
    .bind(id)
    .bind(reason)
    .execute(db)
    .await?;
    Ok(())
}

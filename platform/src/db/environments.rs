//! Environments: an app's `prod`, `test`, `snap0`…`snap9`, once they had a release.

use iterapp_schema::{AppName, Environment};
use sqlx::{FromRow, PgExecutor, Postgres, Transaction};
use uuid::Uuid;

use super::stored;

/// One environment of one app.
#[derive(Debug, Clone)]
pub struct EnvironmentRow {
    /// Identity; the row that is leased.
    pub id: Uuid,
    /// The app.
    pub app: AppName,
    /// Which one.
    pub environment: Environment,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    app: String,
    name: String,
}

impl TryFrom<Row> for EnvironmentRow {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<EnvironmentRow> {
        Ok(EnvironmentRow {
            id: row.id,
            app: stored(&row.app)?,
            environment: stored(&row.name)?,
        })
    }
}

/// The environment, made if this is its first release. The row is locked until the transaction
/// ends, so that releases of one environment are ordered.
///
/// # Errors
/// When Postgres fails.
pub async fn lock_or_create(
    tx: &mut Transaction<'_, Postgres>,
    app: &AppName,
    environment: Environment,
) -> sqlx::Result<Uuid> {
    sqlx::query_scalar(
        "insert into environments (id, app, name) values ($1, $2, $3)
         on conflict (app, name) do update set name = excluded.name returning id",
    )
    .bind(Uuid::now_v7())
    .bind(app.as_ref())
    .bind(environment.to_string())
    .fetch_one(&mut **tx)
    .await
}

/// One environment.
///
/// # Errors
/// When Postgres fails, or there is no such environment.
pub async fn get(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<EnvironmentRow> {
    sqlx::query_as::<_, Row>("select id, app, name from environments where id = $1")
        .bind(id)
        .fetch_one(db)
        .await?
        .try_into()
}

/// The identity of an app's environment, if it has been used.
///
/// # Errors
/// When Postgres fails.
pub async fn find(
    db: impl PgExecutor<'_>,
    app: &AppName,
    environment: Environment,
) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar("select id from environments where app = $1 and name = $2")
        .bind(app.as_ref())
        .bind(environment.to_string())
        .fetch_optional(db)
        .await
}

/// Environments of an app, in the order they were first used.
///
/// # Errors
/// When Postgres fails.
pub async fn of_app(db: impl PgExecutor<'_>, app: &AppName) -> sqlx::Result<Vec<EnvironmentRow>> {
    let rows = sqlx::query_as::<_, Row>(
        "select id, app, name from environments where app = $1 order by id",
    )
    .bind(app.as_ref())
    .fetch_all(db)
    .await?;
    rows.into_iter().map(EnvironmentRow::try_from).collect()
}

/// Makes an environment due whose objects changed behind the platform's back.
///
/// # Errors
/// When Postgres fails.
pub async fn nudge(db: &sqlx::PgPool, app: &AppName, environment: Environment) -> sqlx::Result<()> {
    let nudged = sqlx::query(
        "update environments set due_at = now() where app = $1 and name = $2 and (due_at is null or due_at > now())",
    )
    .bind(app.as_ref())
    .bind(environment.to_string())
    .execute(db)
    .await?;
    if nudged.rows_affected() > 0 {
        crate::lease::Work::Environments.notify(db).await?;
    }
    Ok(())
}

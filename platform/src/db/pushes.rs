//! Pushes: accepted deliveries, waiting to be read.

use iterapp_schema::AppName;
use sqlx::{FromRow, PgExecutor, PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::stored;
use crate::lease::Work;

/// One accepted delivery.
#[derive(Debug, Clone)]
pub struct Push {
    /// Identity.
    pub id: Uuid,
    /// The app.
    pub app: AppName,
    /// `webhook`, `push`, or `sweep` (found by comparing tips).
    pub source: String,
    /// The branch it is about; what is released is its tip as fetched.
    pub branch: String,
    /// The release it led to.
    pub release: Option<Uuid>,
    /// Why it led to none.
    pub outcome: Option<String>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    app: String,
    source: String,
    branch: String,
    release: Option<Uuid>,
    outcome: Option<String>,
}

impl TryFrom<Row> for Push {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Push> {
        Ok(Push {
            id: row.id,
            app: stored(&row.app)?,
            source: row.source,
            branch: row.branch,
            release: row.release,
            outcome: row.outcome,
        })
    }
}

/// Stores a push and makes it due; `None` when that delivery is already known.
///
/// # Errors
/// When Postgres fails: the push is not stored then.
pub async fn insert(
    db: &PgPool,
    app: &AppName,
    source: &str,
    delivery: Option<&str>,
    branch: &str,
) -> sqlx::Result<Option<Uuid>> {
    let mut tx = db.begin().await?;
    let id = sqlx::query_scalar(
        "insert into pushes (id, app, source, delivery, branch, due_at) values ($1, $2, $3, $4, $5, now())
         on conflict (app, delivery) do nothing returning id",
    )
    .bind(Uuid::now_v7())
    .bind(app.as_ref())
    .bind(source)
    .bind(delivery)
    .bind(branch)
    .fetch_optional(&mut *tx)
    .await?;
    Work::Pushes.notify(&mut *tx).await?;
    tx.commit().await?;
    Ok(id)
}

/// One push.
///
/// # Errors
/// When Postgres fails, or there is no such push.
pub async fn get(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Push> {
    sqlx::query_as::<_, Row>("select * from pushes where id = $1")
        .bind(id)
        .fetch_one(db)
        .await?
        .try_into()
}

/// Says what became of a push, and wakes whoever waits for it.
///
/// # Errors
/// When Postgres fails.
pub async fn settle(
    tx: &mut Transaction<'_, Postgres>,
    id: Uuid,
    release: Option<Uuid>,
    outcome: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query("update pushes set release = $2, outcome = $3 where id = $1")
        .bind(id)
        .bind(release)
        .bind(outcome)
        .execute(&mut **tx)
        .await?;
    super::log_lines::notify(&mut **tx, id).await
}

/// Whether a push of the app is still waiting to be read.
///
/// # Errors
/// When Postgres fails.
pub async fn any_waiting(db: impl PgExecutor<'_>, app: &AppName) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select 1 from pushes where app = $1 and release is null and outcome is null)")
        .bind(app.as_ref())
        .fetch_one(db)
        .await
}

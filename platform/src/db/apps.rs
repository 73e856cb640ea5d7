//! Apps.

use iterapp_schema::AppName;
use jiff::Timestamp;
use sqlx::{FromRow, PgExecutor, PgPool, Postgres, Transaction};

use super::stored;

/// One repository known to the platform.
#[derive(Debug, Clone)]
pub struct App {
    /// The app's name.
    pub name: AppName,
    /// Where the platform fetches from; `None` when it is pushed to.
    pub repository: Option<String>,
    /// The branch whose pushes are released by themselves.
    pub default_branch: Option<String>,
    /// The default branch's tip that was last considered for a release.
    pub seen_tip: Option<String>,
    /// Sealed for `webhook/{app}`.
    pub webhook_secret: Vec<u8>,
    /// Sealed for `forge-token/{app}`.
    pub forge_token: Option<Vec<u8>>,
    /// Private half of the deploy key, sealed for `deploy-key/{app}`.
    pub deploy_key: Option<Vec<u8>>,
    /// Public half of the deploy key, in OpenSSH format.
    pub deploy_key_public: Option<String>,
    /// Known hosts for the repository's address.
    pub known_hosts: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    name: String,
    repository: Option<String>,
    default_branch: Option<String>,
    seen_tip: Option<String>,
    webhook_secret: Vec<u8>,
    forge_token: Option<Vec<u8>>,
    deploy_key: Option<Vec<u8>>,
    deploy_key_public: Option<String>,
    known_hosts: Option<String>,
    created_at: jiff_sqlx::Timestamp,
}

impl TryFrom<Row> for App {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<App> {
        Ok(App {
            name: stored(&row.name)?,
            repository: row.repository,
            default_branch: row.default_branch,
            seen_tip: row.seen_tip,
            webhook_secret: row.webhook_secret,
            forge_token: row.forge_token,
            deploy_key: row.deploy_key,
            deploy_key_public: row.deploy_key_public,
            known_hosts: row.known_hosts,
            created_at: row.created_at.to_jiff(),
        })
    }
}

/// Stores a new app; `false` when the name is taken.
///
/// # Errors
/// When Postgres fails.
pub async fn insert(db: &PgPool, app: &App) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "insert into apps (name, repository, webhook_secret, forge_token, deploy_key, deploy_key_public, known_hosts)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
    )
    .bind(app.name.as_ref())
    .bind(&app.repository)
    .bind(&app.webhook_secret)
    .bind(&app.forge_token)
    .bind(&app.deploy_key)
    .bind(&app.deploy_key_public)
    .bind(&app.known_hosts)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The app of that name.
///
/// # Errors
/// When Postgres fails.
pub async fn find(db: impl PgExecutor<'_>, name: &AppName) -> sqlx::Result<Option<App>> {
    let row = sqlx::query_as::<_, Row>("select * from apps where name = $1")
        .bind(name.as_ref())
        .fetch_optional(db)
        .await?;
    row.map(App::try_from).transpose()
}

/// All apps by name.
///
/// # Errors
/// When Postgres fails.
pub async fn all(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<App>> {
    let rows = sqlx::query_as::<_, Row>("select * from apps order by name")
        .fetch_all(db)
        .await?;
    rows.into_iter().map(App::try_from).collect()
}

/// Remembers what the default branch is.
///
/// # Errors
/// When Postgres fails.
pub async fn set_default_branch(
    db: impl PgExecutor<'_>,
    name: &AppName,
    branch: &str,
) -> sqlx::Result<()> {
    sqlx::query("update apps set default_branch = $2 where name = $1 and default_branch is distinct from $2")
        .bind(name.as_ref())
        .bind(branch)
        .execute(db)
        .await?;
    Ok(())
}

/// Remembers the tip of the default branch as considered; `false` when it was already.
///
/// # Errors
/// When Postgres fails.
pub async fn see_tip(
    tx: &mut Transaction<'_, Postgres>,
    name: &AppName,
    tip: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update apps set seen_tip = $2 where name = $1 and seen_tip is distinct from $2",
    )
    .bind(name.as_ref())
    .bind(tip)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Counts one more release of the app and returns its number.
///
/// # Errors
/// When Postgres fails.
pub async fn next_release_number(
    tx: &mut Transaction<'_, Postgres>,
    name: &AppName,
) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "update apps set release_count = release_count + 1 where name = $1 returning release_count",
    )
    .bind(name.as_ref())
    .fetch_one(&mut **tx)
    .await
}

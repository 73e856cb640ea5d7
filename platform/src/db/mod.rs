//! Postgres: what is wanted and what happened. One file per table; every statement is static SQL.

pub mod apps;
pub mod backups;
pub mod builds;
pub mod databases;
pub mod environments;
pub mod grants;
pub mod hosts;
pub mod log_lines;
pub mod pushes;
pub mod releases;
pub mod restores;
pub mod sealed;
pub mod sealing_keys;
pub mod secrets;
pub mod verdicts;

use std::{str::FromStr, time::Duration};

use anyhow::Context;
use iterapp_schema::ApplingName;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// Connects, waiting for a Postgres that is still starting.
///
/// # Errors
/// When Postgres does not answer within half a minute.
pub async fn connect(url: &str) -> anyhow::Result<PgPool> {
    // A statement that takes longer is stuck: better an error and another try than a hang.
    let options = PgConnectOptions::from_str(url)
        .context("DATABASE_URL is not an address of Postgres")?
        .application_name("hops-platform")
        .options([
            ("statement_timeout", "15s"),
            ("idle_in_transaction_session_timeout", "15s"),
        ]);
    PgPoolOptions::new()
        .max_connections(24)
        .acquire_timeout(Duration::from_secs(30))
        .connect_with(options)
        .await
        .context("Postgres does not answer")
}

/// Brings the tables up to date; safe to run by several processes at once.
///
/// # Errors
/// When a migration fails; it is rolled back then.
pub async fn migrate(db: &PgPool) -> anyhow::Result<()> {
    sqlx::migrate!("./migrations")
        .run(db)
        .await
        .context("migrating the database")
}

/// Whose a database is: an appling's, or, empty, everybody's.
fn owner(appling: &str) -> sqlx::Result<Option<ApplingName>> {
    (!appling.is_empty()).then(|| stored(appling)).transpose()
}

/// A name or state that was checked before it was stored.
fn stored<T: FromStr>(text: &str) -> sqlx::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

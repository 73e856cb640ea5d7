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
    PgConnection, PgPool, Row,
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
        .after_release(|connection, _| Box::pin(is_clean(connection)))
        .connect_with(options)
        .await
        .context("Postgres does not answer")
}

/// Whether a connection that comes back to the pool has no transaction open. Work that is given up while it
/// says `begin` leaves one that sqlx does not know of: whatever the connection was used for afterwards would
/// never be committed, and the rows that it locked would stay locked. (A transaction's time is that of its first
/// statement: PostgreSQL, Date/Time Functions.)
async fn is_clean(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let is_alone = "select now() = statement_timestamp()";
    let row = sqlx::raw_sql(is_alone).fetch_one(connection).await?;
    row.try_get(0)
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

#[cfg(test)]
mod tests {
    use futures::{future::FutureExt, pin_mut};

    use super::*;

    #[tokio::test]
    #[ignore = "needs the local stack: deploy/local/run"]
    async fn work_that_is_given_up_as_it_begins_leaves_no_transaction() {
        let url = std::env::var("DATABASE_URL").unwrap();
        let db = connect(&url).await.unwrap();
        // Each connection is used by one transaction that is given up, and one that is not.
        for _ in 0..50 {
            {
                let begin = db.begin();
                pin_mut!(begin);
                assert!(begin.as_mut().now_or_never().is_none());
            }
            // In a transaction of its own it is as old as itself.
            let age = "select extract(epoch from statement_timestamp() - now())::float8";
            tokio::time::sleep(Duration::from_millis(5)).await;
            let row = sqlx::raw_sql(age).fetch_one(&db).await.unwrap();
            assert_eq!(row.get::<f64, _>(0), 0.0);
        }
    }
}

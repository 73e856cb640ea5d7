//! What `alter database … set` has set, which is in no dump. Some keep secrets there, so it is sealed where it
//! is kept, and printed nowhere.

use std::collections::BTreeMap;

use anyhow::Context;
use secrecy::ExposeSecret;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{
    database::provision::{ident, run},
    secrets::at_rest::PlatformKey,
};

/// A database's own settings.
pub struct Settings(BTreeMap<String, String>);

/// What the platform sets, it sets of the logins.
const OF_DATABASE: &str = "select split_part(entry, '=', 1), substr(entry, strpos(entry, '=') + 1)
    from pg_db_role_setting, unnest(setconfig) as entry
    where setrole = 0 and setdatabase = (select oid from pg_database where datname = current_database())";

impl Settings {
    /// Those of the database that the connection is to.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn read(connection: &mut PgConnection) -> sqlx::Result<Settings> {
        let settings: Vec<(String, String)> =
            sqlx::query_as(OF_DATABASE).fetch_all(connection).await?;
        Ok(Settings(settings.into_iter().collect()))
    }

    /// Sealed for being kept with a backup.
    ///
    /// # Errors
    /// When sealing fails.
    pub fn seal(&self, key: &PlatformKey, backup: Uuid) -> anyhow::Result<Vec<u8>> {
        let text = serde_json::to_vec(&self.0).context("a database's settings")?;
        key.seal_bytes(&place(backup), &text)
    }

    /// Those that a backup was kept with.
    ///
    /// # Errors
    /// When they do not open.
    pub fn open(key: &PlatformKey, backup: Uuid, sealed: &[u8]) -> anyhow::Result<Settings> {
        let text = key.open_bytes(&place(backup), sealed)?;
        // What is wrong with it would be told with a part of it.
        let read = serde_json::from_slice(text.expose_secret()).ok();
        Ok(Settings(read.context("a database's settings")?))
    }

    /// Gives them to the database that the connection is to. One that its owner may not set, an administrator
    /// had set: it is told of and left out.
    ///
    /// # Errors
    /// When Postgres is away.
    pub async fn give(&self, connection: &mut PgConnection, database: &str) -> sqlx::Result<()> {
        for (name, value) in &self.0 {
            match set(connection, database, name, value).await {
                Err(sqlx::Error::Database(refused)) => {
                    let code = refused.code().unwrap_or_default();
                    tracing::warn!(database, name, %code, "a setting was not restored");
                }
                other => other?,
            }
        }
        Ok(())
    }
}

fn place(backup: Uuid) -> String {
    format!("backup/{backup}")
}

/// Sets one as the session has it for a moment, whatever kind of value that is.
async fn set(
    connection: &mut PgConnection,
    database: &str,
    name: &str,
    value: &str,
) -> sqlx::Result<()> {
    let parts: Vec<String> = name.split('.').map(ident).collect();
    let keep = format!(
        "alter database {} set {} from current",
        ident(database),
        parts.join(".")
    );
    // Rolled back when it is refused.
    let mut tx = connection.begin().await?;
    sqlx::query("select set_config($1, $2, true)")
        .bind(name)
        .bind(value)
        .execute(&mut *tx)
        .await?;
    run(&mut tx, keep).await?;
    tx.commit().await
}

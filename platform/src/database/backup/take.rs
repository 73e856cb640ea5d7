//! Takes a backup: a dump into the store, and what was in the database in the snapshot that was dumped.

use anyhow::Context;
use jiff::Timestamp;
use sqlx::{Connection, Executor};
use tokio::time::timeout;

use super::{
    contents::Contents,
    programs::{DEADLINE, Dump},
    settings::Settings,
    store::{Store, Written},
};
use crate::{
    database::environment::{account, server},
    db::{self, backups::Backup},
    lease::Lease,
    platform::Platform,
};

/// The dumps of so many tries before are looked for.
const LOOKED_FOR: usize = 8;

/// Takes the backup that is waiting, and writes it down.
///
/// # Errors
/// When the server, the store or `pg_dump` fails; then nothing is written down.
pub async fn take(platform: &Platform, lease: &Lease, backup: &Backup) -> anyhow::Result<()> {
    let store = platform.backups.as_ref();
    let store = store.context("this platform has no store for backups (HOPS_BACKUP_URL)")?;
    // A try that lost its lease writes to a place of its own, and the next one deletes what it left.
    let path = |epoch: i64| format!("{}/{}-{epoch}.dump", backup.name, backup.id);
    for before in lease.epochs_before().rev().take(LOOKED_FOR) {
        delete(store, &path(before)).await;
    }
    let path = path(lease.epoch());
    let dumping = timeout(DEADLINE, dump(platform, store, backup, &path));
    let dumped = tokio::select! {
        dumped = dumping => dumped.context("it takes too long").flatten(),
        lost = lease.lost() => return Err(lost.into()),
    };
    let Dumped {
        at,
        written,
        contents,
        settings,
    } = match dumped {
        Ok(dumped) => dumped,
        Err(error) => {
            // It may be there all the same: only the store's answer was lost.
            delete(store, &path).await;
            return Err(error);
        }
    };
    let settings = settings.seal(&platform.key, backup.id)?;
    let mut tx = lease.begin().await?;
    let taken = db::backups::Taken {
        at,
        path: &path,
        written: &written,
        contents: &contents,
        settings: &settings,
    };
    db::backups::set_taken(&mut *tx, backup.id, &taken).await?;
    tx.commit().await?;
    let (rows, bytes) = (contents.rows(), written.bytes);
    tracing::info!(database = backup.name, rows, bytes, "took a backup");
    Ok(())
}

/// A dump that stays is found by nobody, and holds data; but why the try failed is more worth telling.
async fn delete(store: &Store, path: &str) {
    if let Err(error) = store.delete(path).await {
        tracing::warn!(path, error = format!("{error:#}"), "a dump may be left");
    }
}

/// What was dumped.
struct Dumped {
    /// When the snapshot was made.
    at: Timestamp,
    written: Written,
    contents: Contents,
    settings: Settings,
}

async fn dump(
    platform: &Platform,
    store: &Store,
    backup: &Backup,
    path: &str,
) -> anyhow::Result<Dumped> {
    let databases = db::databases::of_environment(&platform.db, backup.environment).await?;
    let database = databases
        .iter()
        .find(|database| database.name == backup.name);
    let database = database.context("the database is gone")?;
    let server = server(platform, database)?;
    let who = account(platform, database)?;
    let unanswered = || format!("the database server `{}`", server.name);

    let connected = server.connect_as(&who, &backup.name).await;
    let mut connection = connected.with_context(unanswered)?;
    let snapshot = "set session idle_in_transaction_session_timeout = 0; \
        begin transaction isolation level repeatable read, read only";
    connection
        .execute(snapshot)
        .await
        .with_context(unanswered)?;
    let snapshot: String = sqlx::query_scalar("select pg_catalog.pg_export_snapshot()")
        .fetch_one(&mut connection)
        .await
        .with_context(unanswered)?;
    let at = Timestamp::now();
    let contents = Contents::read(&mut connection).await;
    let contents = contents.with_context(unanswered)?;
    let settings = Settings::read(&mut connection).await;
    let settings = settings.with_context(unanswered)?;
    let (dump, output) = Dump::start(server, &who, &backup.name, &snapshot)?;
    let written = store.write(path, output, dump.end()).await?;
    let _ = connection.execute("commit").await;
    let _ = connection.close().await;
    Ok(Dumped {
        at,
        written,
        contents,
        settings,
    })
}

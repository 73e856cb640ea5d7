//! Takes a backup: a dump into the store, and what was in the database in the snapshot that was dumped.

use anyhow::Context;
use sqlx::{Connection, Executor};

use super::{contents::Contents, programs::Dump};
use crate::{
    db::{self, backups::Backup},
    lease::Lease,
    platform::Platform,
};

/// Takes the backup that is waiting, and writes it down.
///
/// # Errors
/// When the server, the store or `pg_dump` fails; then nothing is written down, and what was written to
/// the store is replaced by the next try.
pub async fn take(platform: &Platform, lease: &Lease, backup: &Backup) -> anyhow::Result<()> {
    let store = platform.backups.as_ref();
    let store = store.context("this platform has no store for backups (HOPS_BACKUP_URL)")?;
    let server = platform.databases.get(&backup.server);
    let server =
        server.context("its database server is not in the platform's settings any more")?;
    let unanswered = || format!("the database server `{}`", server.name);

    let mut connection = server
        .connect_to(&backup.name)
        .await
        .with_context(unanswered)?;
    let snapshot = "set session idle_in_transaction_session_timeout = 0; \
        begin transaction isolation level repeatable read, read only";
    connection
        .execute(snapshot)
        .await
        .with_context(unanswered)?;
    let snapshot: String = sqlx::query_scalar("select pg_export_snapshot()")
        .fetch_one(&mut connection)
        .await
        .with_context(unanswered)?;
    let contents = Contents::read(&mut connection).await;
    let contents = contents.with_context(unanswered)?;

    let path = format!("{}/{}.dump", backup.name, backup.id);
    let (dump, output) = Dump::start(server, &backup.name, &snapshot)?;
    let writing = async {
        let written = store.write(&path, output).await?;
        dump.end().await?;
        anyhow::Ok(written)
    };
    let written = tokio::select! {
        written = writing => written?,
        lost = lease.lost() => return Err(lost.into()),
    };
    let _ = connection.execute("commit").await;
    let _ = connection.close().await;

    let mut tx = lease.begin().await?;
    db::backups::set_taken(&mut *tx, backup.id, &path, &written, &contents).await?;
    tx.commit().await?;
    let (rows, bytes) = (contents.rows(), written.bytes);
    tracing::info!(database = backup.name, rows, bytes, "took a backup");
    Ok(())
}

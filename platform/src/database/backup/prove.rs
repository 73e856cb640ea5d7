//! Proves a backup: it is read from the store, restored into a scratch database, compared with what was
//! dumped, timed, and the scratch database dropped. A backup that nobody has restored is a hope.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, bail};
use secrecy::SecretString;
use sqlx::{Connection, Executor};
use tempfile::TempDir;
use tokio::time::timeout;

use super::{
    contents::Contents,
    programs::{self, DEADLINE},
    settings::Settings,
};
use crate::{
    database::{
        environment::new_password,
        names::Login,
        provision::{self, MakeError, Wanted},
        servers::{Account, Server},
    },
    db::{self, backups::Backup},
    lease::Lease,
    platform::Platform,
};

/// Proves the backup that was taken, and writes down what became of it.
///
/// # Errors
/// When a server or the store is away. That the backup is not what was dumped is no error: it has failed
/// then.
pub async fn prove(platform: &Platform, lease: &Lease, backup: &Backup) -> anyhow::Result<()> {
    let server = platform.databases.get(&backup.server);
    let server =
        server.context("its database server is not in the platform's settings any more")?;
    let scratch = own_name(server, lease, scratch_name(backup)).await?;
    let password = new_password();
    let wanted = scratch_of(&scratch, &password);
    let begun = Instant::now();
    let restored = tokio::select! {
        restored = restore_as(platform, lease, server, backup, &wanted) => {
            restored.and_then(|contents| compare(backup, &contents))
        }
        lost = lease.lost() => return Err(lost.into()),
    };
    let seconds = begun.elapsed().as_secs_f64();
    provision::delete(server, &scratch).await?;
    let mut tx = lease.begin().await?;
    match restored {
        Ok(()) => {
            db::backups::set_proved(&mut *tx, backup.id, seconds).await?;
            tracing::info!(database = backup.name, seconds, "proved a backup");
        }
        Err(NotRestored::Damaged(reason)) => {
            db::backups::fail(&mut *tx, backup.id, &reason).await?;
            tracing::error!(
                database = backup.name,
                reason,
                "a backup is not what was dumped"
            );
        }
        Err(NotRestored::Away(error)) => return Err(error),
    }
    tx.commit().await?;
    Ok(())
}

/// The name of this try's database: a try that lost its lease cannot reach what another made, and this
/// one drops what those before it left.
///
/// # Errors
/// When the server refuses, or is away.
pub(super) async fn own_name(
    server: &Server,
    lease: &Lease,
    name: impl Fn(i64) -> String,
) -> Result<String, MakeError> {
    let before: Vec<String> = lease.epochs_before().map(&name).collect();
    provision::delete_what_is_there(server, &before).await?;
    Ok(name(lease.epoch()))
}

fn scratch_name(backup: &Backup) -> impl Fn(i64) -> String {
    move |epoch| format!("hops_proof_{}_{epoch}", backup.id.simple())
}

/// Makes sure that no try left a copy of the data on the server.
///
/// # Errors
/// When the server refuses, or is away.
pub async fn clear(platform: &Platform, lease: &Lease, backup: &Backup) -> anyhow::Result<()> {
    forget_dumps(platform, lease);
    let Some(server) = platform.databases.get(&backup.server) else {
        return Ok(());
    };
    let own = own_name(server, lease, scratch_name(backup)).await?;
    Ok(provision::delete(server, &own).await?)
}

/// An empty database of this name, whose extensions come with the dump.
pub(super) fn scratch_of<'a>(name: &'a str, password: &'a SecretString) -> Wanted<'a> {
    Wanted {
        database: name,
        login: (Login::A, password),
        extensions: &[],
    }
}

/// Why a backup was not restored.
#[derive(Debug, thiserror::Error)]
pub enum NotRestored {
    /// It is not what was dumped.
    #[error("{0}")]
    Damaged(String),
    /// Something that it takes is away.
    #[error(transparent)]
    Away(#[from] anyhow::Error),
}

/// Makes a database and restores a backup into it, as that database's own login: what is in a
/// dump runs with that one's rights and no others. The rows are compared with those that were dumped.
///
/// # Errors
/// See [`NotRestored`].
pub async fn restore_as(
    platform: &Platform,
    lease: &Lease,
    server: &Server,
    backup: &Backup,
    wanted: &Wanted<'_>,
) -> Result<Contents, NotRestored> {
    let folder = own_folder(platform, lease)?;
    let file = folder.path().join("dump");
    // A server whose machine is gone answers nothing, for ever.
    let restored = timeout(DEADLINE, restore(platform, server, backup, wanted, &file)).await;
    restored.context("a restore takes too long")?
}

async fn restore(
    platform: &Platform,
    server: &Server,
    backup: &Backup,
    wanted: &Wanted<'_>,
    file: &Path,
) -> Result<Contents, NotRestored> {
    fetch(platform, backup, file).await?;
    provision::make(server, wanted)
        .await
        .map_err(anyhow::Error::from)?;
    let (who, name) = (wanted.account(), wanted.database);
    // The dump is whole: what fails is the server's trouble, or an extension's.
    programs::restore(server, &who, name, file).await?;
    if let Some(sealed) = &backup.settings {
        let settings = Settings::open(&platform.key, backup.id, sealed)?;
        give(server, &who, name, &settings).await?;
    }
    let contents = read(server, &who, name).await?;
    same(dumped(backup)?.difference_of_rows(&contents))?;
    Ok(contents)
}

/// Of the same server not only the rows must be the same.
fn compare(backup: &Backup, contents: &Contents) -> Result<(), NotRestored> {
    same(dumped(backup)?.difference_of_objects(contents))
}

fn dumped(backup: &Backup) -> anyhow::Result<&Contents> {
    let contents = backup.contents.as_ref();
    contents.context("a backup without contents")
}

fn same(difference: Option<String>) -> Result<(), NotRestored> {
    match difference {
        None => Ok(()),
        Some(difference) => Err(NotRestored::Damaged(format!(
            "what was restored is not what was dumped: {difference}"
        ))),
    }
}

/// A folder for the dump, which nobody else reads.
fn own_folder(platform: &Platform, lease: &Lease) -> anyhow::Result<TempDir> {
    forget_dumps(platform, lease);
    let all = dumps(platform);
    std::fs::create_dir_all(&all).with_context(|| all.display().to_string())?;
    let own = lease.id().to_string();
    let folder = tempfile::Builder::new().prefix(&own).tempdir_in(&all);
    folder.context("a folder for a dump")
}

fn dumps(platform: &Platform) -> PathBuf {
    platform.config.data_dir.join("dumps")
}

/// Deletes the dumps that tries before this one left here when their process was killed.
pub(super) fn forget_dumps(platform: &Platform, lease: &Lease) {
    let own = lease.id().to_string();
    let left = std::fs::read_dir(dumps(platform)).into_iter().flatten();
    for left in left.flatten() {
        if left.file_name().to_string_lossy().starts_with(&own) {
            let _ = std::fs::remove_dir_all(left.path());
        }
    }
}

/// Copies the dump out of the store. One that is gone, truncated or altered is found out here.
async fn fetch(platform: &Platform, backup: &Backup, file: &Path) -> Result<(), NotRestored> {
    let store = platform.backups.as_ref();
    let store = store.context("this platform has no store for backups (HOPS_BACKUP_URL)")?;
    let path = backup
        .path
        .as_deref()
        .context("a backup that was not taken")?;
    let Some(read) = store.read_into(path, file).await? else {
        return Err(NotRestored::Damaged(db::backups::GONE.to_owned()));
    };
    let bytes = backup.bytes.unwrap_or_default();
    if read.bytes != bytes {
        return Err(NotRestored::Damaged(format!(
            "the dump has {} bytes, and had {bytes} when it was written",
            read.bytes
        )));
    }
    if Some(read.digest) != backup.digest {
        return Err(NotRestored::Damaged(
            "the dump is not the one that was written: its digest is another".to_owned(),
        ));
    }
    Ok(())
}

/// What is in no dump.
async fn give(
    server: &Server,
    who: &Account,
    name: &str,
    settings: &Settings,
) -> anyhow::Result<()> {
    let what = || format!("the database server `{}`", server.name);
    let mut connection = server.connect_as(who, name).await.with_context(what)?;
    let given = settings.give(&mut connection, name).await;
    given.with_context(what)?;
    let _ = connection.close().await;
    Ok(())
}

async fn read(server: &Server, who: &Account, name: &str) -> anyhow::Result<Contents> {
    let what = || format!("the database server `{}`", server.name);
    let mut connection = server.connect_as(who, name).await.with_context(what)?;
    connection.execute("begin").await.with_context(what)?;
    let contents = Contents::read(&mut connection).await;
    let _ = connection.close().await;
    match contents {
        Ok(contents) => Ok(contents),
        Err(error) => bail!("{}: {error}", what()),
    }
}

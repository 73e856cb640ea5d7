//! Which databases are due for a backup, and which backups have been kept for long enough.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use anyhow::Context;

use super::store::Store;
use crate::{
    db::{
        self,
        backups::{Backup, GONE},
    },
    lease::Work,
    platform::Platform,
};

/// How often one looks.
pub const EVERY: Duration = Duration::from_secs(60);

/// Asks for the backups that are due, and deletes those that have been kept for long enough. The newest
/// one that was proved, or else the newest, is kept however old it is, and none goes while that one is not
/// there.
///
/// # Errors
/// When Postgres or the store fails: the next look does it.
pub async fn look(platform: &Platform) -> anyhow::Result<()> {
    let Some(store) = &platform.backups else {
        return Ok(());
    };
    let config = &platform.config;
    if let Some(every) = config.backup_every {
        let environments: Vec<String> = config
            .backup_environments
            .iter()
            .map(ToString::to_string)
            .collect();
        if db::backups::schedule(&platform.db, every, &environments).await? > 0 {
            Work::Backups.notify(&platform.db).await?;
        }
    }
    let mut still_there = BTreeMap::new();
    for backup in db::backups::outdated(&platform.db, config.backup_keep).await? {
        let whose = (backup.environment, backup.appling.clone());
        // Of one that was never taken there is nothing to be found.
        let is_there = backup.path.is_none()
            || match still_there.entry(whose) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(unknown) => {
                    let is_kept = is_kept(platform, store, &backup).await;
                    *unknown.insert(is_kept.unwrap_or_else(|error| {
                        let error = format!("{error:#}");
                        tracing::warn!(database = backup.name, error, "nothing is deleted now");
                        false
                    }))
                }
            };
        if !is_there {
            continue;
        }
        // One that cannot be deleted keeps none of the others.
        if let Err(error) = delete(platform, store, &backup).await {
            let error = format!("{error:#}");
            tracing::warn!(
                database = backup.name,
                error,
                "a backup could not be deleted"
            );
        }
    }
    Ok(())
}

/// Whether the backup of the same database that is to be kept is where it was: before an older one goes. When
/// it is not, it was none.
async fn is_kept(platform: &Platform, store: &Store, outdated: &Backup) -> anyhow::Result<bool> {
    let (environment, appling) = (outdated.environment, outdated.appling.as_ref());
    let kept = db::backups::kept(&platform.db, environment, appling).await?;
    let Some(kept) = kept else {
        return Ok(true);
    };
    let database = &kept.name;
    if is_there(store, &kept).await? {
        return Ok(true);
    }
    if is_there(store, outdated).await? {
        db::backups::fail(&platform.db, kept.id, GONE).await?;
        tracing::error!(database, backup = %kept.id, "the dump of a backup is gone");
    } else {
        tracing::error!(database, %store, "no dump is found: is this the right store for backups? Nothing is deleted");
    }
    Ok(false)
}

async fn is_there(store: &Store, backup: &Backup) -> anyhow::Result<bool> {
    match &backup.path {
        Some(path) => Ok(store.length(path).await?.is_some()),
        None => Ok(false),
    }
}

async fn delete(platform: &Platform, store: &Store, backup: &Backup) -> anyhow::Result<()> {
    if let Some(path) = &backup.path {
        store.delete(path).await?;
    }
    let deleted = db::backups::set_deleted(&platform.db, backup.id).await;
    deleted.context("writing down that a backup was deleted")?;
    tracing::info!(database = backup.name, "deleted a backup");
    Ok(())
}

//! Which databases are due for a backup, and which backups have been kept for long enough.

use std::time::Duration;

use anyhow::Context;

use crate::{db, lease::Work, platform::Platform};

/// How often one looks.
pub const EVERY: Duration = Duration::from_secs(60);

/// Asks for the backups that are due, and deletes those that have been kept for long enough. The newest
/// one that was proved is kept however old it is.
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
    for backup in db::backups::outdated(&platform.db, config.backup_keep).await? {
        if let Some(path) = &backup.path {
            store.delete(path).await?;
        }
        db::backups::set_deleted(&platform.db, backup.id)
            .await
            .context("writing down that a backup was deleted")?;
        tracing::info!(database = backup.name, "deleted a backup");
    }
    Ok(())
}

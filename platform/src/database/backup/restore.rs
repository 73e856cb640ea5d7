//! Restores a backup: into a new database, which takes the place of the one before once it was compared
//! with what was dumped. The one before stays until somebody drops it.

use anyhow::Context;
use uuid::Uuid;

use super::{
    TRIES,
    prove::{NotRestored, forget_dumps, own_name, restore_as, scratch_of},
};
use crate::{
    database::{environment::new_password, names, provision},
    db::{
        self,
        databases::{Database, NewDatabase},
        environments::EnvironmentRow,
    },
    lease::{Lease, Next},
    platform::Platform,
};

/// Does the restore that `lease` holds.
///
/// # Errors
/// When a server or the store is away: tried again a little later.
pub async fn work(platform: &Platform, lease: &Lease) -> anyhow::Result<Next> {
    let restore = db::restores::get(&platform.db, lease.id()).await?;
    if restore.has_ended {
        if restore.reason.is_some() {
            // It was given up. What is left to do is to leave no copy of the data behind.
            clear(platform, lease, &restore).await?;
        }
        return Ok(Next::Rest);
    }
    let reason = match restored(platform, lease, &restore).await {
        Ok(()) => return Ok(Next::Rest),
        Err(NotRestored::Damaged(reason)) => reason,
        Err(NotRestored::Away(error)) if lease.attempts() + 1 < TRIES => return Err(error),
        Err(NotRestored::Away(error)) => format!("{error:#}"),
    };
    let mut tx = lease.begin().await?;
    // It may have ended well all the same: only Postgres' answer was lost.
    if db::restores::get(&mut *tx, restore.id).await?.has_ended {
        return Ok(Next::Rest);
    }
    db::restores::end(&mut *tx, restore.id, Some(&reason)).await?;
    tx.commit().await?;
    tracing::error!(reason, "a restore failed");
    Ok(Next::Retry)
}

async fn restored(
    platform: &Platform,
    lease: &Lease,
    restore: &db::restores::Restore,
) -> Result<(), NotRestored> {
    let backup = db::backups::get(&platform.db, restore.backup).await;
    let backup = backup.context("reading a backup")?;
    let environment = db::environments::get(&platform.db, restore.environment).await;
    let environment = environment.context("reading an environment")?;
    let server = platform.databases.of_environment(environment.environment);
    let server = server.context("there is no database server for this environment")?;
    let (app, owner) = (&environment.app, restore.appling.as_ref());
    let away = anyhow::Error::from;
    let name = own_name(server, lease, names_of(restore, &environment)).await;
    let name = name.map_err(away)?;
    let password = new_password();
    let wanted = scratch_of(&name, &password);
    let restored = tokio::select! {
        restored = restore_as(platform, lease, server, &backup, &wanted) => restored,
        lost = lease.lost() => return Err(NotRestored::Away(lost.into())),
    };
    if let Err(error) = restored {
        // No copy of somebody's data is left that nobody knows of.
        provision::delete(server, &name).await.map_err(away)?;
        return Err(error);
    }
    let id = Uuid::now_v7();
    let sealed = platform.key.seal(&Database::place(id), &password)?;
    let new = NewDatabase {
        id,
        environment: restore.environment,
        appling: owner,
        server: &server.name,
        name: &name,
        password: &sealed,
    };
    let switching = async {
        let mut tx = lease.begin().await?;
        // As whoever passes over the environment: its row first, then its databases'.
        db::environments::lock_or_create(&mut tx, app, environment.environment).await?;
        db::databases::replace(&mut tx, &new, &server.limits()).await?;
        db::restores::end(&mut *tx, restore.id, None).await?;
        tx.commit().await?;
        db::environments::nudge(&platform.db, app, environment.environment).await?;
        anyhow::Ok(())
    };
    switching.await?;
    tracing::info!(%app, environment = %environment.environment, database = name, "restored a backup");
    Ok(())
}

/// The name of each try's database.
fn names_of(restore: &db::restores::Restore, to: &EnvironmentRow) -> impl Fn(i64) -> String {
    move |epoch| {
        let own = restore.id.as_u128();
        let own = Uuid::from_u128(own.wrapping_add(epoch.unsigned_abs().into()));
        names::database(&to.app, to.environment, restore.appling.as_ref(), own)
    }
}

/// Makes sure that no try left a copy of the data on the server.
async fn clear(
    platform: &Platform,
    lease: &Lease,
    restore: &db::restores::Restore,
) -> anyhow::Result<()> {
    forget_dumps(platform, lease);
    let environment = db::environments::get(&platform.db, restore.environment).await?;
    let Some(server) = platform.databases.of_environment(environment.environment) else {
        return Ok(());
    };
    let own = own_name(server, lease, names_of(restore, &environment)).await?;
    Ok(provision::delete(server, &own).await?)
}

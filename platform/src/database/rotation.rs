//! Another password for a database, without a lost query: the idle login gets it, the pods move over to
//! that login by a rollout, and the one before is locked after its last pod is gone.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Context;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    environment::{new_password, server},
    provision::{self, MakeError},
};
use crate::{
    db::{self, databases::Database},
    platform::Platform,
    rollout,
};

/// How long it may take to lock a login: the row's lock lasts no longer than the platform's own Postgres lets a
/// transaction be idle.
const LOCKING: Duration = Duration::from_secs(10);

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum NotRotated {
    /// Pods of the rotation before are still there.
    #[error("the last rotation is not over: pods that began before it are still running")]
    Unfinished,
    /// The server refuses, or is away.
    #[error(transparent)]
    Server(#[from] MakeError),
    /// The platform's own database failed.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// Gives the idle login a new password and its turn. The environment's next pass moves the pods over.
///
/// # Errors
/// See [`NotRotated`]; the login in use works on whatever happens.
pub async fn rotate(platform: &Platform, database: &Database) -> Result<(), NotRotated> {
    let _turn = server(platform, database)?.turn().await;
    // One at a time: else one could write down its own password, and the server have another's.
    let mut tx = platform.db.begin().await.context("a transaction")?;
    let locked = db::databases::lock(&mut *tx, database.id).await;
    let database = locked.context("locking a database's row")?;
    if database.other_works {
        return Err(NotRotated::Unfinished);
    }
    let server = server(platform, &database)?;
    let password = new_password();
    let place = Database::place(database.id);
    let sealed = platform.key.seal(&place, &password)?;
    provision::let_in(
        server,
        &database.login.other().role(&database.name),
        &password,
    )
    .await?;
    let turned = db::databases::take_turns(&mut *tx, database.id, database.login, &sealed).await;
    turned.context("writing down a rotation")?;
    tx.commit().await.context("writing down a rotation")?;
    Ok(())
}

/// Locks the logins before the last rotations, once no pod has their passwords any more.
///
/// # Errors
/// When Postgres or Kubernetes fails; a server that is away is tried again by the next pass.
pub async fn finish(platform: &Platform, environment: Uuid, namespace: &str) -> anyhow::Result<()> {
    let databases = db::databases::of_environment(&platform.db, environment).await?;
    let rotating: Vec<&Database> = databases.iter().filter(|one| one.other_works).collect();
    if rotating.is_empty() {
        return Ok(());
    }
    let in_use: BTreeSet<String> = rollout::secrets::logins(&platform.cluster, namespace).await?;
    for database in rotating {
        let before = database.login.other().role(&database.name);
        if in_use.contains(&before) {
            continue;
        }
        let locking = timeout(LOCKING, lock_other(platform, database)).await;
        if let Err(error) = locking.map_err(Into::into).flatten() {
            let error = format!("{error:#}");
            tracing::warn!(
                database = database.name,
                error,
                "a login could not be locked yet"
            );
        }
    }
    Ok(())
}

async fn lock_other(platform: &Platform, seen: &Database) -> anyhow::Result<()> {
    let _turn = server(platform, seen)?.turn().await;
    // Another controller may have finished this rotation, and the next one have begun: then it is this
    // login's turn.
    let mut tx = platform.db.begin().await.context("a transaction")?;
    let database = db::databases::lock(&mut *tx, seen.id).await?;
    if !database.other_works || database.login != seen.login {
        return Ok(());
    }
    let before = database.login.other().role(&database.name);
    provision::lock(server(platform, &database)?, &before).await?;
    db::databases::other_is_locked(&mut *tx, database.id).await?;
    Ok(tx.commit().await?)
}

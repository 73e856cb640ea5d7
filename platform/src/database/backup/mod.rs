//! Backups: taken of a database, proved by a restore, kept for a while, and restored when need be.
//!
//! | file | |
//! | --- | --- |
//! | `take` | a dump into the store, and what was in the database in the same snapshot |
//! | `prove` | the dump restored into a scratch database, and that compared |
//! | `restore` | a dump restored into a new database, which takes the place of the one before |
//! | `contents` | what is in a database: rows and a checksum of each table |
//! | `settings` | what is set of a database, which is in no dump |
//! | `store` | where dumps are: a directory, or a bucket of an S3-compatible store |
//! | `programs` | `pg_dump` and `pg_restore` |
//! | `schedule` | which databases are due, and which backups have been kept for long enough |
//!
//! A backup is a row that is work, see [`crate::lease`]: `waiting` until it is taken, `taken` until it is
//! proved. A restore is another.

pub mod contents;
pub mod programs;
pub mod prove;
pub mod restore;
pub mod schedule;
pub mod settings;
pub mod store;
pub mod take;

use anyhow::Context;

use crate::{
    db::{self, backups::State},
    lease::{Lease, Next},
    platform::Platform,
};

/// So often a step is tried before a backup has failed, over half a minute at least: a server may be away for
/// a while.
const TRIES: i32 = 7;

/// Does what is next for the backup that `lease` holds.
///
/// # Errors
/// When a server or the store is away: tried again a little later.
pub async fn work(platform: &Platform, lease: &Lease) -> anyhow::Result<Next> {
    let backup = db::backups::get(&platform.db, lease.id()).await?;
    let was_proof = matches!(backup.state, State::Taken | State::Proved);
    if was_proof && backup.reason.is_some() {
        // It was given up. What is left to do is to leave no copy of the data behind.
        prove::clear(platform, lease, &backup).await?;
        return Ok(Next::Rest);
    }
    let done = match backup.state {
        State::Waiting => take::take(platform, lease, &backup).await,
        State::Taken => prove::prove(platform, lease, &backup).await,
        State::Proved | State::Failed | State::Deleted => return Ok(Next::Rest),
    };
    match done {
        // What was taken is to be proved at once.
        Ok(()) if backup.state == State::Waiting => Ok(Next::After(std::time::Duration::ZERO)),
        Ok(()) => Ok(Next::Rest),
        Err(error) if lease.attempts() + 1 < TRIES => {
            Err(error.context(format!("a backup of {}", backup.name)))
        }
        Err(error) => {
            let mut tx = lease.begin().await?;
            let reason = format!("{error:#}");
            match backup.state {
                // It may be as good as ever: only the proof could not be made.
                State::Taken => db::backups::not_proved(&mut *tx, backup.id, &reason).await?,
                _ => db::backups::fail(&mut *tx, backup.id, &reason).await?,
            }
            tx.commit().await.context("writing down a failed backup")?;
            tracing::error!(database = backup.name, reason, "a backup failed");
            Ok(Next::Retry)
        }
    }
}

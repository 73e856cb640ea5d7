//! How a pass writes down what became of a release and of its applings.

use iterapp_schema::ApplingName;
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::tell;
use crate::{
    db::{self, releases::Release},
    lease::Lease,
};

/// A transaction for writing down what became of a release; none when a newer one took over since
/// the release was read. Whoever makes a release locks the environment's row first, as the lease
/// does here, so that the answer holds until the end of the transaction.
pub(super) async fn begin(
    lease: &Lease,
    release: &Release,
) -> anyhow::Result<Option<Transaction<'static, Postgres>>> {
    let mut tx = lease.begin().await?;
    let unfinished = db::releases::is_unfinished(&mut *tx, release.id).await?;
    Ok(unfinished.then_some(tx))
}

/// Adds a text to a release's log.
pub(super) async fn say(
    tx: &mut Transaction<'_, Postgres>,
    release: Uuid,
    appling: Option<&ApplingName>,
    text: &str,
) -> sqlx::Result<()> {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    db::log_lines::append(tx, release, appling.map(AsRef::as_ref), &lines).await
}

/// Fails an appling of a release, and says so; nothing when it has its verdict already.
pub(super) async fn fail(
    tx: &mut Transaction<'_, Postgres>,
    release: &Release,
    name: &ApplingName,
    reason: &str,
) -> anyhow::Result<()> {
    if db::verdicts::fail(tx, release.id, name, reason).await? {
        say(
            tx,
            release.id,
            Some(name),
            &tell::appling_failed(name, reason),
        )
        .await?;
    }
    Ok(())
}

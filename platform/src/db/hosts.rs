//! Hosts: each belongs to the app that first claimed it.

use iterapp_schema::AppName;
use sqlx::{Postgres, Transaction};

/// Claims hosts for an app; returns those that are another app's, with that app's name.
///
/// # Errors
/// When Postgres fails.
pub async fn claim(
    tx: &mut Transaction<'_, Postgres>,
    app: &AppName,
    hosts: &[String],
) -> sqlx::Result<Vec<(String, String)>> {
    // In a fixed order, so that two apps that claim the same hosts cannot wait for each other.
    let mut sorted = hosts.to_vec();
    sorted.sort_unstable();
    sqlx::query(
        "insert into hosts (host, app) select unnest($1::text[]), $2 on conflict do nothing",
    )
    .bind(&sorted)
    .bind(app.as_ref())
    .execute(&mut **tx)
    .await?;
    sqlx::query_as("select host, app from hosts where host = any($1) and app <> $2 order by host")
        .bind(&sorted)
        .bind(app.as_ref())
        .fetch_all(&mut **tx)
        .await
}

/// Gives back every host of an app that is not in `kept`.
///
/// # Errors
/// When Postgres fails.
pub async fn release_others(
    tx: &mut Transaction<'_, Postgres>,
    app: &AppName,
    kept: &[String],
) -> sqlx::Result<()> {
    sqlx::query("delete from hosts where app = $1 and host <> all($2)")
        .bind(app.as_ref())
        .bind(kept)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

//! All that lies sealed with the platform's key, wherever it is: for sealing it with another one. And the
//! key of the fingerprints, which is nobody else's.

use sqlx::{FromRow, PgConnection, PgPool};

/// A table, its sealed column, and the place that a row's value is sealed for.
///
/// The apps come last: while their rows are locked, no release gets a number.
const COLUMNS: [(&str, &str, &str); 8] = [
    ("fingerprint_key", "key", "'fingerprint-key'"),
    ("databases", "password", "'database/' || id"),
    (
        "sealing_keys",
        "private_key",
        "'sealing-key/' || encode(substr(sha256(public_key), 1, 4), 'hex')",
    ),
    (
        "secrets",
        "value",
        "'secret/' || environment || '/' || name || '/' || key",
    ),
    ("backups", "settings", "'backup/' || id"),
    ("apps", "webhook_secret", "'webhook/' || name"),
    ("apps", "forge_token", "'forge-token/' || name"),
    ("apps", "deploy_key", "'deploy-key/' || name"),
];

/// A sealed value.
#[derive(Debug, FromRow)]
pub struct Value {
    /// What it is sealed for.
    pub place: String,
    /// Itself.
    pub sealed: Vec<u8>,
    row: String,
}

/// Gives every value to `reseal`, and writes what that answers, if anything, in its place. Nobody else
/// writes them until the transaction ends. Says how many there are, and how many were written.
///
/// # Errors
/// When Postgres or `reseal` fails.
pub async fn reseal_all(
    tx: &mut PgConnection,
    reseal: impl Fn(&Value) -> anyhow::Result<Option<Vec<u8>>>,
) -> anyhow::Result<(usize, usize)> {
    let (mut all, mut written) = (0, 0);
    for (table, column, place) in COLUMNS {
        let select = format!(
            "select ctid::text as row, {place} as place, {column} as sealed
             from {table} where {column} is not null for no key update"
        );
        let update = format!("update {table} set {column} = $1 where ctid = $2::tid");
        let values: Vec<Value> = sqlx::query_as(sqlx::AssertSqlSafe(select))
            .fetch_all(&mut *tx)
            .await?;
        all += values.len();
        for value in values {
            if let Some(sealed) = reseal(&value)? {
                let update = sqlx::query(sqlx::AssertSqlSafe(update.clone()));
                let update = update.bind(sealed).bind(value.row);
                update.execute(&mut *tx).await?;
                written += 1;
            }
        }
    }
    Ok((all, written))
}

/// The sealed key of the fingerprints: this one, unless there is one already.
///
/// # Errors
/// When Postgres fails.
pub async fn fingerprint_key(db: &PgPool, new: &[u8]) -> sqlx::Result<Vec<u8>> {
    sqlx::query("insert into fingerprint_key (key) values ($1) on conflict do nothing")
        .bind(new)
        .execute(db)
        .await?;
    sqlx::query_scalar("select key from fingerprint_key")
        .fetch_one(db)
        .await
}

//! Secrets that were given to the platform by hand, each for one environment.

use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

/// A value.
#[derive(Debug, Clone, FromRow)]
pub struct Secret {
    /// The secret's name.
    pub name: String,
    /// The key in it.
    pub key: String,
    /// Sealed for `secret/{environment}/{name}/{key}`.
    pub value: Vec<u8>,
    updated_at: jiff_sqlx::Timestamp,
}

impl Secret {
    /// When it was last set.
    pub fn updated_at(&self) -> jiff::Timestamp {
        self.updated_at.to_jiff()
    }
}

/// All of an environment, by name and key.
///
/// # Errors
/// When Postgres fails.
pub async fn of_environment(
    db: impl PgExecutor<'_>,
    environment: Uuid,
) -> sqlx::Result<Vec<Secret>> {
    sqlx::query_as(
        "select name, key, value, updated_at from secrets where environment = $1 order by name, key",
    )
    .bind(environment)
    .fetch_all(db)
    .await
}

/// Sets a value.
///
/// # Errors
/// When Postgres fails.
pub async fn set(
    db: impl PgExecutor<'_>,
    environment: Uuid,
    (name, key): (&str, &str),
    value: &[u8],
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into secrets (environment, name, key, value) values ($1, $2, $3, $4)
         on conflict (environment, name, key) do update set value = excluded.value, updated_at = now()",
    )
    .bind(environment)
    .bind(name)
    .bind(key)
    .bind(value)
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes a key of a secret, or, without one, all of them; says how many there were.
///
/// # Errors
/// When Postgres fails.
pub async fn delete(
    db: impl PgExecutor<'_>,
    environment: Uuid,
    name: &str,
    key: Option<&str>,
) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "delete from secrets where environment = $1 and name = $2 and ($3::text is null or key = $3)",
    )
    .bind(environment)
    .bind(name)
    .bind(key)
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

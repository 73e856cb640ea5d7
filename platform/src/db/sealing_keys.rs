//! Key pairs for the values that stand sealed in repositories.

use sqlx::{FromRow, PgExecutor, PgPool};

/// A pair.
#[derive(Debug, Clone, FromRow)]
pub struct SealingKey {
    /// The public half.
    pub public_key: Vec<u8>,
    /// The private half, sealed for `sealing-key/{key id}`.
    pub private_key: Vec<u8>,
    created_at: jiff_sqlx::Timestamp,
}

impl SealingKey {
    /// When it was made.
    pub fn created_at(&self) -> jiff::Timestamp {
        self.created_at.to_jiff()
    }
}

/// All pairs, the newest first.
///
/// # Errors
/// When Postgres fails.
pub async fn all(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<SealingKey>> {
    sqlx::query_as("select * from sealing_keys order by created_at desc, public_key")
        .fetch_all(db)
        .await
}

/// Keeps a pair.
///
/// # Errors
/// When Postgres fails.
pub async fn insert(db: impl PgExecutor<'_>, public: &[u8], private: &[u8]) -> sqlx::Result<()> {
    sqlx::query("insert into sealing_keys (public_key, private_key) values ($1, $2)")
        .bind(public)
        .bind(private)
        .execute(db)
        .await?;
    Ok(())
}

/// Keeps a pair if there is none yet: of several platforms that start at once, one does.
///
/// # Errors
/// When Postgres fails.
pub async fn insert_first(db: &PgPool, public: &[u8], private: &[u8]) -> sqlx::Result<()> {
    let mut tx = db.begin().await?;
    sqlx::query("lock table sealing_keys in share row exclusive mode")
        .execute(&mut *tx)
        .await?;
    if all(&mut *tx).await?.is_empty() {
        insert(&mut *tx, public, private).await?;
    }
    tx.commit().await
}

/// Forgets a pair: what it sealed does not open any more.
///
/// # Errors
/// When Postgres fails.
pub async fn delete(db: impl PgExecutor<'_>, public: &[u8]) -> sqlx::Result<()> {
    sqlx::query("delete from sealing_keys where public_key = $1")
        .bind(public)
        .execute(db)
        .await?;
    Ok(())
}

/// The sealed values that releases need: those that run, and those before them that people may go back
/// to (the ten newest of each environment).
///
/// # Errors
/// When Postgres fails.
pub async fn in_use(db: &PgPool) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "with kept as (
           select id from (
             select id, row_number() over (partition by environment order by number desc) as age from releases
           ) as aged where age <= 10
           union select release from verdicts where state in ('live', 'building', 'releasing', 'rolling_out')
         )
         select value #>> '{}' from verdicts, jsonb_path_query(spec, '$.**.encrypted') as value
         where release in (select id from kept)
         union
         select value #>> '{}' from builds, jsonb_path_query(secrets, '$.**.encrypted') as value
         where state = 'waiting' or id in (select build from verdicts where release in (select id from kept))",
    )
    .fetch_all(db)
    .await
}

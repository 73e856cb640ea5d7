//! Log lines of releases and builds.

use jiff::Timestamp;
use sqlx::{Connection, FromRow, PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

/// One line as it is stored.
#[derive(Debug, Clone)]
pub struct Line {
    /// Counts from 1 within its stream.
    pub seq: i64,
    /// When it was written.
    pub at: Timestamp,
    /// The appling it is about.
    pub appling: Option<String>,
    /// Its text, without a line break.
    pub text: String,
}

#[derive(FromRow)]
struct Row {
    seq: i64,
    at: jiff_sqlx::Timestamp,
    appling: Option<String>,
    text: String,
}

/// Appends lines to a stream and wakes its readers.
///
/// # Errors
/// When Postgres fails; then none of the lines is stored.
pub async fn append(
    connection: &mut PgConnection,
    stream: Uuid,
    appling: Option<&str>,
    lines: &[String],
) -> sqlx::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    // Postgres' text cannot hold NUL.
    let lines: Vec<String> = lines
        .iter()
        .map(|line| line.replace('\0', "\u{fffd}"))
        .collect();
    let mut tx = connection.begin().await?;
    // Several steps may be told at once; numbers must not be taken twice, nor appear late.
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1::text, 0))")
        .bind(stream)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "insert into log_lines (stream, seq, at, appling, text)
         select $1, (select coalesce(max(seq), 0) from log_lines where stream = $1) + line.number, clock_timestamp(), $2, line.text
         from unnest($3::text[]) with ordinality as line (text, number)",
    )
    .bind(stream)
    .bind(appling)
    .bind(&lines)
    .execute(&mut *tx)
    .await?;
    notify(&mut *tx, stream).await?;
    tx.commit().await
}

/// Lines of a stream after `after`, at most `limit`.
///
/// # Errors
/// When Postgres fails.
pub async fn after(db: &PgPool, stream: Uuid, after: i64, limit: i64) -> sqlx::Result<Vec<Line>> {
    let rows = sqlx::query_as::<_, Row>(
        "select seq, at, appling, text from log_lines where stream = $1 and seq > $2 order by seq limit $3",
    )
    .bind(stream)
    .bind(after)
    .bind(limit)
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Line {
            seq: row.seq,
            at: row.at.to_jiff(),
            appling: row.appling,
            text: row.text,
        })
        .collect())
}

/// How many lines a stream has.
///
/// # Errors
/// When Postgres fails.
pub async fn count(db: &PgPool, stream: Uuid) -> sqlx::Result<i64> {
    sqlx::query_scalar("select coalesce(max(seq), 0) from log_lines where stream = $1")
        .bind(stream)
        .fetch_one(db)
        .await
}

/// Wakes whoever follows `stream`: a release, a build, or a push.
///
/// # Errors
/// When Postgres fails.
pub async fn notify(db: impl PgExecutor<'_>, stream: Uuid) -> sqlx::Result<()> {
    sqlx::query("select pg_notify('hops_log', $1)")
        .bind(stream.to_string())
        .execute(db)
        .await?;
    Ok(())
}

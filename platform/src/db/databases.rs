//! Databases of environments: what is wanted of the servers.

use iterapp_schema::ApplingName;
use sqlx::{FromRow, PgExecutor, types::Json};
use uuid::Uuid;

use super::owner;
use crate::database::names::Login;

/// A database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its identity.
    pub id: Uuid,
    /// The environment.
    pub environment: Uuid,
    /// Whose it is; nothing for the one that all applings share.
    pub appling: Option<ApplingName>,
    /// The server, by its name in the settings.
    pub server: String,
    /// Its name there.
    pub name: String,
    /// Which login applings use.
    pub login: Login,
    /// That login's password, sealed for [`Database::place`].
    pub password: Vec<u8>,
    /// Whether the other login still works.
    pub other_works: bool,
    /// When the password was last changed.
    pub rotated_at: Option<jiff::Timestamp>,
    /// The extensions that were made, once it was made.
    pub made: Option<Vec<String>>,
    /// The limits that it was made with.
    pub limits: Option<String>,
    /// When it was first wanted.
    pub created_at: jiff::Timestamp,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    environment: Uuid,
    appling: String,
    server: String,
    name: String,
    login: String,
    password: Vec<u8>,
    other_works: bool,
    rotated_at: Option<jiff_sqlx::Timestamp>,
    made: Option<Json<Vec<String>>>,
    limits: Option<String>,
    created_at: jiff_sqlx::Timestamp,
}

impl TryFrom<Row> for Database {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Database> {
        Ok(Database {
            id: row.id,
            environment: row.environment,
            appling: owner(&row.appling)?,
            server: row.server,
            name: row.name,
            login: Login::of_letter(&row.login),
            password: row.password,
            other_works: row.other_works,
            rotated_at: row.rotated_at.map(jiff_sqlx::Timestamp::to_jiff),
            made: row.made.map(|made| made.0),
            limits: row.limits,
            created_at: row.created_at.to_jiff(),
        })
    }
}

impl Database {
    /// The place that the password of a database of this id is sealed for.
    pub fn place(id: Uuid) -> String {
        format!("database/{id}")
    }

    /// The role that applings log in as.
    pub fn role(&self) -> String {
        self.login.role(&self.name)
    }
}

/// The servers that databases are on, and how many there are on each.
///
/// # Errors
/// When Postgres fails.
pub async fn count_by_server(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<(String, i64)>> {
    sqlx::query_as("select server, count(*) from databases group by server order by server")
        .fetch_all(db)
        .await
}

/// The databases of an environment, the shared one first.
///
/// # Errors
/// When Postgres fails.
pub async fn of_environment(
    db: impl PgExecutor<'_>,
    environment: Uuid,
) -> sqlx::Result<Vec<Database>> {
    let rows: Vec<Row> =
        sqlx::query_as("select * from databases where environment = $1 order by appling")
            .bind(environment)
            .fetch_all(db)
            .await?;
    rows.into_iter().map(Database::try_from).collect()
}

/// What is to be made.
#[derive(Debug)]
pub struct NewDatabase<'a> {
    /// Its identity.
    pub id: Uuid,
    /// The environment.
    pub environment: Uuid,
    /// Whose it is.
    pub appling: Option<&'a ApplingName>,
    /// The server.
    pub server: &'a str,
    /// Its name there.
    pub name: &'a str,
    /// The first login's password, sealed.
    pub password: &'a [u8],
}

/// Writes down that a database is wanted, unless one is already; says how many were.
///
/// # Errors
/// When Postgres fails.
pub async fn insert(db: impl PgExecutor<'_>, new: &NewDatabase<'_>) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "insert into databases (id, environment, appling, server, name, password)
         values ($1, $2, $3, $4, $5, $6) on conflict (environment, appling) do nothing",
    )
    .bind(new.id)
    .bind(new.environment)
    .bind(new.appling.map_or("", AsRef::as_ref))
    .bind(new.server)
    .bind(new.name)
    .bind(new.password)
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Writes down that it was made, with these extensions and limits.
///
/// # Errors
/// When Postgres fails.
pub async fn set_made(
    db: impl PgExecutor<'_>,
    id: Uuid,
    extensions: &[String],
    limits: &str,
) -> sqlx::Result<()> {
    sqlx::query("update databases set made = $2, limits = $3 where id = $1")
        .bind(id)
        .bind(Json(extensions))
        .bind(limits)
        .execute(db)
        .await?;
    Ok(())
}

/// A database, whose row stays locked until the transaction ends.
///
/// # Errors
/// When Postgres fails, or it is gone.
pub async fn lock(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Database> {
    let row: Row = sqlx::query_as("select * from databases where id = $1 for update")
        .bind(id)
        .fetch_one(db)
        .await?;
    row.try_into()
}

/// Gives the other login its turn, with this password; the one before works until it is locked.
///
/// # Errors
/// When Postgres fails.
pub async fn take_turns(
    db: impl PgExecutor<'_>,
    id: Uuid,
    from: Login,
    password: &[u8],
) -> sqlx::Result<()> {
    sqlx::query(
        "update databases set login = $2, password = $3, other_works = true, rotated_at = now()
         where id = $1",
    )
    .bind(id)
    .bind(from.other().letter())
    .bind(password)
    .execute(db)
    .await?;
    Ok(())
}

/// Writes down that the other login does not work any more.
///
/// # Errors
/// When Postgres fails.
pub async fn other_is_locked(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<()> {
    sqlx::query("update databases set other_works = false where id = $1")
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

/// Gives a new database, made with these limits, the place of the one before, if there is one, which is
/// remembered.
///
/// # Errors
/// When Postgres fails.
pub async fn replace(
    tx: &mut sqlx::Transaction<'_, sqlx::Postgres>,
    new: &NewDatabase<'_>,
    limits: &str,
) -> sqlx::Result<()> {
    let appling = new.appling.map_or("", AsRef::as_ref);
    sqlx::query(
        "with former as (delete from databases where environment = $1 and appling = $2 returning *)
         insert into former_databases (id, environment, appling, server, name)
         select id, environment, appling, server, name from former",
    )
    .bind(new.environment)
    .bind(appling)
    .execute(&mut **tx)
    .await?;
    let inserted = insert(&mut **tx, new).await?;
    if inserted == 0 {
        // A release made one at this very moment; the next try takes its place.
        return Err(sqlx::Error::RowNotFound);
    }
    // Its extensions came with the dump.
    set_made(&mut **tx, new.id, &[], limits).await
}

/// A database whose place another has taken.
#[derive(Debug, Clone)]
pub struct Former {
    /// Its identity.
    pub id: Uuid,
    /// Whose it was; empty for everybody's.
    pub appling: String,
    /// The server.
    pub server: String,
    /// Its name there.
    pub name: String,
    /// When that was.
    pub replaced_at: jiff::Timestamp,
}

#[derive(FromRow)]
struct FormerRow {
    id: Uuid,
    appling: String,
    server: String,
    name: String,
    replaced_at: jiff_sqlx::Timestamp,
}

/// The databases of an environment whose place others have taken.
///
/// # Errors
/// When Postgres fails.
pub async fn former(db: impl PgExecutor<'_>, environment: Uuid) -> sqlx::Result<Vec<Former>> {
    let rows: Vec<FormerRow> = sqlx::query_as(
        "select id, appling, server, name, replaced_at from former_databases
         where environment = $1 order by replaced_at",
    )
    .bind(environment)
    .fetch_all(db)
    .await?;
    let former = |row: FormerRow| Former {
        id: row.id,
        appling: row.appling,
        server: row.server,
        name: row.name,
        replaced_at: row.replaced_at.to_jiff(),
    };
    Ok(rows.into_iter().map(former).collect())
}

/// Forgets one of those.
///
/// # Errors
/// When Postgres fails.
pub async fn delete_former(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<()> {
    sqlx::query("delete from former_databases where id = $1")
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

/// Takes a database away from its applings: it is one that was replaced, by none.
///
/// # Errors
/// When Postgres fails.
pub async fn retire(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "with former as (delete from databases where id = $1 returning *)
         insert into former_databases (id, environment, appling, server, name)
         select id, environment, appling, server, name from former",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
}

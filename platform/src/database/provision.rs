//! Makes a database, its owner and its logins on a server. Every step may have been done before, by a
//! platform that crashed after it.

use std::time::Duration;

use postgres_protocol::password::scram_sha_256;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::{
    names::{self, Login},
    servers::{Account, Server},
};

/// How long a server may take for all of one of these: more than its own limit for a statement.
const ANSWER: Duration = Duration::from_secs(120);

/// Why a database could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The server will say so again: for whoever has to change something.
    #[error("{0}")]
    Refused(String),
    /// It may go well a little later.
    #[error("{0}")]
    Away(String),
}

/// Errors that begin so say that the server is not ready or has no room just now, or that somebody else is at
/// it: connection exceptions, insufficient resources, objects in use and locks that are not to be had, operator
/// intervention (PostgreSQL, Appendix A).
const PASSING: [&str; 5] = ["08", "53", "55006", "55P03", "57"];

impl MakeError {
    /// What a server said, or that it said nothing.
    pub(super) fn of(server: &Server, error: &sqlx::Error) -> MakeError {
        let name = &server.name;
        match error.as_database_error() {
            Some(told) => {
                let code = told.code().unwrap_or_default();
                let message = format!("the database server `{name}` says: {}", told.message());
                match PASSING.iter().any(|passing| code.starts_with(passing)) {
                    true => MakeError::Away(message),
                    false => MakeError::Refused(message),
                }
            }
            None => {
                let why = why(error);
                MakeError::Away(format!(
                    "the database server `{name}` does not answer: {why}"
                ))
            }
        }
    }
}

/// The deepest cause, which says the most: a name that is not known, a certificate that has expired.
fn why(error: &sqlx::Error) -> String {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        return "it took too long".to_owned();
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// What is wanted on a server.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The database's name, and its owner's.
    pub database: &'a str,
    /// The login that works, and its password.
    pub login: (Login, &'a SecretString),
    /// Extensions that there are to be; each is allowed on this server.
    pub extensions: &'a [String],
}

impl Wanted<'_> {
    /// The login that works.
    pub fn account(&self) -> Account {
        let (login, password) = self.login;
        Account {
            role: login.role(self.database),
            password: password.clone(),
        }
    }
}

/// Makes it so.
///
/// # Errors
/// When the server refuses, or is away.
pub async fn make(server: &Server, wanted: &Wanted<'_>) -> Result<(), MakeError> {
    in_time(server, make_all(server, wanted)).await
}

/// A server whose machine is gone answers nothing at all, for ever.
async fn in_time<T>(
    server: &Server,
    asking: impl Future<Output = Result<T, MakeError>>,
) -> Result<T, MakeError> {
    let asked = tokio::time::timeout(ANSWER, asking).await;
    asked.unwrap_or_else(|_| {
        let name = &server.name;
        let message = format!("the database server `{name}` does not answer");
        Err(MakeError::Away(message))
    })
}

async fn make_all(server: &Server, wanted: &Wanted<'_>) -> Result<(), MakeError> {
    let Wanted {
        database,
        login: (login, password),
        ..
    } = wanted;
    let told = |error: sqlx::Error| MakeError::of(server, &error);
    let mut connection = server.connect().await.map_err(told)?;
    alone(&mut connection, database).await.map_err(told)?;
    make_roles(&mut connection, server, database)
        .await
        .map_err(told)?;
    set_password(&mut connection, &login.role(database), password)
        .await
        .map_err(told)?;
    make_database(&mut connection, server, database)
        .await
        .map_err(told)?;
    let _ = connection.close().await;
    make_inside(server, wanted).await
}

/// Gives a database that was made the extensions that it has not.
///
/// # Errors
/// When the server refuses, or is away.
pub async fn extend(server: &Server, wanted: &Wanted<'_>) -> Result<(), MakeError> {
    in_time(server, make_inside(server, wanted)).await
}

/// What is made by the one who owns the database.
async fn make_inside(server: &Server, wanted: &Wanted<'_>) -> Result<(), MakeError> {
    let told = |error: sqlx::Error| MakeError::of(server, &error);
    let (who, database) = (wanted.account(), wanted.database);
    let mut inside = server.connect_as(&who, database).await.map_err(told)?;
    alone(&mut inside, database).await.map_err(told)?;
    lock_down(&mut inside).await.map_err(told)?;
    for extension in wanted.extensions {
        make_extension(&mut inside, server, database, extension).await?;
    }
    let _ = inside.close().await;
    Ok(())
}

/// Nobody else makes or deletes this database until the connection ends; not even what a platform that died
/// had asked for, which the server may still be at. Each database has locks of its own, so that inside and
/// outside are two. (What a name means inside, its owner decides.)
async fn alone(connection: &mut PgConnection, database: &str) -> sqlx::Result<()> {
    sqlx::query("select pg_catalog.pg_advisory_lock(pg_catalog.hashtextextended($1, 0))")
        .bind(database)
        .execute(connection)
        .await?;
    Ok(())
}

/// The owner, whom nobody can log in as, and the logins. The platform's account is a member of all
/// three: it need not be a superuser to make what is theirs.
async fn make_roles(
    connection: &mut PgConnection,
    server: &Server,
    database: &str,
) -> sqlx::Result<()> {
    let owner = ident(database);
    make_role(connection, database).await?;
    run(connection, format!("grant {owner} to current_user")).await?;
    for login in [Login::A, Login::B] {
        let name = login.role(database);
        let role = ident(&name);
        make_role(connection, &name).await?;
        run(connection, format!("grant {role} to current_user")).await?;
        run(connection, format!("grant {owner} to {role}")).await?;
        run(connection, format!("alter role {role} set role = {owner}")).await?;
    }
    limit_logins(connection, server, database).await
}

/// The database's limit its owner can lift, and these not.
async fn limit_logins(
    connection: &mut PgConnection,
    server: &Server,
    database: &str,
) -> sqlx::Result<()> {
    let timeout = server.statement_timeout.unwrap_or_default().as_millis();
    let limit = server.connection_limit;
    for login in [Login::A, Login::B] {
        let role = ident(&login.role(database));
        for statement in [
            format!("alter role {role} set statement_timeout = {timeout}"),
            format!("alter role {role} connection limit {limit}"),
        ] {
            run(connection, statement).await?;
        }
    }
    Ok(())
}

fn limit_database(server: &Server, database: &str) -> String {
    let limit = server.connection_limit;
    format!(
        "alter database {} connection limit {limit}",
        ident(database)
    )
}

/// Gives a database that was made the limits that the settings have now.
///
/// # Errors
/// When the server refuses, or is away.
pub async fn limit(server: &Server, database: &str) -> Result<(), MakeError> {
    let limiting = async {
        let mut connection = server.connect().await?;
        limit_logins(&mut connection, server, database).await?;
        run(&mut connection, limit_database(server, database)).await?;
        let _ = connection.close().await;
        Ok(())
    };
    in_time(server, told(server, limiting)).await
}

/// Makes a role that nobody can log in as yet.
pub(super) async fn make_role(connection: &mut PgConnection, name: &str) -> sqlx::Result<()> {
    let there: bool = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
        .bind(name)
        .fetch_one(&mut *connection)
        .await?;
    if there {
        return Ok(());
    }
    run(connection, format!("create role {} nologin", ident(name))).await
}

/// Lets a login in with this password.
async fn set_password(
    connection: &mut PgConnection,
    role: &str,
    password: &SecretString,
) -> sqlx::Result<()> {
    let verifier = verifier(password);
    let set = format!("alter role {} login password '{verifier}'", ident(role));
    run(connection, set).await
}

/// What is sent of a password is what the server would keep of it (SCRAM, RFC 5802): the password itself
/// is in no statement, and so in no log. It needs no escaping.
pub(super) fn verifier(password: &SecretString) -> String {
    scram_sha_256(password.expose_secret().as_bytes())
}

/// Lets an idle login in.
///
/// # Errors
/// When the server refuses, or is away.
pub async fn let_in(server: &Server, role: &str, password: &SecretString) -> Result<(), MakeError> {
    let letting = async {
        let mut connection = server.connect().await?;
        set_password(&mut connection, role, password).await?;
        let _ = connection.close().await;
        Ok(())
    };
    in_time(server, told(server, letting)).await
}

async fn told<T>(
    server: &Server,
    asking: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, MakeError> {
    asking.await.map_err(|error| MakeError::of(server, &error))
}

/// Shuts a login, and ends what it has open.
///
/// # Errors
/// When the server refuses, or is away.
pub async fn lock(server: &Server, role: &str) -> Result<(), MakeError> {
    let locking = async {
        let mut connection = server.connect().await?;
        let shut = format!("alter role {} nologin password null", ident(role));
        run(&mut connection, shut).await?;
        sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1")
            .bind(role)
            .execute(&mut connection)
            .await?;
        let _ = connection.close().await;
        Ok(())
    };
    in_time(server, told(server, locking)).await
}

/// The database, which nobody but its owner's members may connect to, not even for a moment.
async fn make_database(
    connection: &mut PgConnection,
    server: &Server,
    name: &str,
) -> sqlx::Result<()> {
    let there: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(name)
            .fetch_one(&mut *connection)
            .await?;
    let database = ident(name);
    if !there {
        let create = format!(
            "create database {database} owner {database} template template0 encoding 'UTF8' allow_connections false"
        );
        run(connection, create).await?;
    }
    for statement in [
        format!("revoke connect, temporary on database {database} from public"),
        limit_database(server, name),
        format!("alter database {database} allow_connections true"),
    ] {
        run(connection, statement).await?;
    }
    Ok(())
}

/// The schema `public` is the owner's alone. Before Postgres 15 it is the superuser's, and this comes to
/// nothing; nobody else can connect all the same.
async fn lock_down(connection: &mut PgConnection) -> sqlx::Result<()> {
    run(
        connection,
        "revoke all on schema public from public".to_owned(),
    )
    .await
}

async fn make_extension(
    connection: &mut PgConnection,
    server: &Server,
    database: &str,
    extension: &str,
) -> Result<(), MakeError> {
    let create = format!("create extension if not exists {}", ident(extension));
    let made = run(connection, create).await;
    made.map_err(|error| match MakeError::of(server, &error) {
        MakeError::Away(message) => MakeError::Away(message),
        MakeError::Refused(message) => MakeError::Refused(format!(
            "the extension `{extension}` cannot be made: {message}; somebody who may has to run `create extension` in the database `{database}`"
        )),
    })
}

/// Deletes a database with all that is in it, and its roles.
///
/// # Errors
/// When the server refuses, or is away.
pub async fn delete(server: &Server, database: &str) -> Result<(), MakeError> {
    let deleting = async {
        let mut connection = server.connect().await?;
        delete_by(&mut connection, database).await?;
        let _ = connection.close().await;
        Ok(())
    };
    in_time(server, told(server, deleting)).await
}

async fn delete_by(connection: &mut PgConnection, database: &str) -> sqlx::Result<()> {
    alone(connection, database).await?;
    let drop = format!("drop database if exists {} with (force)", ident(database));
    run(connection, drop).await?;
    let reader = names::reader(database);
    let people = people(connection, &[database, &reader]).await?;
    let logins = [Login::A, Login::B].map(|login| login.role(database));
    let roles = people.into_iter().chain(logins);
    for role in roles.chain([reader, database.to_owned()]) {
        let drop = format!("drop role if exists {}", ident(&role));
        run(connection, drop).await?;
    }
    Ok(())
}

/// Deletes those of these databases of which anything is there.
///
/// # Errors
/// When the server refuses, or is away.
pub async fn delete_what_is_there(server: &Server, databases: &[String]) -> Result<(), MakeError> {
    // Their owners are made first and deleted last.
    let there = "select rolname::text from pg_roles where rolname = any($1)";
    let deleting = async {
        let mut connection = server.connect().await?;
        let there: Vec<String> = sqlx::query_scalar(there)
            .bind(databases)
            .fetch_all(&mut connection)
            .await?;
        for database in there {
            delete_by(&mut connection, &database).await?;
        }
        let _ = connection.close().await;
        Ok(())
    };
    in_time(server, told(server, deleting)).await
}

/// The members of these roles who are people.
async fn people(connection: &mut PgConnection, roles: &[&str]) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "select member.rolname::text from pg_auth_members a
           join pg_roles role on role.oid = a.roleid join pg_roles member on member.oid = a.member
         where role.rolname = any($1) and starts_with(member.rolname::text, $2)",
    )
    .bind(roles)
    .bind(names::GRANT)
    .fetch_all(connection)
    .await
}

/// What is known of a database.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its size in bytes.
    pub size: i64,
    /// Connections that it has now.
    pub connections: i64,
    /// Extensions that are there, with their versions.
    pub extensions: Vec<(String, String)>,
}

/// Looks at a database: from outside, and, as one of its logins, at its extensions.
///
/// # Errors
/// When the server refuses, or is away.
pub async fn look(
    server: &Server,
    who: Option<&Account>,
    database: &str,
) -> Result<Seen, MakeError> {
    let looking = async {
        let mut connection = server.connect().await?;
        let (size, connections): (i64, i64) = sqlx::query_as(
            "select pg_database_size($1::name), (select count(*) from pg_stat_activity where datname = $1)",
        )
        .bind(database)
        .fetch_one(&mut connection)
        .await?;
        let _ = connection.close().await;
        let extensions = match who {
            Some(who) => extensions(server, who, database).await?,
            None => Vec::new(),
        };
        Ok(Seen {
            size,
            connections,
            extensions,
        })
    };
    in_time(server, told(server, looking)).await
}

async fn extensions(
    server: &Server,
    who: &Account,
    database: &str,
) -> sqlx::Result<Vec<(String, String)>> {
    let mut connection = server.connect_as(who, database).await?;
    let extensions = sqlx::query_as(
        "select extname::text, extversion from pg_catalog.pg_extension where extname <> 'plpgsql' order by 1",
    )
    .fetch_all(&mut connection)
    .await?;
    let _ = connection.close().await;
    Ok(extensions)
}

/// Runs a statement that has no parameters: those that make something take none. Every name in it is
/// quoted by [`ident`], and nothing else in it comes from outside.
pub(super) async fn run(connection: &mut PgConnection, statement: String) -> sqlx::Result<()> {
    connection.execute(AssertSqlSafe(statement)).await?;
    Ok(())
}

/// A name as SQL has it.
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

//! Logins for people, which end by themselves: to read a database, or to be its owner. The role says who
//! it is for, wherever Postgres shows it, and the platform's own database remembers.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context;
use futures::future::join_all;
use jiff::Timestamp;
use secrecy::SecretString;
use sqlx::{Connection, PgConnection, PgExecutor};
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    environment::{account, new_password, server},
    names,
    provision::{MakeError, ident, make_role, run, verifier},
    servers::{Account, Server},
};
use crate::{
    api::{Access, CreateGrant},
    db::{
        self,
        databases::Database,
        grants::{Grant, NewGrant},
    },
    platform::Platform,
    tokens::Who,
};

/// How often one looks for those whose time is over. The server itself lets nobody in after it.
pub const EVERY: Duration = Duration::from_secs(15);
/// Connections that one login may have at a time.
const CONNECTIONS: u32 = 5;
/// How long somebody may stay in a transaction and do nothing: applings wait for its locks.
const IDLE_IN_TRANSACTION: &str = "10min";
/// `DROP ROLE` says so of a role that something depends on (`dependent_objects_still_exist`).
const STILL_NEEDED: &str = "2BP01";

/// How long one may take to be ended.
const ENDING: Duration = Duration::from_secs(60);

/// The settings have lost the server of a login, which lets it in until its time is over.
#[derive(Debug, thiserror::Error)]
#[error("its database server is not in the platform's settings any more, and lets it in until {0}")]
pub struct LostServer(Timestamp);

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum NotGranted {
    /// The server refuses, or is away.
    #[error(transparent)]
    Server(#[from] MakeError),
    /// The platform's own database failed.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// Lets somebody into a database for a while.
///
/// # Errors
/// See [`NotGranted`]; nobody is let in then.
pub async fn make(
    platform: &Platform,
    database: &Database,
    asked: &CreateGrant,
    who: &Who,
) -> Result<(Grant, SecretString), NotGranted> {
    let id = Uuid::now_v7();
    let new = NewGrant {
        id,
        database,
        role: &names::grant(&who.name, id),
        access: asked.access,
        who: &who.name,
        seconds: asked.seconds,
    };
    // Written down before anything is made: whatever happens then, it is found, and ended.
    let grant = db::grants::insert(&platform.db, &new).await;
    let grant = grant.context("writing down a grant")?;
    let password = new_password();
    match let_in(platform, &grant, &password).await {
        Ok(()) => Ok((grant, password)),
        Err(error) => {
            let expired = db::grants::expire(&platform.db, id).await;
            expired.context("taking back a grant")?;
            Err(error)
        }
    }
}

async fn let_in(
    platform: &Platform,
    grant: &Grant,
    password: &SecretString,
) -> Result<(), NotGranted> {
    let _turn = match platform.databases.get(&grant.server) {
        Some(server) => server.turn().await,
        None => None,
    };
    // One at a time per database: Postgres refuses to change a role's rights twice at once.
    let mut tx = platform.db.begin().await.context("a transaction")?;
    let database = database_of(&mut *tx, grant).await;
    let database = database.context("reading the databases")?;
    let database = database.context("another has just taken the database's place")?;
    let database = db::databases::lock(&mut *tx, database.id).await;
    let database = database.context("locking a database's row")?;
    let server = server(platform, &database)?;
    let told = |error: sqlx::Error| MakeError::of(server, &error);
    if grant.access == Access::Read {
        let inside = account(platform, &database)?;
        make_reader(server, &inside, &database.name)
            .await
            .map_err(told)?;
    }
    make_login(server, grant, password).await.map_err(told)?;
    tx.commit()
        .await
        .context("letting go of a database's row")?;
    Ok(())
}

/// The database that a login is for, unless another has taken its place.
async fn database_of(db: impl PgExecutor<'_>, grant: &Grant) -> sqlx::Result<Option<Database>> {
    let databases = db::databases::of_environment(db, grant.environment).await?;
    let is_it = |one: &Database| one.name == grant.name && one.server == grant.server;
    Ok(databases.into_iter().find(is_it))
}

/// The role that may read what is there now and what the owner makes later.
async fn make_reader(server: &Server, inside: &Account, database: &str) -> sqlx::Result<()> {
    let name = names::reader(database);
    let reader = ident(&name);
    let mut connection = server.connect().await?;
    make_role(&mut connection, &name).await?;
    let connect = format!("grant connect on database {} to {reader}", ident(database));
    run(&mut connection, connect).await?;
    let _ = connection.close().await;

    let mut connection = server.connect_as(inside, database).await?;
    for kind in ["schemas", "tables", "sequences"] {
        let right = if kind == "schemas" { "usage" } else { "select" };
        let later = format!("alter default privileges grant {right} on {kind} to {reader}");
        run(&mut connection, later).await?;
    }
    for (right, kind, names) in readable(&mut connection).await? {
        let now = format!("grant {right} on {kind} {names} to {reader}");
        run(&mut connection, now).await?;
    }
    let _ = connection.close().await;
    Ok(())
}

/// What there is to be read, and is the owner's to show: a right, a kind, and names, quoted.
async fn readable(connection: &mut PgConnection) -> sqlx::Result<Vec<(String, String, String)>> {
    sqlx::query_as(
        "with own as (
           select oid, nspname from pg_catalog.pg_namespace
           where nspname !~ '^pg_' and nspname <> 'information_schema'
         ), found as (
           select 'usage' as kind_right, 'schema' as kind, format('%I', nspname) as name from own
           where has_schema_privilege(oid, 'usage with grant option')
           union all
           select 'select', case relkind when 'S' then 'sequence' else 'table' end,
                  format('%I.%I', nspname, relname)
           from pg_catalog.pg_class c join own on own.oid = relnamespace
           where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
             and has_table_privilege(c.oid, 'select with grant option')
         )
         select kind_right, kind, string_agg(name, ', ') from found group by 1, 2",
    )
    .fetch_all(connection)
    .await
}

async fn make_login(server: &Server, grant: &Grant, password: &SecretString) -> sqlx::Result<()> {
    let mut connection = server.connect().await?;
    make_role(&mut connection, &grant.role).await?;
    let role = ident(&grant.role);
    let own = match grant.access {
        // Rights are what keep a reader from writing; this tells of it sooner.
        Access::Read => "default_transaction_read_only = on".to_owned(),
        Access::Write => format!("role = {}", ident(&grant.name)),
    };
    let setting = format!("idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION}'");
    for statement in [
        // Only a member may end its connections.
        format!("grant {role} to current_user"),
        format!("grant {} to {role}", ident(&group(grant))),
        format!("alter role {role} set {own}"),
        format!("alter role {role} set {setting}"),
        format!(
            "alter role {role} login connection limit {CONNECTIONS} password '{}' valid until '{}'",
            verifier(password),
            grant.expires_at
        ),
    ] {
        run(&mut connection, statement).await?;
    }
    let _ = connection.close().await;
    Ok(())
}

/// The role whose member a login is.
fn group(grant: &Grant) -> String {
    match grant.access {
        Access::Read => names::reader(&grant.name),
        Access::Write => grant.name.clone(),
    }
}

/// Ends those whose time is over.
///
/// # Errors
/// When the platform's own database fails. A server that is away is asked again by the next look.
pub async fn look(platform: &Platform) -> anyhow::Result<()> {
    let mut by_server: BTreeMap<String, Vec<Grant>> = BTreeMap::new();
    for grant in db::grants::overdue(&platform.db).await? {
        by_server
            .entry(grant.server.clone())
            .or_default()
            .push(grant);
    }
    // One that is away holds up nobody but its own.
    let servers = by_server.into_values().map(async |grants| {
        for grant in grants {
            let ended = timeout(ENDING, end(platform, &grant)).await;
            let ended = ended.context("the database server does not answer");
            let Err(error) = ended.flatten() else {
                continue;
            };
            let told = format!("{error:#}");
            tracing::warn!(
                role = grant.role,
                error = told,
                "somebody's login could not be taken back yet"
            );
            // What is refused is refused of this one alone.
            if !matches!(error.downcast_ref(), Some(MakeError::Refused(_))) {
                break;
            }
        }
    });
    join_all(servers).await;
    Ok(())
}

/// Takes a login back: its connections end, and the role is gone.
///
/// # Errors
/// When the server is away, or lost while it still lets the login in; or the platform's own database fails.
pub async fn end(platform: &Platform, grant: &Grant) -> anyhow::Result<()> {
    let is_lost = platform.databases.get(&grant.server).is_none();
    if is_lost && grant.expires_at > Timestamp::now() {
        return Err(LostServer(grant.expires_at).into());
    }
    db::grants::expire(&platform.db, grant.id).await?;
    match platform.databases.get(&grant.server) {
        Some(server) => {
            shut(server, &grant.role).await?;
            remove(platform, server, grant).await?;
        }
        // It lets nobody in any more: the password had an end.
        None => tracing::warn!(
            server = grant.server,
            role = grant.role,
            "a login stays behind on a server that is not in the settings any more"
        ),
    }
    db::grants::set_ended(&platform.db, grant.id).await?;
    tracing::info!(role = grant.role, who = grant.who, "a login was taken back");
    Ok(())
}

/// Nobody logs in as this role any more, and nobody is.
async fn shut(server: &Server, role: &str) -> Result<(), MakeError> {
    let told = |error: sqlx::Error| MakeError::of(server, &error);
    let mut connection = server.connect().await.map_err(told)?;
    // It may never have been made.
    make_role(&mut connection, role).await.map_err(told)?;
    let _ = connection.close().await;
    super::provision::lock(server, role).await
}

/// Drops the role. What it made, and what was given to it, is the owner's then.
async fn remove(platform: &Platform, server: &Server, grant: &Grant) -> anyhow::Result<()> {
    let told = |error: sqlx::Error| MakeError::of(server, &error);
    let mut connection = server.connect().await.map_err(told)?;
    let role = ident(&grant.role);
    let drop = format!("drop role {role}");
    let dropped = run(&mut connection, drop.clone()).await;
    if dropped.as_ref().err().and_then(code).as_deref() != Some(STILL_NEEDED) {
        return Ok(dropped.map_err(told)?);
    }
    let Some(database) = database_of(&platform.db, grant).await? else {
        tracing::info!(
            role = grant.role,
            "a login stays until its database is dropped"
        );
        return Ok(());
    };
    // Its own group must not be a member of it: Postgres refuses circles.
    let (owner, group) = (ident(&grant.name), ident(&group(grant)));
    for statement in [
        format!("revoke {group} from {role}"),
        format!("grant {role} to {owner}"),
    ] {
        run(&mut connection, statement).await.map_err(told)?;
    }
    let inside = account(platform, &database)?;
    let inside = server.connect_as(&inside, &grant.name).await;
    let mut inside = inside.map_err(told)?;
    for statement in [
        format!("reassign owned by {role} to {owner}"),
        format!("drop owned by {role}"),
    ] {
        run(&mut inside, statement).await.map_err(told)?;
    }
    let _ = inside.close().await;
    run(&mut connection, drop).await.map_err(told)?;
    let _ = connection.close().await;
    Ok(())
}

fn code(error: &sqlx::Error) -> Option<String> {
    let code = error.as_database_error()?.code()?;
    Some(code.into_owned())
}

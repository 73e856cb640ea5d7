//! The databases of an environment: made before a release begins, read by every pass.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use iterapp_schema::{AppName, ApplingName, Environment};
use secrecy::SecretString;
use uuid::Uuid;

use super::{
    budget::Budget,
    connection::{Connection, Databases},
    names,
    provision::{self, MakeError, Wanted},
    servers::{Account, Server},
};
use crate::{
    db::{
        self,
        databases::{Database, NewDatabase},
    },
    lease::Lease,
    platform::Platform,
    release::spec::{ApplingSpec, WantedEnvironment},
    secrets::{hex, random},
};

/// Where databases are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The app.
    pub app: &'a AppName,
    /// The environment.
    pub environment: Environment,
    /// Its row.
    pub id: Uuid,
}

/// Why a release cannot have its databases.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// The author or the platform's operator has to change something; the appling, and a sentence.
    #[error("{0}")]
    Refused(String),
    /// A server is away: again a little later.
    #[error("{0}")]
    Away(String),
    /// The platform's own database failed.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl From<MakeError> for NotMade {
    fn from(error: MakeError) -> NotMade {
        match error {
            MakeError::Refused(message) => NotMade::Refused(message),
            MakeError::Away(message) => NotMade::Away(message),
        }
    }
}

/// Makes the databases that these applings want, with their extensions, where that is not done yet. What is
/// made is written down under the lease.
///
/// # Errors
/// See [`NotMade`].
pub async fn make(
    platform: &Platform,
    lease: &Lease,
    place: Place<'_>,
    applings: &[&ApplingSpec],
) -> Result<(), NotMade> {
    for (owner, wanted) in by_owner(applings) {
        let first = wanted[0];
        let told = |message: String| format!("{}: {message}", first.name);
        let database = match find(platform, place, owner).await? {
            Some(database) => database,
            None => create(platform, lease, place, owner)
                .await?
                .map_err(|message| NotMade::Refused(told(message)))?,
        };
        let server = server(platform, &database)
            .map_err(|error| NotMade::Refused(told(error.to_string())))?;
        let budget = Budget::of(
            wanted.iter().copied(),
            server.pool_size,
            server.connection_limit,
        );
        if let Some(message) = budget.exceeded() {
            return Err(NotMade::Refused(told(message)));
        }
        let extensions = extensions(&wanted);
        if let Some(unknown) = extensions.iter().find(|name| !server.allows(name)) {
            let allowed = match server.extensions.as_slice() {
                [] => "none; whoever runs the platform lists them under `extensions` of the server"
                    .to_owned(),
                extensions => extensions.join(", "),
            };
            return Err(NotMade::Refused(told(format!(
                "the extension `{unknown}` is none that the database server `{}` may give\nhint: it may give {allowed}",
                server.name
            ))));
        }
        make_one(platform, lease, server, &database, &extensions)
            .await
            .map_err(|error| match error {
                NotMade::Refused(message) => NotMade::Refused(told(message)),
                other => other,
            })?;
    }
    Ok(())
}

/// The applings of each database; of those that the platform makes.
fn by_owner<'s>(
    applings: &[&'s ApplingSpec],
) -> BTreeMap<Option<&'s ApplingName>, Vec<&'s ApplingSpec>> {
    let mut owners: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for spec in applings {
        if let Some(owner) = spec.database_owner() {
            owners.entry(owner).or_default().push(*spec);
        }
    }
    owners
}

fn extensions(applings: &[&ApplingSpec]) -> Vec<String> {
    let databases = applings.iter().filter_map(|spec| spec.database.as_ref());
    let mut all: Vec<String> = databases
        .flat_map(|database| database.extensions.iter().cloned())
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

async fn find(
    platform: &Platform,
    place: Place<'_>,
    owner: Option<&ApplingName>,
) -> Result<Option<Database>, NotMade> {
    let databases = db::databases::of_environment(&platform.db, place.id).await;
    let databases = databases.context("reading the databases")?;
    Ok(databases
        .into_iter()
        .find(|database| database.appling.as_ref() == owner))
}

/// Writes down that it is wanted, before anything is made of it: whatever happens then, it is known.
async fn create(
    platform: &Platform,
    lease: &Lease,
    place: Place<'_>,
    owner: Option<&ApplingName>,
) -> Result<Result<Database, String>, NotMade> {
    let Some(server) = platform.databases.of_environment(place.environment) else {
        return Ok(Err(format!(
            "`[postgres]` wants a database, and this platform has no database server for `{}`\nhint: whoever runs it names one in HOPS_POSTGRES_SERVERS",
            place.environment
        )));
    };
    let id = Uuid::now_v7();
    let name = names::database(place.app, place.environment, owner, id);
    let password = platform
        .key
        .seal(&Database::place(id), &new_password())
        .context("sealing a password")?;
    let new = NewDatabase {
        id,
        environment: place.id,
        appling: owner,
        server: &server.name,
        name: &name,
        password: &password,
    };
    let writing = async {
        let mut tx = lease.begin().await?;
        db::databases::insert(&mut *tx, &new).await?;
        anyhow::Ok(tx.commit().await?)
    };
    writing.await.context("writing down a database")?;
    let found = find(platform, place, owner).await?;
    Ok(Ok(found.context("a database that was just written down")?))
}

/// 32 random bytes as hexadecimal digits, which need no escaping anywhere.
pub fn new_password() -> SecretString {
    hex(&random::<32>()).into()
}

async fn make_one(
    platform: &Platform,
    lease: &Lease,
    server: &Server,
    database: &Database,
    extensions: &[String],
) -> Result<(), NotMade> {
    let limits = server.limits();
    let password = password(platform, database)?;
    let wanted = Wanted {
        database: &database.name,
        login: (database.login, &password),
        extensions,
    };
    let mut has = extensions.to_vec();
    match &database.made {
        None => provision::make(server, &wanted).await?,
        // From here on its logins' passwords are the rotations' business.
        Some(made) => {
            let is_limited = database.limits.as_ref() == Some(&limits);
            let has_all = extensions.iter().all(|extension| made.contains(extension));
            if is_limited && has_all {
                return Ok(());
            }
            if !is_limited {
                provision::limit(server, &database.name).await?;
            }
            if !has_all {
                provision::extend(server, &wanted).await?;
            }
            has.extend(made.iter().cloned());
            has.sort_unstable();
            has.dedup();
        }
    }
    let writing = async {
        let mut tx = lease.begin().await?;
        db::databases::set_made(&mut *tx, database.id, &has, &limits).await?;
        anyhow::Ok(tx.commit().await?)
    };
    writing
        .await
        .context("writing down that a database was made")?;
    tracing::info!(
        server = server.name,
        database = database.name,
        "made a database"
    );
    Ok(())
}

fn password(platform: &Platform, database: &Database) -> anyhow::Result<SecretString> {
    let place = Database::place(database.id);
    platform.key.open(&place, &database.password)
}

/// The login of a database that applings use, for looking at it and dumping it.
///
/// # Errors
/// When its password does not open.
pub fn account(platform: &Platform, database: &Database) -> anyhow::Result<Account> {
    Ok(Account {
        role: database.role(),
        password: password(platform, database)?,
    })
}

/// The server that a database is on.
///
/// # Errors
/// When the settings have lost it.
pub fn server<'p>(platform: &'p Platform, database: &Database) -> Result<&'p Server, MakeError> {
    platform.databases.get(&database.server).ok_or_else(|| {
        MakeError::Refused(format!(
            "the database server `{}` of {} is not in the platform's settings any more",
            database.server, database.name
        ))
    })
}

/// How the applings of an environment reach their databases. Only the platform's own database is asked.
///
/// # Errors
/// When Postgres fails, or the settings have lost a server.
pub async fn connections(
    platform: &Platform,
    environment: Uuid,
    wanted: &WantedEnvironment,
) -> anyhow::Result<Databases> {
    let owners: BTreeSet<_> = wanted
        .specs()
        .filter_map(ApplingSpec::database_owner)
        .collect();
    if owners.is_empty() {
        return Ok(Databases::default());
    }
    let mut connections = BTreeMap::new();
    for database in db::databases::of_environment(&platform.db, environment).await? {
        // One that nobody wants any more may be on a server that is gone.
        if !owners.contains(&database.appling.as_ref()) {
            continue;
        }
        let server = server(platform, &database)?;
        let password = password(platform, &database)?;
        let connection = Connection {
            host: server.host.clone(),
            port: server.port,
            login: database.role(),
            database: database.name,
            fingerprint: platform.fingerprints.of(&password),
            password,
            tls: server.tls.clone(),
            pool_size: server.pool_size,
            cloud_sql_instance: server.cloud_sql_instance.clone(),
            networks: server.networks.clone(),
        };
        connections.insert(database.appling, connection);
    }
    Ok(Databases(connections))
}

/// The same, where what is not made yet has something that stands for it: for asking what would be.
///
/// # Errors
/// As [`connections`].
pub async fn connections_or_placeholders(
    platform: &Platform,
    environment: Option<Uuid>,
    wanted: &WantedEnvironment,
) -> anyhow::Result<Databases> {
    let mut databases = match environment {
        Some(environment) => connections(platform, environment, wanted).await?,
        None => Databases::default(),
    };
    for (owner, connection) in placeholders(wanted).0 {
        databases.0.entry(owner).or_insert(connection);
    }
    Ok(databases)
}

/// What is wanted and is not there: pods must not start without it.
///
/// # Errors
/// With the first one.
pub fn complete(wanted: &WantedEnvironment) -> anyhow::Result<()> {
    let mut owners = wanted.specs().filter_map(ApplingSpec::database_owner);
    let missing = owners.find(|owner| !wanted.databases.0.contains_key(&owner.cloned()));
    match missing {
        None => Ok(()),
        Some(owner) => anyhow::bail!(
            "the database of {} is not known any more",
            owner.map_or("all applings", AsRef::as_ref)
        ),
    }
}

/// What stands for databases of which nothing is known.
pub fn placeholders(wanted: &WantedEnvironment) -> Databases {
    let owners = wanted.specs().filter_map(ApplingSpec::database_owner);
    let connection = |owner: Option<&ApplingName>| {
        let name = names::database(&wanted.app, wanted.environment, owner, Uuid::nil());
        let connection = Connection {
            host: "postgres.invalid".to_owned(),
            port: 5432,
            login: names::Login::A.role(&name),
            database: name,
            password: "(secret)".into(),
            fingerprint: String::new(),
            tls: super::connection::Tls::Require,
            pool_size: 10,
            cloud_sql_instance: None,
            networks: Vec::new(),
        };
        (owner.cloned(), connection)
    };
    Databases(owners.map(connection).collect())
}

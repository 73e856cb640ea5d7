//! Databases of environments. No password is ever answered.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use iterapp_schema::{ApplingName, Environment};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Answer, Problem,
    apps::{Place, find_environment},
};
use crate::{
    api,
    database::{
        environment::{account, server},
        names::Login,
        provision::{self, MakeError},
        rotation::{self, NotRotated},
        servers::{Account, Server},
    },
    db::{self, apps::App, databases::Database, verdicts::Verdict},
    platform::Platform,
    release::spec::namespace,
    rollout,
};

/// Of a database that nothing can be asked or done of.
const LOST: &str = "its database server is not in the platform's settings any more";

/// Which of an environment's databases: an appling's, with an empty name the one that all share, or else the
/// only one.
#[derive(Debug, Deserialize)]
pub struct Which {
    pub(super) appling: Option<String>,
}

/// `GET /api/apps/{app}/environments/{environment}/databases`
pub async fn list(
    State(platform): State<Platform>,
    Path((app, environment)): Path<(String, String)>,
) -> Answer<Json<Vec<api::Database>>> {
    let Some(id) = find_environment(&platform, &app, &environment).await?.id else {
        return Ok(Json(Vec::new()));
    };
    let mut told = Vec::new();
    let backups = db::backups::newest_proved(&platform.db, id).await?;
    let backup_of = |name: &str| {
        let backup = backups.iter().find(|backup| backup.name == name);
        backup.cloned().map(Into::into)
    };
    for database in db::databases::of_environment(&platform.db, id).await? {
        let server = server(&platform, &database);
        let who = account(&platform, &database)?;
        let shown = api::Database {
            backup: backup_of(&database.name),
            appling: database.appling,
            name: database.name,
            server: database.server,
            created_at: database.created_at,
            rotated_at: database.rotated_at,
            rotating: database.other_works,
            former: false,
            size: None,
            connections: None,
            connection_limit: server.as_ref().map_or(0, |server| server.connection_limit),
            extensions: None,
            trouble: server.as_ref().err().map(ToString::to_string),
        };
        told.push(match (database.made, server) {
            (Some(_), Ok(server)) => looked_at(server, Some(&who), shown).await,
            _ => shown,
        });
    }
    for database in db::databases::former(&platform.db, id).await? {
        let server = platform.databases.get(&database.server);
        let shown = api::Database {
            backup: backup_of(&database.name),
            appling: ApplingName::parse(&database.appling).ok(),
            name: database.name,
            server: database.server,
            created_at: database.replaced_at,
            rotated_at: None,
            rotating: false,
            former: true,
            size: None,
            connections: None,
            connection_limit: server.map_or(0, |server| server.connection_limit),
            extensions: None,
            trouble: server.is_none().then(|| LOST.to_owned()),
        };
        told.push(match server {
            Some(server) => looked_at(server, None, shown).await,
            None => shown,
        });
    }
    Ok(Json(told))
}

/// With what the server says of it.
async fn looked_at(
    server: &Server,
    who: Option<&Account>,
    database: api::Database,
) -> api::Database {
    let seen = match provision::look(server, who, &database.name).await {
        Ok(seen) => seen,
        Err(error) => {
            return api::Database {
                trouble: Some(error.to_string()),
                ..database
            };
        }
    };
    let extensions = seen.extensions.into_iter();
    let extensions = extensions.map(|(name, version)| api::Extension { name, version });
    api::Database {
        size: Some(seen.size),
        connections: Some(seen.connections),
        extensions: Some(extensions.collect()),
        ..database
    }
}

/// `POST /api/apps/{app}/environments/{environment}/databases/rotate?appling=A`
pub async fn rotate(
    State(platform): State<Platform>,
    Path((app, environment)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Answer<StatusCode> {
    let (app, environment, database) = find(&platform, &app, &environment, which).await?;
    rotation::rotate(&platform, &database)
        .await
        .map_err(|error| match error {
            NotRotated::Unfinished => {
                Problem::conflict("rotating", error.to_string()).hint(format!(
                    "hops db info -a {} -e {environment} says when it is over",
                    app.name
                ))
            }
            NotRotated::Server(error) => unavailable(&error),
            NotRotated::Failed(error) => Problem::Internal(error),
        })?;
    db::environments::nudge(&platform.db, &app.name, environment).await?;
    tracing::info!(app = %app.name, %environment, database = database.name, "password rotated");
    Ok(StatusCode::NO_CONTENT)
}

/// What `DELETE` understands.
#[derive(Debug, Deserialize)]
pub struct Named {
    name: String,
}

/// `DELETE /api/apps/{app}/environments/{environment}/databases?name=N`: the database of this name, and
/// all that is in it. One that an appling is connected to stays, and so does one that pods may still use.
pub async fn delete(
    State(platform): State<Platform>,
    Path((app, environment)): Path<(String, String)>,
    Query(named): Query<Named>,
) -> Answer<StatusCode> {
    let place = find_environment(&platform, &app, &environment).await?;
    let Named { name } = named;
    let none = || no_database(&place.app, place.environment);
    let id = place.id.ok_or_else(none)?;
    if drop_former(&platform, &place, id, &name).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let databases = db::databases::of_environment(&platform.db, id).await?;
    let former = db::databases::former(&platform.db, id).await?;
    let former = former.iter().map(|one| one.name.as_str());
    let there = databases.iter().map(|one| one.name.as_str());
    let there: Vec<&str> = there.chain(former).collect();
    let another = || no_such_database(&place, &name, &there);
    let database = databases.iter().find(|database| database.name == name);
    let database = database.ok_or_else(another)?;
    // That an appling is connected to it says more.
    let unused = is_unused(&platform, &place, &name).await;
    // Whoever makes a release locks the environment's row first.
    let mut tx = platform.db.begin().await?;
    db::environments::lock_or_create(&mut tx, &place.app.name, place.environment).await?;
    let good = db::verdicts::good(&mut *tx, id).await?;
    let connected =
        |verdict: &&Verdict| verdict.spec.database_owner() == Some(database.appling.as_ref());
    if let Some(user) = good.iter().find(connected) {
        let message = format!("{} is connected to it", user.appling);
        return Err(
            Problem::conflict("in_use", message).hint("release it without [postgres] first")
        );
    }
    if db::releases::unfinished(&mut *tx, id).await?.is_some() {
        let message = "a release is on its way that may want it";
        return Err(Problem::conflict("in_use", message).hint("wait until it has ended"));
    }
    unused?;
    // From here on it is nobody's: what a crash leaves, or a server that is lost or away keeps, can be dropped
    // again.
    db::databases::retire(&mut *tx, database.id).await?;
    tx.commit().await?;
    drop_former(&platform, &place, id, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Drops a database of an environment that is nobody's any more; `false` when there is none of this name.
async fn drop_former(
    platform: &Platform,
    place: &Place,
    environment: Uuid,
    name: &str,
) -> Answer<bool> {
    let former = db::databases::former(&platform.db, environment).await?;
    let Some(database) = former.into_iter().find(|one| one.name == name) else {
        return Ok(false);
    };
    let server = platform.databases.get(&database.server);
    let server = server.ok_or_else(lost)?;
    is_unused(platform, place, name).await?;
    provision::delete(server, name)
        .await
        .map_err(|error| unavailable(&error))?;
    db::databases::delete_former(&platform.db, database.id).await?;
    tracing::info!(database = name, "database dropped");
    Ok(true)
}

/// The pods of the version before may not be gone yet when no appling is connected to a database any more.
async fn is_unused(platform: &Platform, place: &Place, database: &str) -> Answer<()> {
    let namespace = namespace(&place.app.name, place.environment);
    let logins = rollout::secrets::logins(&platform.cluster, &namespace).await?;
    let may_log_in = |login: Login| logins.contains(&login.role(database));
    if may_log_in(Login::A) || may_log_in(Login::B) {
        let message = "pods of a version before still use it";
        return Err(Problem::conflict("in_use", message).hint(
            "those that are being replaced end within a minute; a cron job's command may take longer, and `hops status` shows what runs",
        ));
    }
    Ok(())
}

pub(super) fn lost() -> Problem {
    Problem::conflict("server_lost", LOST).hint(
        "whoever runs the platform can name it again, in the file that HOPS_POSTGRES_SERVERS names",
    )
}

pub(super) fn unavailable(error: &MakeError) -> Problem {
    let status = match error {
        MakeError::Refused(_) => StatusCode::CONFLICT,
        MakeError::Away(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    Problem::told(status, "database_server", error.to_string())
}

/// The database that is meant.
pub(super) async fn find(
    platform: &Platform,
    app: &str,
    environment: &str,
    Which { appling }: Which,
) -> Answer<(App, Environment, Database)> {
    let Place {
        app,
        environment,
        id,
    } = find_environment(platform, app, environment).await?;
    let databases = match id {
        Some(id) => db::databases::of_environment(&platform.db, id).await?,
        None => Vec::new(),
    };
    let mut found: Vec<Database> = match appling.as_deref() {
        Some(appling) => {
            let owner = match appling {
                "" => None,
                name => Some(
                    ApplingName::parse(name)
                        .map_err(|error| Problem::bad_request(error.to_string()))?,
                ),
            };
            let is_its = |database: &Database| database.appling == owner;
            databases.into_iter().filter(is_its).collect()
        }
        None => databases,
    };
    match (found.pop(), found.as_slice()) {
        (Some(database), []) => Ok((app, environment, database)),
        (None, _) => Err(no_database(&app, environment)),
        (Some(_), _) => {
            let message = format!("{} has several databases in `{environment}`", app.name);
            Err(Problem::conflict("ambiguous", message)
                .hint("say which appling's it is: --appling NAME"))
        }
    }
}

fn no_such_database(place: &Place, name: &str, there: &[&str]) -> Problem {
    if there.is_empty() {
        return no_database(&place.app, place.environment);
    }
    let (app, environment) = (&place.app.name, place.environment);
    let message = format!("{app} has no database `{name}` in `{environment}`");
    Problem::not_found(message).hint(format!("it has {}", there.join(", ")))
}

fn no_database(app: &App, environment: Environment) -> Problem {
    let message = format!("{} has no such database in `{environment}`", app.name);
    Problem::not_found(message).hint(
        "a database is made by the first release of an appling with [postgres] in its iterapp.toml",
    )
}

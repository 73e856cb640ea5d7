//! Databases of environments. No password is ever answered.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use iterapp_schema::{ApplingName, Environment};
use serde::Deserialize;

use super::{Answer, Problem, apps, releases::parse_environment};
use crate::{
    api,
    database::{
        environment::server,
        provision::{self, MakeError},
        rotation::{self, NotRotated},
    },
    db::{self, apps::App, databases::Database},
    platform::Platform,
};

/// Which of an environment's databases: an appling's, or else the only one.
#[derive(Debug, Deserialize)]
pub struct Which {
    appling: Option<String>,
}

/// `GET /api/apps/{app}/environments/{environment}/databases`
pub async fn list(
    State(platform): State<Platform>,
    Path((app, environment)): Path<(String, String)>,
) -> Answer<Json<Vec<api::Database>>> {
    let (_, _, databases) = find_all(&platform, &app, &environment).await?;
    let mut told = Vec::new();
    for database in &databases {
        let server = server(&platform, database)?;
        let seen = match &database.made {
            Some(_) => provision::look(server, &database.name).await.map(Some),
            None => Ok(None),
        };
        let (seen, trouble) = match seen {
            Ok(seen) => (seen, None),
            Err(error) => (None, Some(error.to_string())),
        };
        told.push(api::Database {
            appling: database.appling.clone(),
            name: database.name.clone(),
            server: database.server.clone(),
            created_at: database.created_at,
            rotated_at: database.rotated_at,
            rotating: database.other_works,
            size: seen.as_ref().map(|seen| seen.size),
            connections: seen.as_ref().map(|seen| seen.connections),
            connection_limit: server.connection_limit,
            extensions: seen.map(|seen| {
                let extensions = seen.extensions.into_iter();
                extensions
                    .map(|(name, version)| api::Extension { name, version })
                    .collect()
            }),
            trouble,
        });
    }
    Ok(Json(told))
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
/// all that is in it. One that an appling is connected to stays.
pub async fn delete(
    State(platform): State<Platform>,
    Path((app, environment)): Path<(String, String)>,
    Query(named): Query<Named>,
) -> Answer<StatusCode> {
    let (app, environment, databases) = find_all(&platform, &app, &environment).await?;
    let mut databases = databases.into_iter();
    let database = databases.find(|database| database.name == named.name);
    let database = database.ok_or_else(|| no_database(&app, environment))?;
    let good = db::verdicts::good(&platform.db, database.environment).await?;
    let user = good
        .iter()
        .find(|verdict| verdict.spec.database_owner() == Some(database.appling.as_ref()));
    let unfinished = db::releases::unfinished(&platform.db, database.environment).await?;
    if let Some(user) = user {
        let message = format!("{} is connected to it", user.appling);
        return Err(
            Problem::conflict("in_use", message).hint("release it without [postgres] first")
        );
    }
    if unfinished.is_some() {
        let message = "a release is on its way that may want it";
        return Err(Problem::conflict("in_use", message).hint("wait until it has ended"));
    }
    let server = server(&platform, &database)?;
    provision::delete(server, &database.name)
        .await
        .map_err(|error| unavailable(&error))?;
    db::databases::delete(&platform.db, database.id).await?;
    tracing::info!(app = %app.name, %environment, database = database.name, "database dropped");
    Ok(StatusCode::NO_CONTENT)
}

fn unavailable(error: &MakeError) -> Problem {
    let status = match error {
        MakeError::Refused(_) => StatusCode::CONFLICT,
        MakeError::Away(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    Problem::told(status, "database_server", error.to_string())
}

async fn find_all(
    platform: &Platform,
    app: &str,
    environment: &str,
) -> Answer<(App, Environment, Vec<Database>)> {
    let app = apps::find(platform, app).await?;
    let environment = parse_environment(environment)?;
    let databases = match db::environments::find(&platform.db, &app.name, environment).await? {
        Some(id) => db::databases::of_environment(&platform.db, id).await?,
        None => Vec::new(),
    };
    Ok((app, environment, databases))
}

async fn find(
    platform: &Platform,
    app: &str,
    environment: &str,
    Which { appling }: Which,
) -> Answer<(App, Environment, Database)> {
    let (app, environment, databases) = find_all(platform, app, environment).await?;
    let appling = appling.as_deref().map(ApplingName::parse).transpose();
    let appling = appling.map_err(|error| Problem::bad_request(error.to_string()))?;
    let mut found: Vec<Database> = match &appling {
        Some(_) => {
            let of_appling = |database: &Database| database.appling == appling;
            databases.into_iter().filter(of_appling).collect()
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

fn no_database(app: &App, environment: Environment) -> Problem {
    let message = format!("{} has no such database in `{environment}`", app.name);
    Problem::not_found(message).hint(
        "a database is made by the first release of an appling with [postgres] in its iterapp.toml",
    )
}

//! Backups of databases, and their restores.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Answer, Problem,
    apps::{self, Place, find_environment},
    databases::{self, Which},
    releases::parse_environment,
};
use crate::{
    api,
    db::{self, apps::App, backups::Backup},
    lease::Work,
    platform::Platform,
};

/// Backups in one answer.
const MAX_LISTED: i64 = 10_000;

/// What `backups` understands.
#[derive(Debug, Deserialize)]
pub struct Limit {
    limit: Option<i64>,
}

/// `GET /api/apps/{app}/environments/{environment}/backups?limit=N`
pub async fn list(
    State(platform): State<Platform>,
    Path((app, environment)): Path<(String, String)>,
    Query(Limit { limit }): Query<Limit>,
) -> Answer<Json<Vec<api::Backup>>> {
    let limit = limit.unwrap_or(100).clamp(1, MAX_LISTED);
    let backups = match find_environment(&platform, &app, &environment).await?.id {
        Some(id) => db::backups::of_environment(&platform.db, id, limit).await?,
        None => Vec::new(),
    };
    Ok(Json(backups.into_iter().map(Into::into).collect()))
}

/// `GET /api/apps/{app}/environments/{environment}/backups/{id}`
pub async fn show(
    State(platform): State<Platform>,
    Path((app, environment, id)): Path<(String, String, Uuid)>,
) -> Answer<Json<api::Backup>> {
    let (_, backup) = find(&platform, &app, &environment, id).await?;
    Ok(Json(backup.into()))
}

impl From<Backup> for api::Backup {
    fn from(backup: Backup) -> api::Backup {
        api::Backup {
            id: backup.id,
            appling: backup.appling,
            database: backup.name,
            cause: backup.cause,
            state: backup.state.word().to_owned(),
            reason: backup.reason,
            created_at: backup.created_at,
            taken_at: backup.taken_at,
            bytes: backup.bytes,
            rows: backup.rows,
            proved_at: backup.proved_at,
            restore_seconds: backup.restore_seconds,
        }
    }
}

/// `POST /api/apps/{app}/environments/{environment}/backups?appling=A`
pub async fn make(
    State(platform): State<Platform>,
    Path((app, environment)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Answer<Json<api::Asked>> {
    let (app, environment, database) =
        databases::find(&platform, &app, &environment, which).await?;
    has_store(&platform)?;
    let id = db::backups::ask(&platform.db, database.id).await?;
    Work::Backups.notify(&platform.db).await?;
    tracing::info!(app = %app.name, %environment, database = database.name, %id, "backup asked for");
    Ok(Json(api::Asked { id }))
}

fn has_store(platform: &Platform) -> Answer<()> {
    match platform.backups {
        Some(_) => Ok(()),
        None => Err(
            Problem::conflict("no_store", "this platform has no store for backups")
                .hint("whoever runs it names one in HOPS_BACKUP_URL"),
        ),
    }
}

/// `POST /api/apps/{app}/environments/{environment}/backups/{id}/prove`
pub async fn prove(
    State(platform): State<Platform>,
    Path((app, environment, id)): Path<(String, String, Uuid)>,
) -> Answer<StatusCode> {
    let (_, backup) = find(&platform, &app, &environment, id).await?;
    has_store(&platform)?;
    if !db::backups::prove_again(&platform.db, backup.id).await? {
        let message = format!("the backup is {}", backup.state.word());
        return Err(Problem::conflict("not_taken", message));
    }
    Work::Backups.notify(&platform.db).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What `restore` understands: where to, the backup's own environment unless said otherwise.
#[derive(Debug, Deserialize)]
pub struct Target {
    environment: Option<String>,
}

/// `POST /api/apps/{app}/environments/{environment}/backups/{id}/restore?environment=E`
pub async fn restore(
    State(platform): State<Platform>,
    Path((app, environment, id)): Path<(String, String, Uuid)>,
    Query(target): Query<Target>,
) -> Answer<Json<api::Asked>> {
    let (app, backup) = find(&platform, &app, &environment, id).await?;
    has_store(&platform)?;
    // One that is damaged is found out by the restore, which compares.
    if backup.path.is_none() {
        let message = format!(
            "the backup is {}: it cannot be restored",
            backup.state.word()
        );
        let hint = format!(
            "hops db backups -a {} -e {environment} shows those that can",
            app.name
        );
        return Err(Problem::conflict("not_taken", message).hint(hint));
    }
    let target = parse_environment(target.environment.as_deref().unwrap_or(&environment))?;
    if platform.databases.of_environment(target).is_none() {
        let message = format!("this platform has no database server for `{target}`");
        return Err(Problem::conflict("no_server", message)
            .hint("whoever runs it names one in HOPS_POSTGRES_SERVERS"));
    }
    let mut tx = platform.db.begin().await?;
    let to = db::environments::lock_or_create(&mut tx, &app.name, target).await?;
    let id = db::restores::ask(&mut *tx, backup.id, to, backup.appling.as_ref()).await?;
    Work::Restores.notify(&mut *tx).await?;
    tx.commit().await?;
    tracing::info!(app = %app.name, environment = %target, backup = %backup.id, "restore asked for");
    Ok(Json(api::Asked { id }))
}

/// `GET /api/apps/{app}/restores/{id}`
pub async fn restored(
    State(platform): State<Platform>,
    Path((app, id)): Path<(String, Uuid)>,
) -> Answer<Json<api::Restore>> {
    let app = apps::find(&platform, &app).await?;
    let none = || Problem::not_found("there is no such restore");
    let restore = db::restores::get(&platform.db, id).await;
    let restore = restore.map_err(|error| match error {
        sqlx::Error::RowNotFound => none(),
        error => error.into(),
    })?;
    let environment = db::environments::get(&platform.db, restore.environment).await?;
    if environment.app != app.name {
        return Err(none());
    }
    Ok(Json(api::Restore {
        id: restore.id,
        backup: restore.backup,
        ended: restore.has_ended,
        reason: restore.reason,
    }))
}

async fn find(
    platform: &Platform,
    app: &str,
    environment: &str,
    id: Uuid,
) -> Answer<(App, Backup)> {
    let Place {
        app,
        environment,
        id: of,
    } = find_environment(platform, app, environment).await?;
    let none = || Problem::not_found(format!("`{environment}` has no such backup"));
    let of = of.ok_or_else(none)?;
    let backup = db::backups::find(&platform.db, of, id).await?;
    Ok((app, backup.ok_or_else(none)?))
}

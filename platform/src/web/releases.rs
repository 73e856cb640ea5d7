//! Releases: ask for one, list, show.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use iterapp_schema::Environment;
use serde::Deserialize;
use uuid::Uuid;

use super::{Answer, Problem, apps};
use crate::{
    api,
    db::{self, apps::App, releases::Release},
    git,
    platform::Platform,
    release::request::{self, Request},
};

/// Most releases that are listed at once.
const MAX_LISTED: i64 = 200;

/// What `GET /api/apps/{app}/releases` understands.
#[derive(Debug, Deserialize)]
pub struct ListQuery {
    environment: Option<String>,
    limit: Option<i64>,
}

/// `GET /api/apps/{app}/releases`
pub async fn list(
    State(platform): State<Platform>,
    Path(app): Path<String>,
    Query(query): Query<ListQuery>,
) -> Answer<Json<Vec<api::Release>>> {
    let app = apps::find(&platform, &app).await?;
    let environment = query
        .environment
        .as_deref()
        .map(parse_environment)
        .transpose()?;
    let limit = query.limit.unwrap_or(20).clamp(1, MAX_LISTED);
    let mut releases = Vec::new();
    for release in db::releases::list(&platform.db, &app.name, environment, limit).await? {
        releases.push(describe(&platform, release).await?);
    }
    Ok(Json(releases))
}

/// `GET /api/apps/{app}/releases/{number}`
pub async fn by_number(
    State(platform): State<Platform>,
    Path((app, number)): Path<(String, i64)>,
) -> Answer<Json<api::Release>> {
    let app = apps::find(&platform, &app).await?;
    let release = db::releases::find_by_number(&platform.db, &app.name, number).await?;
    let release = release
        .ok_or_else(|| Problem::not_found(format!("{} has no release {number}", app.name)))?;
    Ok(Json(describe(&platform, release).await?))
}

/// `GET /api/releases/{id}`
pub async fn show(
    State(platform): State<Platform>,
    Path(id): Path<Uuid>,
) -> Answer<Json<api::Release>> {
    Ok(Json(describe(&platform, find(&platform, id).await?).await?))
}

/// `POST /api/apps/{app}/environments/{environment}/releases`
pub async fn create(
    State(platform): State<Platform>,
    Path((app, environment)): Path<(String, String)>,
    Json(asked): Json<api::CreateRelease>,
) -> Answer<(StatusCode, Json<api::Release>)> {
    let environment = parse_environment(&environment)?;
    let app = fetched(&platform, &app).await?;
    let request = Request {
        id: Uuid::now_v7(),
        commit: resolve(&platform, &app.name, &asked.reference).await?,
        app: app.name,
        environment,
        reference: asked.reference,
        cause: "deploy".to_owned(),
    };
    platform
        .store
        .pin(&request.app, request.id, &request.commit.id)
        .await?;
    let mut tx = platform.db.begin().await?;
    request::create(&mut tx, &request).await?;
    tx.commit().await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(describe(&platform, find(&platform, request.id).await?).await?),
    ))
}

/// The app of a path, its repository as new as its forge's.
pub async fn fetched(platform: &Platform, app: &str) -> Answer<App> {
    let app = apps::find(platform, app).await?;
    platform.fetch(&app).await.map_err(|error| {
        Problem::told(
            StatusCode::BAD_GATEWAY,
            "fetch_failed",
            format!("the repository could not be fetched: {error:#}"),
        )
    })?;
    Ok(app)
}

/// The commit that a ref stands for, or the answer that there is none.
pub async fn resolve(
    platform: &Platform,
    app: &iterapp_schema::AppName,
    reference: &str,
) -> Answer<git::store::CommitInfo> {
    let wanted = reference.to_owned();
    let found = platform
        .store
        .read(app, move |repository| {
            git::store::resolve(repository, &wanted)
        })
        .await?;
    if let Some(commit) = found {
        return Ok(commit);
    }
    let branches = platform.store.read(app, git::store::branches).await?;
    let hint = match branches.len() {
        0 => "nothing was pushed yet".to_owned(),
        _ => format!(
            "branches: {}",
            branches
                .iter()
                .take(20)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    Err(Problem::not_found(format!("{app} has no branch, tag or commit `{reference}`")).hint(hint))
}

/// The environment of a path or a query, or the answer that there is none of that name.
pub fn parse_environment(text: &str) -> Answer<Environment> {
    text.parse()
        .map_err(|error: iterapp_schema::UnknownEnvironment| {
            Problem::bad_request(error.to_string()).hint(error.hint())
        })
}

/// The release of that id, or the answer that there is none.
pub async fn find(platform: &Platform, id: Uuid) -> Answer<Release> {
    db::releases::find(&platform.db, id)
        .await?
        .ok_or_else(|| Problem::not_found("there is no such release"))
}

/// A release with its verdicts, as the API has it.
pub async fn describe(platform: &Platform, release: Release) -> Answer<api::Release> {
    let verdicts = db::verdicts::of_release(&platform.db, release.id).await?;
    let applings = verdicts.into_iter().map(|verdict| api::ApplingRelease {
        urls: verdict
            .spec
            .hosts
            .iter()
            .map(|host| platform.config.app_url(host))
            .collect(),
        // What an appling waits for is the best reason there is while it waits.
        reason: verdict.reason.or(verdict.waiting_for.filter(|_| {
            use api::ApplingState::{Releasing, RollingOut};
            matches!(verdict.state, Releasing | RollingOut)
        })),
        name: verdict.appling,
        state: verdict.state,
        image: verdict.image,
    });
    Ok(api::Release {
        id: release.id,
        number: release.number,
        app: release.app,
        environment: release.environment,
        reference: release.reference,
        commit: release.commit,
        subject: release.subject,
        cause: release.cause,
        state: release.state,
        reason: release.reason,
        applings: applings.collect(),
        created_at: release.created_at,
        ended_at: release.ended_at,
    })
}

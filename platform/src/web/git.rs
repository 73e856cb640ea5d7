//! `/git/{app}.git`: smart HTTP for `git push`, `git fetch` and `git clone`.

use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::Server;
use crate::{
    db::{self, apps::App},
    git::http::{self, Service},
};

/// What `info/refs` understands.
#[derive(Debug, Deserialize)]
pub struct ServiceQuery {
    service: Option<String>,
}

/// `GET /git/{app}.git/info/refs?service=…`
pub async fn advertise(
    State(server): State<Server>,
    Path(repository): Path<String>,
    Query(query): Query<ServiceQuery>,
    headers: HeaderMap,
) -> Response {
    let Some(service) = query.service.as_deref().and_then(Service::parse) else {
        return plain(
            StatusCode::FORBIDDEN,
            "This git is too old: the smart HTTP protocol is needed.",
        );
    };
    let app = match allowed(&server, &repository, service).await {
        Ok(app) => app,
        Err(refusal) => return refusal,
    };
    match http::advertise(
        &server.platform.store,
        &app.name,
        service,
        protocol(&headers),
    )
    .await
    {
        Ok(refs) => (
            no_cache(format!("application/x-{}-advertisement", service.name())),
            refs,
        )
            .into_response(),
        Err(error) => failed(&error),
    }
}

/// `POST /git/{app}.git/git-upload-pack` and `…/git-receive-pack`
pub async fn exchange(
    State(server): State<Server>,
    Path((repository, service)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(service) = Service::parse(&service) else {
        return plain(StatusCode::NOT_FOUND, "There is no such service.");
    };
    let app = match allowed(&server, &repository, service).await {
        Ok(app) => app,
        Err(refusal) => return refusal,
    };
    let Ok(_room) = server.git_room.clone().try_acquire_owned() else {
        return plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many pushes and fetches at once; try again in a moment.",
        );
    };
    let bytes = body.into_data_stream();
    let answer = http::exchange(
        &server.platform.store,
        &app.name,
        service,
        protocol(&headers),
        &server.hook,
        bytes,
    );
    match answer {
        Ok(body) => (
            no_cache(format!("application/x-{}-result", service.name())),
            body,
        )
            .into_response(),
        Err(error) => failed(&error),
    }
}

/// The app that is spoken of, if this service is for it.
async fn allowed(server: &Server, repository: &str, service: Service) -> Result<App, Response> {
    let name = repository.strip_suffix(".git").unwrap_or(repository);
    let unknown = || {
        plain(
            StatusCode::NOT_FOUND,
            &format!("There is no app `{name}`. To create it: hops apps create {name}"),
        )
    };
    let Ok(name) = iterapp_schema::AppName::parse(name) else {
        return Err(unknown());
    };
    let app = db::apps::find(&server.platform.db, &name)
        .await
        .map_err(|error| failed(&error.into()))?;
    match app {
        None => Err(unknown()),
        Some(App {
            repository: Some(forge),
            ..
        }) if service == Service::ReceivePack => Err(plain(
            StatusCode::FORBIDDEN,
            &format!("This app is fetched from {forge}: push there, not here."),
        )),
        Some(app) => Ok(app),
    }
}

fn protocol(headers: &HeaderMap) -> Option<&str> {
    headers.get("git-protocol")?.to_str().ok()
}

fn no_cache(content_type: String) -> [(header::HeaderName, String); 2] {
    [
        (header::CONTENT_TYPE, content_type),
        (
            header::CACHE_CONTROL,
            "no-cache, max-age=0, must-revalidate".to_owned(),
        ),
    ]
}

/// Git shows plain text of an error to its user.
fn plain(status: StatusCode, text: &str) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        format!("{text}\n"),
    )
        .into_response()
}

fn failed(error: &anyhow::Error) -> Response {
    tracing::error!(error = format!("{error:#}"), "a git request failed");
    plain(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Something went wrong on the platform; whoever runs it finds it in the log.",
    )
}

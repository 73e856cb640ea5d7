//! A model of the platform: the API's routes over a state in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::StreamExt;
use jiff::SignedDuration;
use serde::Deserialize;
use uuid::Uuid;

use super::{TOKEN, clock};
use crate::api::*;

/// How the next request for a log is answered.
#[derive(Debug, Clone, Copy)]
pub enum Stream {
    /// With so many lines, and then the connection breaks.
    BreaksAfter(usize),
    /// With so many lines, and then it ends, as when the platform is restarted.
    EndsAfter(usize),
    /// With an error.
    Refused(u16),
    /// It stays open and says nothing more.
    Silent,
}

#[derive(Default)]
pub struct Model {
    pub apps: Vec<App>,
    pub releases: Vec<Release>,
    pub log: Vec<LogLine>,
    /// What comes before logs are answered in full.
    pub streams: VecDeque<Stream>,
    /// How a release is once its log was read in full.
    pub ends: Option<Release>,
    /// What a release would change.
    pub diff: Option<Diff>,
    /// Method, path and query of what was asked.
    pub asked: Vec<String>,
}

impl Model {
    /// The newest release ends as it is to end.
    fn end(&mut self) {
        if let (Some(ends), Some(last)) = (self.ends.clone(), self.releases.last_mut()) {
            *last = ends;
        }
    }
}

/// The running model.
#[derive(Clone)]
pub struct Platform {
    pub url: String,
    model: Arc<Mutex<Model>>,
}

impl Platform {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let platform = Self {
            url,
            model: Arc::default(),
        };
        let router = platform.router();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        platform
    }

    pub fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }

    fn router(&self) -> Router {
        let environment = "/api/apps/{app}/environments/{environment}";
        Router::new()
            .route("/api/apps", get(apps).post(create_app))
            .route("/api/apps/{app}", get(app))
            .route("/api/apps/{app}/webhook", get(webhook))
            .route("/api/apps/{app}/status", get(status))
            .route("/api/apps/{app}/releases", get(releases))
            .route("/api/apps/{app}/releases/{number}", get(release_by_number))
            .route(
                &format!("{environment}/releases"),
                axum::routing::post(create_release),
            )
            .route(&format!("{environment}/diff"), get(diff))
            .route(&format!("{environment}/logs"), get(log))
            .route("/api/releases/{id}", get(release))
            .route("/api/releases/{id}/log", get(log))
            .layer(from_fn_with_state(self.clone(), opened_by_token))
            .with_state(self.clone())
    }
}

async fn opened_by_token(
    State(platform): State<Platform>,
    request: Request,
    next: Next,
) -> Response {
    platform
        .model()
        .asked
        .push(format!("{} {}", request.method(), request.uri()));
    let given = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    match given == Some(&format!("Bearer {TOKEN}")) {
        true => next.run(request).await,
        false => error(StatusCode::UNAUTHORIZED, "unauthorized", "no such token"),
    }
}

async fn apps(State(platform): State<Platform>) -> Json<Vec<App>> {
    Json(platform.model().apps.clone())
}

async fn create_app(State(platform): State<Platform>, Json(create): Json<CreateApp>) -> Response {
    let app = app_named(&create.name, create.repository);
    let mut model = platform.model();
    if model.apps.iter().any(|other| other.name == app.name) {
        return error(
            StatusCode::CONFLICT,
            "name_taken",
            "there is an app `hello` already",
        );
    }
    model.apps.push(app.clone());
    (StatusCode::CREATED, Json(app)).into_response()
}

async fn app(State(platform): State<Platform>, Path(name): Path<String>) -> Response {
    find_app(&platform, &name).map_or_else(not_found, |app| Json(app).into_response())
}

async fn webhook(State(platform): State<Platform>, Path(name): Path<String>) -> Response {
    let webhook = |app: App| Webhook {
        url: format!("https://hops.example.com/webhooks/github/{}", app.name),
        secret: "the-webhooks-secret".to_owned(),
        content_type: "application/json".to_owned(),
        events: vec!["push".to_owned()],
    };
    find_app(&platform, &name).map_or_else(not_found, |app| Json(webhook(app)).into_response())
}

async fn status(State(platform): State<Platform>, Path(name): Path<String>) -> Response {
    let Some(app) = find_app(&platform, &name) else {
        return not_found();
    };
    let release = platform.model().releases.last().cloned();
    let environments = release.into_iter().map(environment_status).collect();
    Json(AppStatus { app, environments }).into_response()
}

fn environment_status(release: Release) -> EnvironmentStatus {
    let running = |appling: &ApplingRelease| RunningAppling {
        emoji: None,
        name: appling.name.clone(),
        commit: release.commit.clone(),
        release: release.number,
        replicas: 2,
        ready: Some(1),
        not_ready: Some(1),
        urls: appling.urls.clone(),
    };
    EnvironmentStatus {
        environment: release.environment,
        namespace: format!("apps-{}-{}", release.app, release.environment),
        applings: release.applings.iter().map(running).collect(),
        release: Some(release),
    }
}

#[derive(Deserialize)]
struct Wanted {
    limit: Option<usize>,
}

async fn releases(
    State(platform): State<Platform>,
    Query(wanted): Query<Wanted>,
) -> Json<Vec<Release>> {
    let newest_first = platform.model().releases.clone().into_iter().rev();
    Json(newest_first.take(wanted.limit.unwrap_or(20)).collect())
}

async fn release_by_number(
    State(platform): State<Platform>,
    Path((_, number)): Path<(String, i64)>,
) -> Response {
    let found = platform
        .model()
        .releases
        .iter()
        .find(|release| release.number == number)
        .cloned();
    found.map_or_else(not_found, |release| Json(release).into_response())
}

async fn create_release(
    State(platform): State<Platform>,
    Path((app, environment)): Path<(String, String)>,
    Json(create): Json<CreateRelease>,
) -> Response {
    if find_app(&platform, &app).is_none() {
        return not_found();
    }
    let mut release = running_release(&app);
    release.environment = environment.parse().unwrap();
    release.reference = create.reference;
    platform.model().releases.push(release.clone());
    (StatusCode::ACCEPTED, Json(release)).into_response()
}

async fn diff(State(platform): State<Platform>) -> Response {
    let diff = platform.model().diff.clone();
    diff.map_or_else(not_found, |diff| Json(diff).into_response())
}

async fn release(State(platform): State<Platform>, Path(id): Path<Uuid>) -> Response {
    let found = platform
        .model()
        .releases
        .iter()
        .find(|release| release.id == id)
        .cloned();
    found.map_or_else(not_found, |release| Json(release).into_response())
}

async fn log(State(platform): State<Platform>) -> Response {
    let mut model = platform.model();
    let stream = model.streams.pop_front();
    let count = match stream {
        Some(Stream::BreaksAfter(count) | Stream::EndsAfter(count)) => count,
        Some(Stream::Refused(status)) => {
            let status = StatusCode::from_u16(status).unwrap();
            return error(status, "unavailable", "the platform is being restarted");
        }
        Some(Stream::Silent) | None => usize::MAX,
    };
    if stream.is_none() {
        model.end();
    }
    let empty = std::iter::once(Ok("\n".to_owned()));
    let lines: Vec<_> = empty
        .chain(model.log.iter().take(count).map(sent))
        .collect();
    let lines = futures::stream::iter(lines);
    match stream {
        Some(Stream::BreaksAfter(_)) => {
            // What was sent before must have left first.
            let broken = futures::stream::once(async {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                Err(std::io::Error::other("broken"))
            });
            Body::from_stream(lines.chain(broken))
        }
        Some(Stream::Silent) => Body::from_stream(lines.chain(futures::stream::pending())),
        _ => Body::from_stream(lines),
    }
    .into_response()
}

fn sent(line: &LogLine) -> std::io::Result<String> {
    Ok(serde_json::to_string(line).unwrap() + "\n")
}

fn find_app(platform: &Platform, name: &str) -> Option<App> {
    platform
        .model()
        .apps
        .iter()
        .find(|app| app.name.as_ref() == name)
        .cloned()
}

fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "not_found", "there is no such thing")
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let (code, message) = (code.to_owned(), message.to_owned());
    let hint = Some("a hint of the platform".to_owned());
    (
        status,
        Json(ApiError {
            code,
            message,
            hint,
        }),
    )
        .into_response()
}

/// An app that is pushed to the platform, unless it has a repository.
pub fn app_named(name: &str, repository: Option<String>) -> App {
    let push_url = format!("http://127.0.0.1:8080/git/{name}.git");
    App {
        name: name.parse().unwrap(),
        push_url: repository.is_none().then_some(push_url),
        repository,
        default_branch: Some("main".to_owned()),
        deploy_key: None,
        created_at: clock() - SignedDuration::from_hours(50),
    }
}

/// Release 12 on its way to test.
pub fn running_release(app: &str) -> Release {
    Release {
        id: Uuid::from_u128(12),
        number: 12,
        app: app.parse().unwrap(),
        environment: "test".parse().unwrap(),
        reference: "main".to_owned(),
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        subject: "Say hello\u{1b}]0;title\u{7}".to_owned(),
        cause: "deploy".to_owned(),
        state: ReleaseState::Running,
        reason: None,
        applings: Vec::new(),
        created_at: clock() - SignedDuration::from_mins(3),
        ended_at: None,
    }
}

/// A release that ended: each appling with its state.
pub fn ended_release(state: ReleaseState, applings: &[(&str, ApplingState)]) -> Release {
    let appling = |&(name, state): &(&str, ApplingState)| ApplingRelease {
        name: name.parse().unwrap(),
        state,
        reason: (state == ApplingState::Failed)
            .then(|| "it exits with code 1\nlast line: boom".to_owned()),
        urls: vec![format!("http://{name}.hello.test.localhost:8081/")],
        image: None,
    };
    Release {
        state,
        applings: applings.iter().map(appling).collect(),
        ended_at: Some(clock() - SignedDuration::from_secs(100)),
        ..running_release("hello")
    }
}

/// A build's line.
pub fn line(second: i64, text: &str) -> LogLine {
    LogLine {
        at: clock() + SignedDuration::from_secs(second),
        appling: Some("web".parse().unwrap()),
        source: "build".to_owned(),
        pod: None,
        text: text.to_owned(),
    }
}

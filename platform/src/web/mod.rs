//! The server: HTTP for people, programs, forges and git. The router fits on one screen.

mod apps;
mod auth;
mod backups;
mod databases;
mod diff;
mod error;
mod git;
mod grants;
mod hook;
mod logs;
mod releases;
mod secrets;

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use anyhow::Context;
use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRef},
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::{delete, get, post, put},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::{
    catch_panic::CatchPanicLayer, decompression::RequestDecompressionLayer, timeout::TimeoutLayer,
    trace::TraceLayer,
};

pub use error::{Answer, Problem};

use crate::{
    git::http::HookAddress,
    platform::Platform,
    secrets::{hex, random},
    tokens::Tokens,
    webhook,
};

/// Largest body of a webhook, as GitHub has it
/// (<https://docs.github.com/en/webhooks/webhook-events-and-payloads#payload-cap>).
const WEBHOOK_LIMIT: usize = 25 << 20;
/// Largest body of an API request.
const API_LIMIT: usize = 1 << 20;
/// How long an API request may take that is no stream; a deploy may have to fetch first.
const API_DEADLINE: Duration = Duration::from_secs(240);
/// How long reading a webhook may take.
const WEBHOOK_DEADLINE: Duration = Duration::from_secs(30);
/// How long requests may go on when the server is to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(5);
/// Git programs at the same time.
const GIT_PROGRAMS: usize = 64;
/// People's connections to databases at the same time.
const TUNNELS: usize = 256;

/// What handlers need.
#[derive(Clone)]
pub struct Server {
    /// Everything both roles have.
    pub platform: Platform,
    /// Who may come in.
    pub tokens: Arc<Tokens>,
    /// Where hooks find this server.
    pub hook: HookAddress,
    /// Room for git programs.
    pub git_room: Arc<Semaphore>,
    /// Room for people's connections to databases.
    pub tunnel_room: Arc<Semaphore>,
    /// Cancelled when the server is to stop: long tellings end then, with a word.
    pub stop: CancellationToken,
}

impl FromRef<Server> for CancellationToken {
    fn from_ref(server: &Server) -> CancellationToken {
        server.stop.clone()
    }
}

impl FromRef<Server> for Platform {
    fn from_ref(server: &Server) -> Platform {
        server.platform.clone()
    }
}

impl Server {
    fn new(platform: Platform, port: u16, stop: CancellationToken) -> anyhow::Result<Server> {
        let token = hex(&random::<16>());
        Ok(Server {
            tokens: Arc::new(platform.config.tokens()?),
            hook: HookAddress {
                url: format!("http://{}/internal/received", hook_host(&platform, port)),
                token: token.into(),
                program: std::env::current_exe().context("finding this program's file")?,
            },
            git_room: Arc::new(Semaphore::new(GIT_PROGRAMS)),
            tunnel_room: Arc::new(Semaphore::new(TUNNELS)),
            stop,
            platform,
        })
    }
}

/// Hooks run beside the server: they come by loopback when it listens everywhere.
fn hook_host(platform: &Platform, port: u16) -> String {
    let ip = platform.config.listen.ip();
    let ip = if ip.is_unspecified() {
        std::net::Ipv4Addr::LOCALHOST.into()
    } else {
        ip
    };
    std::net::SocketAddr::new(ip, port).to_string()
}

fn router(server: Server) -> Router {
    let deadline = |limit| TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, limit);
    let api = Router::new()
        .route("/apps", get(apps::list).post(apps::create))
        .route("/apps/{app}", get(apps::show))
        .route("/apps/{app}/webhook", get(apps::webhook))
        .route("/apps/{app}/status", get(apps::status))
        .route("/apps/{app}/releases", get(releases::list))
        .route("/apps/{app}/releases/{number}", get(releases::by_number))
        .route(
            "/apps/{app}/environments/{environment}/releases",
            post(releases::create),
        )
        .route(
            "/apps/{app}/environments/{environment}/logs",
            get(logs::pods),
        )
        .route(
            "/apps/{app}/environments/{environment}/diff",
            get(diff::show),
        )
        .route(
            "/apps/{app}/environments/{environment}/secrets",
            get(secrets::list),
        )
        .route(
            "/apps/{app}/environments/{environment}/secrets/{name}",
            delete(secrets::delete),
        )
        .route(
            "/apps/{app}/environments/{environment}/secrets/{name}/{key}",
            put(secrets::set),
        )
        .route(
            "/apps/{app}/environments/{environment}/databases",
            get(databases::list).delete(databases::delete),
        )
        .route(
            "/apps/{app}/environments/{environment}/databases/rotate",
            post(databases::rotate),
        )
        .route(
            "/apps/{app}/environments/{environment}/grants",
            get(grants::list).post(grants::create),
        )
        .route(
            "/apps/{app}/environments/{environment}/grants/{id}",
            delete(grants::delete),
        )
        .route(
            "/apps/{app}/environments/{environment}/grants/{id}/tunnel",
            get(grants::tunnel),
        )
        .route(
            "/apps/{app}/environments/{environment}/backups",
            get(backups::list).post(backups::make),
        )
        .route(
            "/apps/{app}/environments/{environment}/backups/{id}",
            get(backups::show),
        )
        .route(
            "/apps/{app}/environments/{environment}/backups/{id}/prove",
            post(backups::prove),
        )
        .route(
            "/apps/{app}/environments/{environment}/backups/{id}/restore",
            post(backups::restore),
        )
        .route("/apps/{app}/restores/{id}", get(backups::restored))
        .route("/apps/{app}/reseal", post(secrets::reseal))
        .route("/releases/{id}", get(releases::show))
        .route("/releases/{id}/log", get(logs::release))
        .fallback(error::unknown_path)
        .layer(deadline(API_DEADLINE))
        .layer(DefaultBodyLimit::max(API_LIMIT))
        .layer(axum::middleware::from_fn_with_state(
            server.clone(),
            auth::bearer,
        ));
    let git = Router::new()
        .route("/{repository}/info/refs", get(git::advertise))
        .route("/{repository}/{service}", post(git::exchange))
        .layer(DefaultBodyLimit::disable())
        // Git packs its longer questions.
        .layer(RequestDecompressionLayer::new())
        .layer(axum::middleware::from_fn_with_state(
            server.clone(),
            auth::basic,
        ));
    let webhooks = Router::new()
        .route("/github/{app}", post(webhook::github::receive))
        .layer(deadline(WEBHOOK_DEADLINE))
        .layer(DefaultBodyLimit::max(WEBHOOK_LIMIT));
    Router::new()
        .route("/api/sealing-key", get(secrets::sealing_key))
        .nest("/api", api)
        .nest("/git", git)
        .nest("/webhooks", webhooks)
        .route("/internal/received/{app}", post(hook::received))
        .route("/healthz", get(|| async { "ok" }))
        .route("/schemas/iterapp.json", get(schema))
        .fallback(error::unknown_path)
        .layer(CatchPanicLayer::new())
        .layer(TraceLayer::new_for_http())
        .with_state(server)
}

/// The JSON Schema of `iterapp.toml`, for editors; it is no secret.
async fn schema() -> impl IntoResponse {
    static SCHEMA: LazyLock<String> = LazyLock::new(iterapp_schema::json_schema_text);
    ([(CONTENT_TYPE, "application/schema+json")], SCHEMA.as_str())
}

/// Serves until `stop`, then lets requests that are under way end, for a while.
///
/// # Errors
/// When the address cannot be listened on, or the token is missing.
pub async fn serve(platform: Platform, stop: CancellationToken) -> anyhow::Result<()> {
    let address = platform.config.listen;
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("listening on {address}"))?;
    let listening = listener.local_addr()?;
    let server = Server::new(platform, listening.port(), stop.clone())?;
    tracing::info!(address = %listening, "serving");
    let stopping = stop.clone().cancelled_owned();
    let serving = axum::serve(listener, router(server)).with_graceful_shutdown(stopping);
    tokio::select! {
        served = serving => served.context("serving"),
        () = async { stop.cancelled().await; tokio::time::sleep(LAST_REQUESTS).await } => Ok(()),
    }
}

//! Logins for people, and their way to the databases' servers.

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
    http::{
        StatusCode,
        header::{CONNECTION, UPGRADE},
    },
    response::{IntoResponse, Response},
};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::{io::copy_bidirectional, net::TcpStream};
use uuid::Uuid;

use super::{
    Answer, Problem, Server,
    apps::find_environment,
    databases::{self, Which, unavailable},
};
use crate::{
    api,
    database::{
        connection::Tls,
        environment::server,
        grants::{self, LostServer, NotGranted},
        provision::MakeError,
    },
    db::{self, grants::Grant},
    platform::Platform,
    tokens::{Scope, Who},
};

/// How long a login may last, seconds.
const LASTING: std::ops::RangeInclusive<u32> = 10..=7 * 24 * 3600;

/// `GET /api/apps/{app}/environments/{environment}/grants`
pub async fn list(
    State(platform): State<Platform>,
    Path((app, environment)): Path<(String, String)>,
) -> Answer<Json<Vec<api::Grant>>> {
    let Some(id) = find_environment(&platform, &app, &environment).await?.id else {
        return Ok(Json(Vec::new()));
    };
    let grants = db::grants::of_environment(&platform.db, id).await?;
    Ok(Json(grants.into_iter().map(described).collect()))
}

fn described(grant: Grant) -> api::Grant {
    api::Grant {
        id: grant.id,
        appling: grant.appling,
        database: grant.name,
        role: grant.role,
        access: grant.access,
        who: grant.who,
        created_at: grant.created_at,
        expires_at: grant.expires_at,
        ended_at: grant.ended_at,
    }
}

/// `POST /api/apps/{app}/environments/{environment}/grants`
pub async fn create(
    State(platform): State<Platform>,
    Extension(who): Extension<Who>,
    Path((app, environment)): Path<(String, String)>,
    Json(asked): Json<api::CreateGrant>,
) -> Answer<Json<api::Granted>> {
    allowed(&who)?;
    if !LASTING.contains(&asked.seconds) {
        let message = "a login lasts at least ten seconds and at most a week";
        return Err(Problem::bad_request(message));
    }
    let which = Which {
        appling: asked.appling.as_ref().map(ToString::to_string),
    };
    let (app, environment, database) =
        databases::find(&platform, &app, &environment, which).await?;
    if database.made.is_none() {
        let message = format!("the database {} is not made yet", database.name);
        return Err(Problem::conflict("not_made", message)
            .hint("the next release makes it; hops status says how that goes"));
    }
    let server = server(&platform, &database).map_err(|error| unavailable(&error))?;
    let made = grants::make(&platform, &database, &asked, &who).await;
    let (grant, password) = made.map_err(|error| match error {
        NotGranted::Server(error) => unavailable(&error),
        NotGranted::Failed(error) => Problem::Internal(error),
    })?;
    tracing::info!(
        app = %app.name, %environment, database = grant.name, role = grant.role,
        access = grant.access.as_str(), who = who.name, until = %grant.expires_at,
        "somebody was let into a database"
    );
    Ok(Json(api::Granted {
        grant: described(grant),
        password: password.expose_secret().to_owned(),
        host: server.host.clone(),
        port: server.port,
        sslmode: server.sslmode().to_owned(),
        ca: match &server.tls {
            Tls::Verify(ca) => Some(ca.clone()),
            _ => None,
        },
    }))
}

fn allowed(who: &Who) -> Answer<()> {
    if who.may(Scope::Data) {
        return Ok(());
    }
    let message = format!("the token of `{}` may not go into databases", who.name);
    Err(Problem::told(StatusCode::FORBIDDEN, "scope", message)
        .hint("whoever runs the platform can give it the scope `data`, in HOPS_TOKENS"))
}

/// `DELETE /api/apps/{app}/environments/{environment}/grants/{id}`
pub async fn delete(
    State(platform): State<Platform>,
    Extension(who): Extension<Who>,
    Path((app, environment, id)): Path<(String, String, Uuid)>,
) -> Answer<StatusCode> {
    allowed(&who)?;
    let grant = find(&platform, &app, &environment, id).await?;
    if grant.ended_at.is_none() {
        let ended = grants::end(&platform, &grant).await;
        ended.map_err(|error| match error.downcast_ref::<MakeError>() {
            Some(error) => unavailable(error),
            None if error.is::<LostServer>() => Problem::conflict("server_lost", error.to_string()),
            None => Problem::Internal(error),
        })?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn find(platform: &Platform, app: &str, environment: &str, id: Uuid) -> Answer<Grant> {
    let place = find_environment(platform, app, environment).await?;
    let found = match place.id {
        Some(of) => db::grants::find(&platform.db, of, id).await?,
        None => None,
    };
    found.ok_or_else(|| {
        Problem::not_found(format!("`{environment}` has no such login")).hint(format!(
            "hops db grants -a {app} -e {environment} shows them"
        ))
    })
}

/// `GET /api/apps/{app}/environments/{environment}/grants/{id}/tunnel`: a connection to the server, on
/// which whoever has the password may log in. TLS is between those two, and the platform sees nothing of
/// what they say. It ends with the login's time.
pub async fn tunnel(
    State(server): State<Server>,
    Extension(who): Extension<Who>,
    Path((app, environment, id)): Path<(String, String, Uuid)>,
    mut request: Request,
) -> Answer<Response> {
    allowed(&who)?;
    let platform = &server.platform;
    let grant = find(platform, &app, &environment, id).await?;
    let left = grant.expires_at.duration_since(Timestamp::now());
    let left = Duration::try_from(left).unwrap_or_default();
    if left.is_zero() || grant.ended_at.is_some() {
        return Err(Problem::conflict("expired", "the login's time is over"));
    }
    let asked = request.headers().get(UPGRADE);
    let is_ours = asked.is_some_and(|protocol| protocol.as_bytes() == api::TUNNEL.as_bytes());
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let Some(upgrade) = upgrade.filter(|_| is_ours) else {
        let message = format!(
            "this is for `Upgrade: {}`, and nothing between may drop it",
            api::TUNNEL
        );
        return Err(Problem::told(
            StatusCode::UPGRADE_REQUIRED,
            "upgrade",
            message,
        ));
    };
    let Ok(room) = server.tunnel_room.clone().try_acquire_owned() else {
        let message = "too many people are connected to databases";
        return Err(Problem::told(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            message,
        ));
    };
    let of = platform.databases.get(&grant.server);
    let of = of.ok_or_else(databases::lost)?;
    let there = of.dial().await.map_err(|error| {
        tracing::warn!(server = of.name, %error, "a database server was not reached");
        let message = format!("the database server `{}` does not answer", of.name);
        Problem::told(StatusCode::SERVICE_UNAVAILABLE, "database_server", message)
    })?;
    let stop = server.stop.clone();
    tokio::spawn(async move {
        let Ok(here) = upgrade.await else { return };
        tokio::select! {
            () = pass(here, there) => {}
            () = tokio::time::sleep(left) => {}
            () = stop.cancelled() => {}
        }
        drop(room);
    });
    let headers = [(CONNECTION, "upgrade"), (UPGRADE, api::TUNNEL)];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

/// Passes on what either side says until one of them has gone.
async fn pass(here: Upgraded, mut there: TcpStream) {
    // An end without a goodbye is an end like any other.
    let _ = copy_bidirectional(&mut TokioIo::new(here), &mut there).await;
}

//! Who may come in: a token, as bearer for the API and as password for git.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Problem, Server};

/// Lets requests in that carry `Authorization: Bearer TOKEN`; handlers may ask whose it is. Who changed
/// what stands in the log.
pub async fn bearer(State(server): State<Server>, mut request: Request, next: Next) -> Response {
    let token = bearer_token(request.headers());
    if let Some(who) = token.and_then(|token| server.tokens.find(token)) {
        if !request.method().is_safe() {
            let (method, path) = (request.method(), request.uri().path());
            tracing::info!(who = who.name, %method, path, "asked to change something");
        }
        request.extensions_mut().insert(who.clone());
        return next.run(request).await;
    }
    Problem::told(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "the token is missing or wrong",
    )
    .hint("set HOPS_TOKEN, or run: hops login")
    .into_response()
}

/// Lets requests in that carry the token as password of HTTP's basic authentication.
pub async fn basic(State(server): State<Server>, request: Request, next: Next) -> Response {
    let given = password(request.headers());
    if let Some(who) = given.and_then(|given| server.tokens.find(&given)) {
        let path = request.uri().path();
        if path.ends_with("/git-receive-pack") {
            tracing::info!(who = who.name, path, "asked to push");
        }
        return next.run(request).await;
    }
    let challenge = [(
        header::WWW_AUTHENTICATE,
        "Basic realm=\"Hops: any user, the token as password\"",
    )];
    (
        StatusCode::UNAUTHORIZED,
        challenge,
        "The password must be a Hops token; any user name will do.\n",
    )
        .into_response()
}

/// The token of `Authorization: Bearer TOKEN`.
pub fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn password(headers: &HeaderMap) -> Option<String> {
    let (scheme, encoded) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    Some(decoded.split_once(':')?.1.to_owned())
}

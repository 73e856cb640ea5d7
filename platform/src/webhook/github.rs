//! `POST /webhooks/github/{app}`: GitHub's deliveries
//! (<https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>).

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use hmac::{Hmac, KeyInit, Mac};
use iterapp_schema::AppName;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::Sha256;

use crate::{
    db::{self, apps::App},
    platform::Platform,
    web::{Answer, Problem},
};

/// Longest delivery id that is kept; GitHub's are UUIDs.
const MAX_DELIVERY: usize = 200;

/// The part of a push's payload that matters: which ref moved.
#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(rename = "ref")]
    reference: String,
    #[serde(default)]
    deleted: bool,
}

/// Verifies a delivery and stores the push: 202 says that it is on disk.
///
/// # Errors
/// 401 for a bad or missing signature, also for an app that does not exist; 400 for a body or
/// headers that GitHub would not send.
pub async fn receive(
    State(platform): State<Platform>,
    Path(app): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<Response> {
    let app = verified(&platform, &app, &headers, &body).await?;
    match header(&headers, "x-github-event") {
        Some("push") => push(&platform, &app, &headers, &body).await,
        Some("ping") => Ok((StatusCode::OK, "pong\n").into_response()),
        _ => Ok((StatusCode::OK, "nothing to do for this event\n").into_response()),
    }
}

/// The app, if the signature is its own. An unknown app takes the same path and the same time as
/// a wrong signature.
async fn verified(
    platform: &Platform,
    name: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Answer<App> {
    let app = match AppName::parse(name) {
        Ok(name) => db::apps::find(&platform.db, &name).await?,
        Err(_) => None,
    };
    let secret = match &app {
        Some(app) => platform
            .key
            .open(&format!("webhook/{}", app.name), &app.webhook_secret)?,
        None => "no app has this secret".to_owned().into(),
    };
    let good = signed_with(&secret, header(headers, "x-hub-signature-256"), body);
    app.filter(|_| good).ok_or_else(|| {
        Problem::told(
            StatusCode::UNAUTHORIZED,
            "bad_signature",
            "the signature is missing or wrong",
        )
    })
}

/// Compares in constant time.
fn signed_with(secret: &SecretString, signature: Option<&str>, body: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        return false;
    };
    mac.update(body);
    let given = signature
        .and_then(|text| text.strip_prefix("sha256="))
        .and_then(decode_hex);
    mac.verify_slice(&given.unwrap_or_default()).is_ok()
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    Some(
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}

async fn push(
    platform: &Platform,
    app: &App,
    headers: &HeaderMap,
    body: &[u8],
) -> Answer<Response> {
    let delivery = header(headers, "x-github-delivery")
        .filter(|id| !id.is_empty() && id.len() <= MAX_DELIVERY)
        .ok_or_else(|| Problem::bad_request("the header X-GitHub-Delivery is missing"))?;
    let payload: Payload = serde_json::from_slice(body).map_err(|_| {
        Problem::bad_request("the body is not the JSON of a push")
            .hint("choose the content type application/json in the webhook's settings")
    })?;
    let Some(branch) = payload
        .reference
        .strip_prefix("refs/heads/")
        .filter(|_| !payload.deleted)
    else {
        return Ok((StatusCode::OK, "nothing to do for this ref\n").into_response());
    };
    if app.repository.is_none() {
        return Ok((
            StatusCode::OK,
            "this app is pushed to the platform; nothing is fetched\n",
        )
            .into_response());
    }
    let stored =
        db::pushes::insert(&platform.db, &app.name, "webhook", Some(delivery), branch).await?;
    Ok(match stored {
        Some(_) => (StatusCode::ACCEPTED, "accepted\n").into_response(),
        None => (StatusCode::OK, "this delivery is known\n").into_response(),
    })
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of GitHub's documentation.
    #[test]
    fn signatures_are_those_of_github() {
        let secret: SecretString = "It's a Secret to Everybody".to_owned().into();
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(signed_with(&secret, Some(good), b"Hello, World!"));
        assert!(!signed_with(&secret, Some(good), b"Hello, World"));
        assert!(!signed_with(&secret, Some("sha256=00"), b"Hello, World!"));
        assert!(!signed_with(&secret, Some("sha256=zz"), b"Hello, World!"));
        assert!(!signed_with(&secret, Some(&good[7..]), b"Hello, World!"));
        assert!(!signed_with(&secret, None, b"Hello, World!"));
    }
}

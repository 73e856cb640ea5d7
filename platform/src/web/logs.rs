//! Logs as streams of newline-delimited JSON.

use std::convert::Infallible;

use axum::{
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt};
use iterapp_schema::ApplingName;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Answer, Problem, apps, releases};
use crate::{
    api::LogLine,
    platform::Platform,
    release::follow,
    rollout::pods::{self, LogQuery, PodLine},
};

/// What `GET /api/releases/{id}/log` understands.
#[derive(Debug, Deserialize)]
pub struct ReleaseQuery {
    #[serde(default)]
    follow: bool,
}

/// `GET /api/releases/{id}/log`
pub async fn release(
    State(platform): State<Platform>,
    State(stop): State<CancellationToken>,
    Path(id): Path<Uuid>,
    Query(query): Query<ReleaseQuery>,
) -> Answer<Response> {
    releases::find(&platform, id).await?;
    let batches = follow::follow(&platform, id, query.follow);
    // A stream that broke ends; whoever follows asks again.
    let lines = batches
        .take_while(|batch| std::future::ready(batch.is_ok()))
        .flat_map(|batch| futures::stream::iter(batch.unwrap_or_default()));
    Ok(ndjson(lines, stop))
}

/// What `GET …/logs` understands.
#[derive(Debug, Deserialize)]
pub struct PodsQuery {
    appling: Option<String>,
    tail: Option<u32>,
    #[serde(default)]
    follow: bool,
}

/// `GET /api/apps/{app}/environments/{environment}/logs`
pub async fn pods(
    State(platform): State<Platform>,
    State(stop): State<CancellationToken>,
    Path((app, environment)): Path<(String, String)>,
    Query(query): Query<PodsQuery>,
) -> Answer<Response> {
    let app = apps::find(&platform, &app).await?;
    let environment = releases::parse_environment(&environment)?;
    let appling = query
        .appling
        .as_deref()
        .map(ApplingName::parse)
        .transpose()
        .map_err(|error| Problem::bad_request(error.to_string()))?;
    let wanted = LogQuery {
        appling,
        tail: query.tail,
        follow: query.follow,
    };
    let lines = pods::logs(&platform.cluster, &app.name, environment, wanted).await?;
    Ok(ndjson(lines.map(from_pod), stop))
}

fn from_pod(line: PodLine) -> LogLine {
    LogLine {
        at: line.at,
        appling: Some(line.appling),
        source: "pod".to_owned(),
        pod: Some(line.pod),
        text: line.text,
    }
}

/// Lines until their end, or the server's: whoever follows asks again.
fn ndjson(
    lines: impl Stream<Item = LogLine> + Send + 'static,
    stop: CancellationToken,
) -> Response {
    let bytes = lines.take_until(stop.cancelled_owned()).map(|line| {
        let mut text = serde_json::to_string(&line).unwrap_or_default();
        text.push('\n');
        Ok::<_, Infallible>(Bytes::from(text))
    });
    (
        [(header::CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(bytes),
    )
        .into_response()
}

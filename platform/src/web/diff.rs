//! What a release would change.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::Deserialize;

use super::{Answer, Problem, releases};
use crate::{
    api,
    platform::Platform,
    release::diff::{self, Diff, NoDiff, ObjectChange},
    rollout::{apply::Outcome, changes::FieldChange},
};

/// What `GET …/diff` understands.
#[derive(Debug, Deserialize)]
pub struct DiffQuery {
    #[serde(rename = "ref")]
    reference: Option<String>,
}

/// `GET /api/apps/{app}/environments/{environment}/diff`
pub async fn show(
    State(platform): State<Platform>,
    Path((app, environment)): Path<(String, String)>,
    Query(query): Query<DiffQuery>,
) -> Answer<Json<api::Diff>> {
    let environment = releases::parse_environment(&environment)?;
    let app = releases::fetched(&platform, &app).await?;
    let reference = query.reference.or_else(|| app.default_branch.clone());
    let reference = reference
        .ok_or_else(|| Problem::not_found(format!("nothing was pushed to {} yet", app.name)))?;
    let commit = releases::resolve(&platform, &app.name, &reference).await?;
    let Diff { builds, objects } = diff::diff(&platform, &app.name, environment, &commit.id)
        .await
        .map_err(|error| problem(&reference, error))?;
    let build = |(name, serving)| api::PendingBuild { name, serving };
    Ok(Json(api::Diff {
        app: app.name,
        environment,
        reference,
        commit: commit.id,
        subject: commit.subject,
        builds: builds.into_iter().map(build).collect(),
        objects: objects.into_iter().map(describe).collect(),
    }))
}

fn problem(reference: &str, error: NoDiff) -> Problem {
    match error {
        NoDiff::Refused(reason) => {
            let message = format!("a release of {reference} would fail:\n{reason}");
            Problem::conflict("not_releasable", message)
        }
        NoDiff::Failed(error) => Problem::Internal(error),
    }
}

fn describe(object: ObjectChange) -> api::ObjectDiff {
    let ObjectChange { preview, fields } = object;
    let (change, reason) = match preview.outcome {
        Outcome::Created => (api::ObjectChange::Create, None),
        Outcome::Applied { .. } => (api::ObjectChange::Update, None),
        Outcome::Deleted => (api::ObjectChange::Delete, None),
        Outcome::Refused(reason) => (api::ObjectChange::Refused, Some(reason)),
    };
    let field = |change: FieldChange| api::FieldDiff {
        path: change.path,
        before: change.before,
        after: change.after,
        masked: change.masked,
    };
    api::ObjectDiff {
        kind: preview.kind,
        name: preview.name,
        appling: preview.appling,
        change,
        reason,
        fields: fields.into_iter().map(field).collect(),
    }
}

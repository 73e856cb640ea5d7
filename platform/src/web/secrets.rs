//! Secrets of environments, and what values for `iterapp.toml` are sealed with. No value is ever
//! answered.

use std::collections::BTreeSet;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use iterapp_schema::{ApplingName, EnvValue, Environment};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Answer, Problem,
    apps::{self, Place, find_environment},
    releases::parse_environment,
};
use crate::{
    api,
    db::{self, apps::App},
    platform::Platform,
    secrets::{open::place, ring::KeyRing},
};

/// The largest value: a Kubernetes Secret holds a mebibyte in all.
const LARGEST: usize = 256 << 10;

/// `GET /api/sealing-key`; it is no secret.
pub async fn sealing_key(State(platform): State<Platform>) -> Answer<Json<api::SealingKey>> {
    let key = KeyRing::load(&platform.db, &platform.key).await?.newest()?;
    Ok(Json(api::SealingKey {
        key: key.to_string(),
        id: key.id().to_string(),
    }))
}

/// `POST /api/apps/{app}/reseal`: the same values with the newest key. None is ever shown.
pub async fn reseal(
    State(platform): State<Platform>,
    Path(app): Path<String>,
    Json(asked): Json<api::Reseal>,
) -> Answer<Json<Vec<api::Resealed>>> {
    let app = apps::find(&platform, &app).await?;
    let ring = KeyRing::load(&platform.db, &platform.key).await?;
    let resealed = |text: &String| match ring.reseal(&app.name, text) {
        Ok(value) => api::Resealed::Value(value),
        Err(error) => api::Resealed::Shut(error.to_string()),
    };
    Ok(Json(asked.values.iter().map(resealed).collect()))
}

/// `GET /api/apps/{app}/environments/{environment}/secrets`
pub async fn list(
    State(platform): State<Platform>,
    Path((app, environment)): Path<(String, String)>,
) -> Answer<Json<Vec<api::Secret>>> {
    let Some(id) = find_environment(&platform, &app, &environment).await?.id else {
        return Ok(Json(Vec::new()));
    };
    let secrets = db::secrets::of_environment(&platform.db, id).await?;
    let told = secrets.into_iter().map(|secret| api::Secret {
        updated_at: secret.updated_at(),
        name: secret.name,
        key: secret.key,
    });
    Ok(Json(told.collect()))
}

/// `PUT /api/apps/{app}/environments/{environment}/secrets/{name}/{key}`: pods that use it get it with
/// the environment's next pass.
pub async fn set(
    State(platform): State<Platform>,
    Path((app, environment, name, key)): Path<(String, String, String, String)>,
    Json(asked): Json<api::SecretValue>,
) -> Answer<Json<api::SecretSet>> {
    let app = apps::find(&platform, &app).await?;
    let environment = parse_environment(&environment)?;
    for (text, what) in [(&name, "name"), (&key, "key")] {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if text.is_empty() || text.len() > 253 || !text.chars().all(allowed) {
            let message = format!("a secret's {what} has letters, digits, `.`, `_` and `-`");
            return Err(Problem::bad_request(message));
        }
    }
    if asked.value.len() > LARGEST || asked.value.contains('\0') {
        let message = format!("a secret has at most {LARGEST} bytes, and no NUL");
        return Err(Problem::bad_request(message));
    }
    let id = environment_id(&platform, &app, environment).await?;
    let sealed = platform
        .key
        .seal(&place(id, &name, &key), &asked.value.into())?;
    db::secrets::set(&platform.db, id, (&name, &key), &sealed).await?;
    db::environments::nudge(&platform.db, &app.name, environment).await?;
    tracing::info!(app = %app.name, %environment, name, key, "secret set");
    let used_by = users(&platform, id, &name, Some(&key)).await?;
    Ok(Json(api::SecretSet { used_by }))
}

async fn environment_id(platform: &Platform, app: &App, environment: Environment) -> Answer<Uuid> {
    let mut tx = platform.db.begin().await?;
    let id = db::environments::lock_or_create(&mut tx, &app.name, environment).await?;
    tx.commit().await?;
    Ok(id)
}

/// What `DELETE` understands.
#[derive(Debug, Deserialize)]
pub struct DeleteQuery {
    key: Option<String>,
    /// Also when an appling uses it, whose pods do not start any more then.
    #[serde(default)]
    force: bool,
}

/// `DELETE /api/apps/{app}/environments/{environment}/secrets/{name}?key=K&force=true`
pub async fn delete(
    State(platform): State<Platform>,
    Path((app, environment, name)): Path<(String, String, String)>,
    Query(query): Query<DeleteQuery>,
) -> Answer<StatusCode> {
    let Place {
        app,
        environment,
        id,
    } = find_environment(&platform, &app, &environment).await?;
    let unknown = || Problem::not_found(format!("`{environment}` has no such secret"));
    let id = id.ok_or_else(unknown)?;
    if !query.force {
        is_unused(&platform, id, &name, query.key.as_deref()).await?;
    }
    if db::secrets::delete(&platform.db, id, &name, query.key.as_deref()).await? == 0 {
        return Err(unknown().hint(format!(
            "hops secrets list -a {} -e {environment} shows them",
            app.name
        )));
    }
    db::environments::nudge(&platform.db, &app.name, environment).await?;
    tracing::info!(app = %app.name, %environment, name, "secret deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// Whether no appling that is live, or on its way, is built or configured with a secret, or with one key of
/// it.
async fn is_unused(
    platform: &Platform,
    environment: Uuid,
    name: &str,
    key: Option<&str>,
) -> Answer<()> {
    let users = users(platform, environment, name, key).await?;
    if users.is_empty() {
        return Ok(());
    }
    let users: Vec<&str> = users.iter().map(AsRef::as_ref).collect();
    let message = format!(
        "{} cannot be built or start without it",
        users.join(" and ")
    );
    Err(Problem::conflict("in_use", message)
        .hint("release without it first; --force deletes it all the same"))
}

async fn users(
    platform: &Platform,
    environment: Uuid,
    name: &str,
    asked: Option<&str>,
) -> Answer<BTreeSet<ApplingName>> {
    let is_it = |value: &EnvValue| match value {
        EnvValue::Secret { secret, key } => {
            secret == name && asked.is_none_or(|asked| asked == key)
        }
        _ => false,
    };
    let mut verdicts = db::verdicts::good(&platform.db, environment).await?;
    if let Some(release) = db::releases::unfinished(&platform.db, environment).await? {
        verdicts.extend(db::verdicts::of_release(&platform.db, release.id).await?);
    }
    let mut users = BTreeSet::new();
    for verdict in verdicts {
        let build = match verdict.build {
            Some(build) => Some(db::builds::get(&platform.db, build).await?),
            None => None,
        };
        let built_with = build
            .iter()
            .flat_map(|build| build.settings.secrets.values());
        if verdict.spec.values().chain(built_with).any(is_it) {
            users.insert(verdict.appling);
        }
    }
    Ok(users)
}

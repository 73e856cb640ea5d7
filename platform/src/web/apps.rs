//! Apps: make, list, show.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use iterapp_schema::{AppName, ApplingName, Environment, Scale};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::{
    Answer, Problem,
    releases::{self, parse_environment},
};
use crate::{
    api,
    db::{self, apps::App, environments::EnvironmentRow, verdicts::Verdict},
    git::{
        self,
        address::{Address, Transport},
    },
    platform::Platform,
    release::spec,
    rollout::pods::{self, PodCounts},
    secrets::{hex, random},
};

/// `GET /api/apps`
pub async fn list(State(platform): State<Platform>) -> Answer<Json<Vec<api::App>>> {
    let apps = db::apps::all(&platform.db).await?;
    Ok(Json(
        apps.into_iter()
            .map(|app| describe(&platform, app))
            .collect(),
    ))
}

/// `GET /api/apps/{app}`
pub async fn show(
    State(platform): State<Platform>,
    Path(name): Path<String>,
) -> Answer<Json<api::App>> {
    Ok(Json(describe(&platform, find(&platform, &name).await?)))
}

/// `POST /api/apps`
pub async fn create(
    State(platform): State<Platform>,
    Json(asked): Json<api::CreateApp>,
) -> Answer<(StatusCode, Json<api::App>)> {
    let name = AppName::parse(&asked.name)
        .map_err(|error| Problem::bad_request(error.to_string()).hint(error.hint()))?;
    let repository = repository(&platform, &asked).await?;
    let mut app = App {
        webhook_secret: platform
            .key
            .seal(&format!("webhook/{name}"), &hex(&random::<24>()).into())?,
        repository: repository.map(|address| address.url),
        default_branch: None,
        seen_tip: None,
        forge_token: None,
        deploy_key: None,
        deploy_key_public: None,
        known_hosts: asked.known_hosts,
        created_at: Timestamp::now(),
        name,
    };
    if let Some(token) = asked.token {
        app.forge_token = Some(
            platform
                .key
                .seal(&format!("forge-token/{}", app.name), &token.into())?,
        );
    }
    if asked.deploy_key {
        let (private, public) = git::fetch::make_deploy_key(&app.name).await?;
        app.deploy_key = Some(
            platform
                .key
                .seal(&format!("deploy-key/{}", app.name), &private)?,
        );
        app.deploy_key_public = Some(public);
    }
    store(&platform, app).await
}

/// The repository first: an app without one could not be pushed to.
async fn store(platform: &Platform, app: App) -> Answer<(StatusCode, Json<api::App>)> {
    let taken = || {
        Problem::conflict(
            "name_taken",
            format!("there is an app `{}` already", app.name),
        )
        .hint("choose another name, or use that app: hops status")
    };
    if db::apps::find(&platform.db, &app.name).await?.is_some() {
        return Err(taken());
    }
    platform.store.create(&app.name).await?;
    if !db::apps::insert(&platform.db, &app).await? {
        return Err(taken());
    }
    tracing::info!(app = %app.name, "app created");
    Ok((StatusCode::CREATED, Json(describe(platform, app))))
}

async fn repository(platform: &Platform, asked: &api::CreateApp) -> Answer<Option<Address>> {
    let Some(text) = &asked.repository else {
        return match (&asked.token, asked.deploy_key) {
            (None, false) => Ok(None),
            _ => Err(Problem::bad_request(
                "credentials are for a repository: its address is missing",
            )
            .hint("add --repo URL")),
        };
    };
    let told = |error: anyhow::Error| Problem::bad_request(format!("{error:#}"));
    let address = Address::parse(text).map_err(told)?;
    address
        .allowed(&platform.config.forge_allow_private)
        .await
        .map_err(told)?;
    match address.transport {
        Transport::Http if asked.deploy_key => {
            Err(Problem::bad_request("a deploy key is for ssh addresses").hint("use git@HOST:PATH, or a token"))
        }
        Transport::Ssh if asked.token.is_some() => {
            Err(Problem::bad_request("a token is for https addresses").hint("use https://…, or a deploy key"))
        }
        Transport::Ssh if asked.known_hosts.is_none() => Err(Problem::bad_request("the host's keys are missing, without which anybody could answer for it")
            .hint(format!("ssh-keyscan -p {} {} > known_hosts, compare with what the forge publishes, and add --known-hosts known_hosts", address.port, address.host))),
        _ => Ok(Some(address)),
    }
}

/// `GET /api/apps/{app}/webhook`
pub async fn webhook(
    State(platform): State<Platform>,
    Path(name): Path<String>,
) -> Answer<Json<api::Webhook>> {
    let app = find(&platform, &name).await?;
    let secret = platform
        .key
        .open(&format!("webhook/{}", app.name), &app.webhook_secret)?;
    Ok(Json(api::Webhook {
        url: join(&platform, &format!("webhooks/github/{}", app.name)),
        secret: secret.expose_secret().to_owned(),
        content_type: "application/json".to_owned(),
        events: vec!["push".to_owned()],
    }))
}

/// `GET /api/apps/{app}/status`
pub async fn status(
    State(platform): State<Platform>,
    Path(name): Path<String>,
) -> Answer<Json<api::AppStatus>> {
    let app = find(&platform, &name).await?;
    let mut environments = Vec::new();
    for row in db::environments::of_app(&platform.db, &app.name).await? {
        environments.push(environment(&platform, row).await?);
    }
    Ok(Json(api::AppStatus {
        app: describe(&platform, app),
        environments,
    }))
}

async fn environment(platform: &Platform, row: EnvironmentRow) -> Answer<api::EnvironmentStatus> {
    let newest = db::releases::list(&platform.db, &row.app, Some(row.environment), 1)
        .await?
        .into_iter()
        .next();
    let release = match newest {
        Some(release) => Some(releases::describe(platform, release).await?),
        None => None,
    };
    let good = db::verdicts::good(&platform.db, row.id).await?;
    let counts = pods::counts(&platform.cluster, &row.app, row.environment)
        .await
        .ok();
    let of = |name: &ApplingName| {
        counts
            .as_ref()
            .map(|counts| counts.get(name).copied().unwrap_or_default())
    };
    let is_autoscaled = |verdict: &Verdict| matches!(verdict.spec.run.scale, Scale::Auto(_));
    let chosen = match good.iter().any(is_autoscaled) {
        true => pods::wanted_counts(&platform.cluster, &row.app, row.environment)
            .await
            .unwrap_or_default(),
        false => BTreeMap::new(),
    };
    Ok(api::EnvironmentStatus {
        environment: row.environment,
        namespace: spec::namespace(&row.app, row.environment),
        release,
        applings: good
            .iter()
            .map(|verdict| {
                let replicas = chosen.get(&verdict.appling).copied();
                let replicas = verdict.spec.replicas_given(replicas);
                running(platform, verdict, replicas, of(&verdict.appling))
            })
            .collect(),
    })
}

fn running(
    platform: &Platform,
    verdict: &Verdict,
    replicas: u32,
    pods: Option<PodCounts>,
) -> api::RunningAppling {
    api::RunningAppling {
        emoji: verdict.spec.emoji.clone(),
        name: verdict.appling.clone(),
        commit: verdict.spec.commit.clone(),
        release: verdict.release_number,
        replicas,
        ready: pods.map(|pods| pods.ready),
        not_ready: pods.map(|pods| pods.not_ready),
        urls: verdict
            .spec
            .hosts
            .iter()
            .map(|host| platform.config.app_url(host))
            .collect(),
    }
}

/// The app of a path, or the answer that there is none.
pub async fn find(platform: &Platform, name: &str) -> Answer<App> {
    let unknown = || {
        Problem::not_found(format!("there is no app `{name}`"))
            .hint("hops apps list shows those that there are")
    };
    let name = AppName::parse(name).map_err(|_| unknown())?;
    db::apps::find(&platform.db, &name)
        .await?
        .ok_or_else(unknown)
}

/// An environment of a path, and its row's id once it has been used.
pub struct Place {
    /// The app.
    pub app: App,
    /// Which one.
    pub environment: Environment,
    /// Its row.
    pub id: Option<Uuid>,
}

/// The app and environment of a path, or the answer that there are none of those names.
pub async fn find_environment(platform: &Platform, app: &str, environment: &str) -> Answer<Place> {
    let app = find(platform, app).await?;
    let environment = parse_environment(environment)?;
    let id = db::environments::find(&platform.db, &app.name, environment).await?;
    Ok(Place {
        app,
        environment,
        id,
    })
}

fn describe(platform: &Platform, app: App) -> api::App {
    let push_url = app
        .repository
        .is_none()
        .then(|| join(platform, &format!("git/{}.git", app.name)));
    api::App {
        push_url,
        name: app.name,
        repository: app.repository,
        default_branch: app.default_branch,
        deploy_key: app.deploy_key_public,
        created_at: app.created_at,
    }
}

fn join(platform: &Platform, path: &str) -> String {
    format!(
        "{}/{path}",
        platform.config.public_url.as_str().trim_end_matches('/')
    )
}

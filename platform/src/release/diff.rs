//! What a release of a commit would change on the live system. Nothing is changed by asking.

use iterapp_schema::{AppName, ApplingName, Environment, Iterapp};

use super::{
    keep,
    plan::{self, Places, Plan},
    read_iterapp::{self, Mistakes},
    spec::{Version, WantedEnvironment},
};
use crate::{
    database::environment::connections_or_placeholders,
    db::{self, verdicts::Verdict},
    platform::Platform,
    rollout::{
        apply::{self, ApplyError, Outcome, Preview},
        changes::{FieldChange, changes},
        desired::desired,
    },
    secrets::open,
};

/// Stands for the digest of an image that is not built yet.
const TO_BE_BUILT: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What would change.
#[derive(Debug)]
pub struct Diff {
    /// Applings that would get a new image, with the commit that serves now, if one does.
    pub builds: Vec<(ApplingName, Option<String>)>,
    /// Objects that would change.
    pub objects: Vec<ObjectChange>,
}

/// What would become of one object, and which of its fields would change.
#[derive(Debug)]
pub struct ObjectChange {
    /// What would become of it.
    pub preview: Preview,
    /// Its fields; of one that would be made or go, none.
    pub fields: Vec<FieldChange>,
}

/// Why there is no telling.
#[derive(Debug)]
pub enum NoDiff {
    /// The author has to mend something first, in words for them.
    Refused(String),
    /// Asking failed.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for NoDiff {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Compares what a release of the commit would want with what there is.
///
/// A release of a commit builds its images, but for those that can stay ([`keep`]), and the commit
/// that an image was built from stands in the pods' environment. Both are told by [`Diff::builds`]; the objects are compared as if the image and the commit stayed, so that
/// they show what the files changed.
///
/// # Errors
/// When the files have mistakes, or what they ask for cannot be had; when reading fails.
pub async fn diff(
    platform: &Platform,
    app: &AppName,
    environment: Environment,
    commit: &str,
) -> Result<Diff, NoDiff> {
    let iterapp = read(platform, app, environment, commit).await?;
    let good = good(platform, app, environment).await?;
    let running: Vec<ApplingName> = good.iter().map(|good| good.appling.clone()).collect();
    let places = Places {
        domain: &platform.config.domain,
        registry: &platform.config.registry,
    };
    let mut plan = plan::plan(app, environment, &iterapp, commit, &running, places)
        .map_err(|error| NoDiff::Refused(error.to_string()))?;
    keep::keep(platform, app, commit, &good, &mut plan).await?;
    let builds = builds(&plan, &good);
    let mut wanted = WantedEnvironment::settled(app.clone(), environment, versions(plan, &good));
    wanted.opened = open::open(platform, app, environment, wanted.values())
        .await?
        .0;
    let row = db::environments::find(&platform.db, app, environment).await?;
    wanted.databases = connections_or_placeholders(platform, row, &wanted).await?;
    let objects = desired(&wanted, platform.cluster.settings());
    let previews =
        apply::dry_run(&platform.cluster, &objects)
            .await
            .map_err(|error| match error {
                ApplyError::Refused(_) => NoDiff::Refused(error.to_string()),
                other => NoDiff::Failed(other.into()),
            })?;
    Ok(Diff {
        builds,
        objects: previews.into_iter().filter_map(changed).collect(),
    })
}

async fn read(
    platform: &Platform,
    name: &AppName,
    environment: Environment,
    commit: &str,
) -> Result<Iterapp, NoDiff> {
    let tree = platform.store.tree(name, commit).await?;
    let app = name.clone();
    let read = tokio::task::spawn_blocking(move || read_iterapp::read(&app, &tree)).await??;
    match read {
        Ok(read) => match read_iterapp::open_secrets(platform, name, environment, &read).await? {
            Ok(()) => Ok(read.iterapp),
            Err(Mistakes(told)) => Err(NoDiff::Refused(told)),
        },
        Err(Mistakes(told)) => Err(NoDiff::Refused(told)),
    }
}

/// What serves; nothing in an environment that never had a release.
async fn good(
    platform: &Platform,
    app: &AppName,
    environment: Environment,
) -> sqlx::Result<Vec<Verdict>> {
    let environments = db::environments::of_app(&platform.db, app).await?;
    let found = environments
        .into_iter()
        .find(|row| row.environment == environment);
    match found {
        Some(row) => db::verdicts::good(&platform.db, row.id).await,
        None => Ok(Vec::new()),
    }
}

fn serving<'g>(good: &'g [Verdict], appling: &ApplingName) -> Option<&'g Verdict> {
    good.iter().find(|verdict| verdict.appling == *appling)
}

fn builds(plan: &Plan, good: &[Verdict]) -> Vec<(ApplingName, Option<String>)> {
    let build = |spec: &super::spec::ApplingSpec| {
        let serving = serving(good, &spec.name).map(|good| good.spec.commit.clone());
        (serving.as_ref() != Some(&spec.commit)).then(|| (spec.name.clone(), serving))
    };
    plan.applings
        .iter()
        .filter_map(|planned| build(&planned.spec))
        .collect()
}

/// The planned versions, with the image and the commit that serve where there are any.
fn versions(plan: Plan, good: &[Verdict]) -> Vec<Version> {
    let version = |planned: plan::Planned| {
        let mut spec = planned.spec;
        let serving = serving(good, &spec.name);
        let image = serving.and_then(|good| good.image.clone());
        if let Some(good) = serving {
            spec.commit.clone_from(&good.spec.commit);
        }
        let image = image.unwrap_or_else(|| format!("{}@sha256:{TO_BE_BUILT}", planned.image));
        Version { spec, image }
    };
    let mut versions: Vec<Version> = plan.applings.into_iter().map(version).collect();
    versions.sort_by(|one, other| one.spec.name.cmp(&other.spec.name));
    versions
}

fn changed(preview: Preview) -> Option<ObjectChange> {
    let fields = match &preview.outcome {
        Outcome::Applied { before, after } => changes(before, after),
        _ => Vec::new(),
    };
    let same = fields.is_empty() && matches!(preview.outcome, Outcome::Applied { .. });
    (!same).then_some(ObjectChange { preview, fields })
}

//! What applying would come to: the apiserver does everything as it would, and keeps nothing.
//! No fence is needed, since nothing is written.

use std::collections::BTreeMap;

use iterapp_schema::ApplingName;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::cluster::{Cluster, Namespaced};
use super::super::desired::{Objects, TraefikObjects};
use super::super::labels;
use super::kind::Kind;
use super::{ApplyError, FIELD_MANAGER, OurNamespace, namespace};

/// What would become of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// Its kind, such as `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The appling whose it is, if it is one's.
    pub appling: Option<ApplingName>,
    /// What would become of it.
    pub outcome: Outcome,
}

/// See [`Preview`]. Objects are complete, secrets and what the server sets among it.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is not there and would be made.
    Created,
    /// It is there, and would be applied again.
    Applied {
        /// As it is.
        before: Value,
        /// As it would be.
        after: Value,
    },
    /// It is there and no longer wanted.
    Deleted,
    /// Kubernetes or the platform would say no, for this reason.
    Refused(String),
}

/// Asks what [`super::apply`] would do with these objects. Changes nothing.
///
/// In an environment without a namespace everything would be made, and nothing is asked.
///
/// # Errors
///
/// When the namespace is not ours, or Kubernetes cannot be asked. What would be refused is no error.
pub async fn dry_run(cluster: &Cluster, objects: &Objects) -> Result<Vec<Preview>, ApplyError> {
    let Objects {
        namespace: wanted,
        config_maps,
        secrets,
        network_policies,
        services,
        deployments,
        autoscalers,
        ingresses,
        traefik,
        cron_jobs,
        // They run once and are not applied.
        jobs: _,
    } = objects;
    let Some(namespace) = namespace::find(cluster, wanted).await? else {
        return Ok(all_new(objects));
    };
    let all = tokio::try_join!(
        previews(cluster, &namespace, config_maps),
        previews(cluster, &namespace, secrets),
        previews(cluster, &namespace, network_policies),
        previews(cluster, &namespace, services),
        previews(cluster, &namespace, deployments),
        previews(cluster, &namespace, autoscalers),
        previews(cluster, &namespace, ingresses),
        of_traefik(cluster, &namespace, traefik.as_ref()),
        previews(cluster, &namespace, cron_jobs),
    )?;
    Ok(<[_; 9]>::from(all).concat())
}

/// Where the ingress is another one's, the cluster perhaps does not have these kinds.
async fn of_traefik(
    cluster: &Cluster,
    namespace: &OurNamespace,
    wanted: Option<&TraefikObjects>,
) -> Result<Vec<Preview>, ApplyError> {
    let Some(objects) = wanted else {
        return Ok(Vec::new());
    };
    let (middlewares, routes) = tokio::try_join!(
        previews(cluster, namespace, &objects.middlewares),
        previews(cluster, namespace, &objects.ingress_routes),
    )?;
    Ok([middlewares, routes].concat())
}

fn all_new(objects: &Objects) -> Vec<Preview> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let new = |object: Value| Preview {
        kind: text(&object["kind"]),
        name: text(&object["metadata"]["name"]),
        appling: text(&object["metadata"]["labels"][labels::APPLING])
            .parse()
            .ok(),
        outcome: Outcome::Created,
    };
    objects.to_json().into_iter().map(new).collect()
}

async fn previews<K: Namespaced + Serialize>(
    cluster: &Cluster,
    namespace: &OurNamespace,
    wanted: &[K],
) -> Result<Vec<Preview>, ApplyError> {
    let kind = Kind::<K>::read(cluster, namespace).await?;
    let live = live(cluster, namespace, &kind).await?;
    let mut previews = Vec::new();
    for object in wanted {
        if let Some(before) = newest_before(object, &live) {
            previews.push(renamed(object, before));
            continue;
        }
        let outcome = match outcome(cluster, &kind, object, live.get(&object.name_any())).await {
            Err(ApplyError::Refused(refusals)) => {
                let reasons: Vec<String> = refusals.into_iter().map(|r| r.reason).collect();
                Outcome::Refused(reasons.join("; "))
            }
            other => other?,
        };
        previews.push(preview(object, outcome));
    }
    let unwanted = kind.unwanted(wanted).filter_map(|(name, _)| live.get(name));
    // What is named after its content goes when no pod needs it, whatever is wanted.
    let unwanted = unwanted.filter(|object| !is_named_after_content(*object));
    previews.extend(unwanted.map(|object| preview(object, Outcome::Deleted)));
    Ok(previews)
}

fn is_named_after_content<K: Namespaced>(object: &K) -> bool {
    object.labels().contains_key(labels::CONTENT)
}

/// What an object that is named after its content takes the place of; nothing when it is there already,
/// or the first of its kind.
fn newest_before<'l, K: Namespaced>(object: &K, live: &'l BTreeMap<String, K>) -> Option<&'l K> {
    let name = object.name_any();
    if !is_named_after_content(object) || live.contains_key(&name) {
        return None;
    }
    let family = labels::without_content(&name);
    let same = |found: &&K| {
        is_named_after_content(*found) && labels::without_content(&found.name_any()) == family
    };
    live.values()
        .filter(same)
        .max_by_key(|found| found.creation_timestamp())
}

/// An object that takes another's place, as a change of one.
fn renamed<K: Namespaced + Serialize>(object: &K, before: &K) -> Preview {
    let (mut before, after) = (json!(before), json!(object));
    before["metadata"]["name"] = after["metadata"]["name"].clone();
    Preview {
        name: labels::without_content(&object.name_any()).to_owned(),
        ..preview(object, Outcome::Applied { before, after })
    }
}

/// The objects of a kind as they are, in full.
async fn live<K: Namespaced + Serialize>(
    cluster: &Cluster,
    namespace: &OurNamespace,
    kind: &Kind<K>,
) -> Result<BTreeMap<String, K>, ApplyError> {
    let all = ListParams::default();
    let what = format!("list the {} of {}", K::plural(&()), namespace.name);
    let list = cluster
        .request(&what, || async { kind.api.list(&all).await })
        .await?;
    let named = list
        .items
        .into_iter()
        .map(|object| (object.name_any(), object));
    Ok(named.collect())
}

async fn outcome<K: Namespaced + Serialize>(
    cluster: &Cluster,
    kind: &Kind<K>,
    object: &K,
    live: Option<&K>,
) -> Result<Outcome, ApplyError> {
    let name = object.name_any();
    kind.refuse_foreign(&name)?;
    let parameters = PatchParams::apply(FIELD_MANAGER).force().dry_run();
    let patch = Patch::Apply(object);
    let what = kind.what("try to apply", &name);
    let apply = || async { kind.api.patch(&name, &parameters, &patch).await };
    let after = cluster.request(&what, apply).await?;
    let Some(live) = live else {
        return Ok(Outcome::Created);
    };
    let (before, mut after) = (json!(live), json!(after));
    keep_replicas(&json!(object), &before, &mut after);
    Ok(Outcome::Applied { before, after })
}

/// A number of pods that is not wanted any more is an autoscaler's: it stays until that changes it,
/// where a plain apply would let it fall to the default.
fn keep_replicas(wanted: &Value, before: &Value, after: &mut Value) {
    let replicas = &before["spec"]["replicas"];
    if wanted["spec"]["replicas"].is_null() && !replicas.is_null() {
        after["spec"]["replicas"] = replicas.clone();
    }
}

fn preview<K: Namespaced>(object: &K, outcome: Outcome) -> Preview {
    Preview {
        kind: K::kind(&()).into_owned(),
        name: object.name_any(),
        appling: labels::appling_of(object.labels()),
        outcome,
    }
}

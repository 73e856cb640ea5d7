//! The namespace: made, or found to be ours, or refused. Never adopted.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};

use super::super::cluster::Cluster;
use super::super::labels;
use super::write::Writer;
use super::{ApplyError, FIELD_MANAGER, Fence, OurNamespace};

/// Sees to it that the namespace is there and ours.
pub(super) async fn ensure<F: Fence>(
    writer: &Writer<'_, F>,
    wanted: &Namespace,
) -> Result<OurNamespace, ApplyError> {
    let api: Api<Namespace> = writer.cluster.everywhere();
    let name = wanted.name_any();
    let read = || async { api.get_opt(&name).await };
    let what = format!("read the namespace {name}");
    let found = match writer.cluster.request(&what, read).await? {
        Some(found) => found,
        None => create(writer, &api, wanted).await?,
    };
    check(&found, wanted)?;
    if found.labels() != wanted.labels() {
        label(writer, &api, wanted).await?;
    }
    let labels = wanted.labels().clone();
    Ok(OurNamespace { name, labels })
}

/// The namespace, if it is there and ours.
pub(super) async fn find(
    cluster: &Cluster,
    wanted: &Namespace,
) -> Result<Option<OurNamespace>, ApplyError> {
    let api: Api<Namespace> = cluster.everywhere();
    let name = wanted.name_any();
    let read = || async { api.get_opt(&name).await };
    let what = format!("read the namespace {name}");
    let Some(found) = cluster.request(&what, read).await? else {
        return Ok(None);
    };
    check(&found, wanted)?;
    let labels = wanted.labels().clone();
    Ok(Some(OurNamespace { name, labels }))
}

/// Creates it, and does not apply it: applying would take over one that somebody else makes at the
/// same moment.
async fn create<F: Fence>(
    writer: &Writer<'_, F>,
    api: &Api<Namespace>,
    wanted: &Namespace,
) -> Result<Namespace, ApplyError> {
    let name = wanted.name_any();
    let parameters = PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    };
    let create = || async {
        match api.create(&parameters, wanted).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => api.get(&name).await,
            other => other,
        }
    };
    writer
        .write(&format!("create the namespace {name}"), create)
        .await
}

fn check(found: &Namespace, wanted: &Namespace) -> Result<(), ApplyError> {
    let name = wanted.name_any();
    let differs = |key: &&str| found.labels().get(*key) != wanted.labels().get(*key);
    let keys = [labels::INSTANCE, labels::APP, labels::ENVIRONMENT];
    if let Some(key) = keys.into_iter().find(differs) {
        let whose = match found.labels().get(key) {
            Some(value) => format!("it is labelled {key}={value}"),
            None => format!("it has no label {key}"),
        };
        return Err(ApplyError::refused(format!(
            "the namespace {name} exists and is not this platform's ({whose}); \
             give the app another name, or ask whoever runs the cluster to remove the namespace",
        )));
    }
    if found.metadata.deletion_timestamp.is_some() {
        return Err(ApplyError::Transient(format!(
            "the namespace {name} is being deleted; it is made again once it is gone",
        )));
    }
    Ok(())
}

/// Puts back labels that were added to the wanted ones later, or removed by hand.
async fn label<F: Fence>(
    writer: &Writer<'_, F>,
    api: &Api<Namespace>,
    wanted: &Namespace,
) -> Result<(), ApplyError> {
    let name = wanted.name_any();
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let patch = || async { api.patch(&name, &parameters, &Patch::Apply(wanted)).await };
    writer
        .write(&format!("label the namespace {name}"), patch)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::ObjectMeta;

    fn namespace(labels: &[(&str, &str)]) -> Namespace {
        let labels = labels
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Namespace {
            metadata: ObjectMeta {
                name: Some("apps-shop-test".to_owned()),
                labels: Some(labels.collect()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        }
    }

    const OURS: [(&str, &str); 3] = [
        (labels::INSTANCE, "main"),
        (labels::APP, "shop"),
        (labels::ENVIRONMENT, "test"),
    ];

    #[test]
    fn a_namespace_of_nobody_or_of_another_instance_is_refused() {
        let foreign = [(labels::INSTANCE, "other"), OURS[1], OURS[2]];
        for found in [namespace(&[]), namespace(&foreign)] {
            let refused = check(&found, &namespace(&OURS));
            assert!(matches!(refused, Err(ApplyError::Refused { .. })));
        }
        assert!(check(&namespace(&OURS), &namespace(&OURS)).is_ok());
    }

    #[test]
    fn a_namespace_that_is_going_away_is_waited_for() {
        let mut found = namespace(&OURS);
        let now = k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
        found.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
        let error = check(&found, &namespace(&OURS));
        assert!(matches!(error, Err(ApplyError::Transient(_))));
    }
}

//! One kind of object in an environment's namespace: applied, and pruned.

use std::collections::BTreeMap;

use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde_json::json;

use super::super::cluster::{Cluster, ClusterError, Namespaced};
use super::super::labels::{self, Labels};
use super::write::Writer;
use super::{ApplyError, FIELD_MANAGER, Fence, OurNamespace, Refusal, take_back};

/// The objects of one kind in the namespace, ours and others', as they were when it was read.
/// Their metadata alone: what a Secret holds is not read.
pub(super) struct Kind<K: Resource> {
    pub(super) api: Api<K>,
    ours: Labels,
    found: BTreeMap<String, ObjectMeta>,
}

impl<K: Namespaced + Serialize> Kind<K> {
    pub(super) async fn read(
        cluster: &Cluster,
        namespace: &OurNamespace,
    ) -> Result<Self, ClusterError> {
        let api: Api<K> = cluster.in_namespace(&namespace.name);
        let all = ListParams::default();
        let what = format!("list the {} of {}", K::plural(&()), namespace.name);
        let list = cluster
            .request(&what, || async { api.list_metadata(&all).await })
            .await?;
        let found = list
            .items
            .into_iter()
            .map(|object: PartialObjectMeta<K>| (object.name_any(), object.metadata));
        let (found, ours) = (found.collect(), namespace.labels.clone());
        Ok(Self { api, ours, found })
    }

    /// Applies every wanted object. One that is refused keeps none of the others from being
    /// applied: applings succeed or fail alone. Says why some were.
    pub(super) async fn put<F: Fence>(
        &self,
        writer: &Writer<'_, F>,
        wanted: &[K],
    ) -> Result<Vec<Refusal>, ApplyError> {
        let mut refusals = Vec::new();
        for object in wanted {
            refusals.extend(of_appling(object, self.put_one(writer, object).await)?);
        }
        Ok(refusals)
    }

    pub(super) async fn put_one<F: Fence>(
        &self,
        writer: &Writer<'_, F>,
        object: &K,
    ) -> Result<(), ApplyError> {
        self.refuse_foreign(&object.name_any())?;
        let applied = self.apply(writer, object).await?;
        if let Some(fields) = take_back::managed_fields(applied.managed_fields()) {
            self.take_back(writer, &applied, &json!(fields)).await?;
            self.apply(writer, object).await?;
        }
        Ok(())
    }

    /// Deletes what is ours and not wanted. Kubernetes deletes a Deployment's pods after it, each
    /// with its grace; a new Deployment of the same name would not have to wait for them.
    pub(super) async fn prune<F: Fence>(
        &self,
        writer: &Writer<'_, F>,
        wanted: &[K],
    ) -> Result<(), ApplyError> {
        self.prune_but(writer, wanted, |_, _| false).await
    }

    /// The same, but for those that are to stay.
    pub(super) async fn prune_but<F: Fence>(
        &self,
        writer: &Writer<'_, F>,
        wanted: &[K],
        stays: impl Fn(&str, &ObjectMeta) -> bool,
    ) -> Result<(), ApplyError> {
        for (name, metadata) in self.unwanted(wanted) {
            if !stays(name, metadata) {
                self.delete(writer, name, metadata).await?;
            }
        }
        Ok(())
    }

    /// What is ours, is not on its way out, and is not wanted.
    pub(super) fn unwanted<'a>(
        &'a self,
        wanted: &'a [K],
    ) -> impl Iterator<Item = (&'a String, &'a ObjectMeta)> {
        let is_wanted = |name: &str| wanted.iter().any(|object| object.name_any() == name);
        let has = |metadata: &ObjectMeta, label: (&String, &String)| {
            metadata.labels.as_ref().and_then(|l| l.get(label.0)) == Some(label.1)
        };
        self.found.iter().filter(move |(name, metadata)| {
            let going = metadata.deletion_timestamp.is_some();
            let ours = self.ours.iter().all(|label| has(metadata, label));
            ours && !going && !is_wanted(name)
        })
    }

    /// One object as it is now, in full.
    pub(super) async fn find(
        &self,
        cluster: &Cluster,
        name: &str,
    ) -> Result<Option<K>, ClusterError> {
        let what = self.what("read", name);
        cluster
            .request(&what, || async { self.api.get_opt(name).await })
            .await
    }

    pub(super) async fn apply<F: Fence>(
        &self,
        writer: &Writer<'_, F>,
        object: &K,
    ) -> Result<K, ApplyError> {
        let name = object.name_any();
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(object);
        let apply = || async { self.api.patch(&name, &parameters, &patch).await };
        writer.write(&self.what("apply", &name), apply).await
    }

    /// Books the fields that somebody else put into our object as ours, so that applying the object
    /// next removes them. The resource version makes sure that it is still the object we looked at.
    async fn take_back<F: Fence>(
        &self,
        writer: &Writer<'_, F>,
        found: &K,
        managed_fields: &serde_json::Value,
    ) -> Result<(), ApplyError> {
        let name = found.name_any();
        let patch = Patch::Merge(json!({ "metadata": {
            "managedFields": managed_fields,
            "resourceVersion": found.resource_version(),
        }}));
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let take = || async { self.api.patch_metadata(&name, &parameters, &patch).await };
        writer
            .write(&self.what("take back fields of", &name), take)
            .await?;
        tracing::info!(
            object = self.what("", &name).trim(),
            "took back fields that were changed by hand"
        );
        Ok(())
    }

    async fn delete<F: Fence>(
        &self,
        writer: &Writer<'_, F>,
        name: &str,
        metadata: &ObjectMeta,
    ) -> Result<(), ApplyError> {
        let parameters = DeleteParams::background().preconditions(Preconditions {
            uid: metadata.uid.clone(),
            resource_version: None,
        });
        let delete = || async {
            match self.api.delete(name, &parameters).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
                other => other.map(drop),
            }
        };
        writer.write(&self.what("delete", name), delete).await
    }

    /// An object of the wanted name that carries none of our marks was made by somebody else.
    pub(super) fn refuse_foreign(&self, name: &str) -> Result<(), ApplyError> {
        match self.found.get(name) {
            Some(metadata) if !is_ours(metadata, &self.ours) => Err(ApplyError::refused(format!(
                "the {} {name} in the namespace {} was not made by this platform, \
                 which leaves it alone; delete it, or give the appling another name",
                K::kind(&()),
                self.api.namespace().unwrap_or_default(),
            ))),
            _ => Ok(()),
        }
    }

    pub(super) fn what(&self, verb: &str, name: &str) -> String {
        let namespace = self.api.namespace().unwrap_or_default();
        format!("{verb} the {} {name} in {namespace}", K::kind(&()))
    }
}

/// The reasons for which an object was refused, told as its appling's.
pub(super) fn of_appling<K: Resource>(
    object: &K,
    outcome: Result<(), ApplyError>,
) -> Result<Vec<Refusal>, ApplyError> {
    let reasons = match outcome {
        Err(ApplyError::Refused(reasons)) => reasons,
        other => return other.map(|()| Vec::new()),
    };
    let appling = labels::appling_of(object.labels());
    let of_appling = |refusal| Refusal {
        appling: appling.clone(),
        ..refusal
    };
    Ok(reasons.into_iter().map(of_appling).collect())
}

/// By its label, or, where somebody removed that by hand, by the fields that we once applied.
fn is_ours(metadata: &ObjectMeta, ours: &Labels) -> bool {
    let instance = metadata
        .labels
        .as_ref()
        .and_then(|l| l.get(labels::INSTANCE));
    match instance {
        Some(_) => instance == ours.get(labels::INSTANCE),
        None => metadata
            .managed_fields
            .iter()
            .flatten()
            .any(take_back::is_our_entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(value: serde_json::Value) -> ObjectMeta {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_object_is_ours_by_label_or_by_what_we_applied() {
        let ours = Labels::from([(labels::INSTANCE.to_owned(), "main".to_owned())]);
        let applied = json!([{ "manager": "hops", "operation": "Apply" }]);
        let cases = [
            (json!({ "labels": ours }), true),
            (json!({ "managedFields": applied }), true),
            (json!({}), false),
            (
                json!({ "managedFields": [{ "manager": "kubectl", "operation": "Apply" }] }),
                false,
            ),
            (
                json!({ "labels": { labels::INSTANCE: "other" }, "managedFields": applied }),
                false,
            ),
        ];
        for (found, expected) in cases {
            assert_eq!(
                is_ours(&metadata(found.clone()), &ours),
                expected,
                "{found}"
            );
        }
    }
}

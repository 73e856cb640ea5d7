//! Fields below `.spec` that somebody else has put something into. Pure.
//!
//! Server-side apply puts right what it names; a second container, or a variable added by
//! `kubectl edit`, it leaves to whoever added it. Booked as ours and not named, it is removed.
//! What is let alone: subresources (`status`, and `scale`, which is an autoscaler's), everything
//! outside `.spec`, the annotation of `kubectl rollout restart`, and `.spec.replicas`: either we
//! name it, and nobody else's number lasts, or an autoscaler goes on from whatever number there is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use serde_json::{Map, Value};

use super::FIELD_MANAGER;

/// Where `kubectl rollout restart` leaves its mark.
const POD_ANNOTATIONS: [&str; 4] = ["f:spec", "f:template", "f:metadata", "f:annotations"];
const RESTARTED_AT: &str = "f:kubectl.kubernetes.io/restartedAt";

const REPLICAS: &str = "f:replicas";

/// Who has a number of pods that we do not name any more; see `replicas`.
pub(super) const REPLICAS_MANAGER: &str = "hops-replicas";

/// Whether the number of pods is among the fields that we applied.
pub(super) fn we_name_replicas(found: &[ManagedFieldsEntry]) -> bool {
    let fields = |entry: &ManagedFieldsEntry| entry.fields_v1.as_ref()?.0.get("f:spec").cloned();
    let ours = found.iter().filter(|entry| is_our_entry(entry));
    ours.filter_map(fields)
        .any(|spec| spec.get(REPLICAS).is_some())
}

/// Whether these are the fields that we applied.
pub(super) fn is_our_entry(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.operation.as_deref() == Some("Apply")
}

/// The entries with others' fields below `.spec` moved into ours; `None` if there are none.
pub(super) fn managed_fields(found: &[ManagedFieldsEntry]) -> Option<Vec<ManagedFieldsEntry>> {
    let mut entries = found.to_vec();
    let mut taken = Map::new();
    for entry in entries.iter_mut().filter(|entry| is_meddling(entry)) {
        merge(&mut taken, take_spec(fields_mut(entry)?));
    }
    if taken.is_empty() {
        return None;
    }
    let ours = entries.iter_mut().find(|entry| is_our_entry(entry))?;
    merge(fields_mut(ours)?, taken);
    entries.retain(|entry| !is_empty(entry));
    Some(entries)
}

fn is_meddling(entry: &ManagedFieldsEntry) -> bool {
    entry.subresource.as_deref().unwrap_or_default().is_empty() && !is_our_entry(entry)
}

fn fields_mut(entry: &mut ManagedFieldsEntry) -> Option<&mut Map<String, Value>> {
    let FieldsV1(value) = entry
        .fields_v1
        .get_or_insert_with(|| FieldsV1(Value::Object(Map::new())));
    value.as_object_mut()
}

fn is_empty(entry: &ManagedFieldsEntry) -> bool {
    let fields = entry
        .fields_v1
        .as_ref()
        .and_then(|FieldsV1(value)| value.as_object());
    fields.is_none_or(Map::is_empty)
}

/// Takes `f:spec` out of an entry, except for the mark of a restart and the number of pods, which
/// stay.
fn take_spec(fields: &mut Map<String, Value>) -> Map<String, Value> {
    let Some(spec) = fields.remove("f:spec") else {
        return Map::new();
    };
    let mut taken = Map::from_iter([("f:spec".to_owned(), spec)]);
    let stays = [take_restart(&mut taken), take_replicas(&mut taken)];
    for stays in stays.into_iter().flatten() {
        merge(fields, stays);
    }
    taken
}

/// Takes the number of pods out of the fields, and with it a level that it leaves empty.
fn take_replicas(fields: &mut Map<String, Value>) -> Option<Map<String, Value>> {
    let spec = fields.get_mut("f:spec")?.as_object_mut()?;
    let number = spec.remove(REPLICAS)?;
    drop_hollow(fields, &["f:spec"]);
    let spec = Value::Object(Map::from_iter([(REPLICAS.to_owned(), number)]));
    Some(Map::from_iter([("f:spec".to_owned(), spec)]))
}

/// Takes the mark of a restart out of the fields, and with it every level that it leaves empty.
fn take_restart(fields: &mut Map<String, Value>) -> Option<Map<String, Value>> {
    let mut level = &mut *fields;
    for key in POD_ANNOTATIONS {
        level = level.get_mut(key)?.as_object_mut()?;
    }
    let mark = level.remove(RESTARTED_AT)?;
    drop_hollow(fields, &POD_ANNOTATIONS);
    let mut nested = Map::from_iter([(RESTARTED_AT.to_owned(), mark)]);
    for key in POD_ANNOTATIONS.into_iter().rev() {
        nested = Map::from_iter([(key.to_owned(), Value::Object(nested))]);
    }
    Some(nested)
}

/// Removes the levels of a path, innermost first, that hold nothing. `.` stands for "and the map
/// itself", which is nothing to take back.
fn drop_hollow(fields: &mut Map<String, Value>, path: &[&str]) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    let Some(inner) = fields.get_mut(*first).and_then(Value::as_object_mut) else {
        return;
    };
    drop_hollow(inner, rest);
    if inner.keys().all(|key| key == ".") {
        fields.remove(*first);
    }
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            (Some(_), _) => {}
            (None, value) => drop(into.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(manager: &str, operation: &str, fields: Value) -> ManagedFieldsEntry {
        ManagedFieldsEntry {
            manager: Some(manager.to_owned()),
            operation: Some(operation.to_owned()),
            fields_v1: Some(FieldsV1(fields)),
            ..ManagedFieldsEntry::default()
        }
    }

    fn ours() -> ManagedFieldsEntry {
        entry("hops", "Apply", json!({ "f:spec": { "f:replicas": {} } }))
    }

    fn restart() -> Value {
        json!({ "f:spec": { "f:template": { "f:metadata": { "f:annotations": {
            ".": {}, "f:kubectl.kubernetes.io/restartedAt": {},
        }}}}})
    }

    #[test]
    fn an_added_variable_becomes_ours_and_its_entry_goes() {
        let edited = json!({ "f:spec": { "f:template": { "f:spec": { "f:dnsPolicy": {} } } } });
        let found = [ours(), entry("kubectl-edit", "Update", edited)];
        let fields = json!({ "f:spec": {
            "f:replicas": {},
            "f:template": { "f:spec": { "f:dnsPolicy": {} } },
        }});
        assert_eq!(
            managed_fields(&found),
            Some(vec![entry("hops", "Apply", fields)])
        );
    }

    #[test]
    fn fields_outside_spec_stay_theirs() {
        let fields = json!({ "f:metadata": { "f:annotations": { "f:note": {} } }, "f:spec": { "f:paused": {} } });
        let taken = managed_fields(&[ours(), entry("kubectl", "Update", fields)]).unwrap();
        let note = json!({ "f:metadata": { "f:annotations": { "f:note": {} } } });
        assert_eq!(taken[1], entry("kubectl", "Update", note));
    }

    #[test]
    fn nothing_is_taken_from_those_who_may() {
        let mut status = entry(
            "kube-controller-manager",
            "Update",
            json!({ "f:spec": { "f:x": {} } }),
        );
        status.subresource = Some("status".to_owned());
        let annotated = entry(
            "kube-controller-manager",
            "Update",
            json!({ "f:metadata": {} }),
        );
        let restarted = entry("kubectl-rollout", "Update", restart());
        assert_eq!(
            managed_fields(&[ours(), status, annotated, restarted]),
            None
        );
    }

    #[test]
    fn the_number_of_pods_stays_theirs_beside_what_is_taken() {
        let scaled = json!({ "f:spec": { "f:replicas": {} } });
        for manager in ["kubectl", REPLICAS_MANAGER] {
            let others = entry(manager, "Update", scaled.clone());
            assert_eq!(managed_fields(&[ours(), others]), None);
        }
        let edited = json!({ "f:spec": { "f:replicas": {}, "f:paused": {} } });
        let taken = managed_fields(&[ours(), entry("kubectl", "Update", edited)]).unwrap();
        assert_eq!(taken[1], entry("kubectl", "Update", scaled));
        let fields = json!({ "f:spec": { "f:replicas": {}, "f:paused": {} } });
        assert_eq!(taken[0], entry("hops", "Apply", fields));
    }

    #[test]
    fn we_name_the_number_of_pods_or_not() {
        assert!(we_name_replicas(&[ours()]));
        let silent = entry("hops", "Apply", json!({ "f:spec": { "f:paused": {} } }));
        let theirs = entry(
            REPLICAS_MANAGER,
            "Apply",
            json!({ "f:spec": { "f:replicas": {} } }),
        );
        assert!(!we_name_replicas(&[silent, theirs]));
    }

    #[test]
    fn a_restart_stays_theirs_beside_what_is_taken() {
        let mut fields = restart();
        fields["f:spec"]["f:paused"] = json!({});
        let taken = managed_fields(&[ours(), entry("kubectl", "Update", fields)]).unwrap();
        let mut left = restart();
        let annotations = left.pointer_mut("/f:spec/f:template/f:metadata/f:annotations");
        annotations.unwrap().as_object_mut().unwrap().remove(".");
        assert_eq!(taken[1], entry("kubectl", "Update", left));
        let fields = json!({ "f:spec": { "f:replicas": {}, "f:paused": {} } });
        assert_eq!(taken[0], entry("hops", "Apply", fields));
    }
}

//! What differs between an object as it is and as it would be, field by field. Pure.
//!
//! Left out is what the server sets (`status`, versions, managed fields) and what only follows from
//! other fields (the hash of a pod's content). What a Secret holds is never shown.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::labels;

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// Where: `spec.template.spec.containers[app].env[GREETING].value`. Entries of lists go by their
    /// names, where they have any.
    pub path: String,
    /// What is there; nothing when the field is new, or masked.
    pub before: Option<Value>,
    /// What would be there; nothing when the field would go, or is masked.
    pub after: Option<Value>,
    /// Whether the values are kept back, because they are secret.
    pub masked: bool,
}

/// What entries of lists go by: the first of these that all of them have, each its own.
const NAMES: [&str; 4] = ["name", "host", "path", "type"];

/// Metadata that the server sets.
const SET_BY_SERVER: [&str; 5] = [
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
];

/// The fields that differ between two states of an object, in their order.
pub fn changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare(
        "",
        Some(&without_noise(before)),
        Some(&without_noise(after)),
        &mut found,
    );
    if before["kind"] == "Secret" || after["kind"] == "Secret" {
        found.iter_mut().for_each(mask);
    }
    found
}

fn without_noise(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|field, _| !SET_BY_SERVER.contains(&field.as_str()));
    }
    without_content(&mut object);
    let labels = object.pointer_mut("/spec/template/metadata/labels");
    if let Some(labels) = labels.and_then(Value::as_object_mut) {
        labels.remove(labels::VERSION);
    }
    object
}

/// What a pod is configured with is compared by itself: that its name follows from it is no change of
/// its own.
fn without_content(value: &mut Value) {
    let shorten = |name: Option<&mut Value>| {
        if let Some(Value::String(name)) = name {
            *name = labels::without_content(name).to_owned();
        }
    };
    match value {
        Value::Array(entries) => entries.iter_mut().for_each(without_content),
        Value::Object(fields) => {
            for (field, value) in fields {
                match field.as_str() {
                    "configMapRef" | "secretRef" | "configMap" => shorten(value.get_mut("name")),
                    "secret" => shorten(value.get_mut("secretName")),
                    _ => without_content(value),
                }
            }
        }
        _ => {}
    }
}

/// Labels are no secret; everything else of a Secret may be, also in annotations.
fn mask(change: &mut FieldChange) {
    if !change.path.starts_with("metadata.labels") {
        (change.before, change.after, change.masked) = (None, None, true);
    }
}

fn compare(
    path: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    found: &mut Vec<FieldChange>,
) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            for key in keys(before, after) {
                compare(&field(path, key), before.get(key), after.get(key), found);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            lists(path, before, after, found);
        }
        (before, after) => found.push(FieldChange {
            path: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
            masked: false,
        }),
    }
}

fn keys<'a>(one: &'a Map<String, Value>, other: &'a Map<String, Value>) -> BTreeSet<&'a str> {
    one.keys().chain(other.keys()).map(String::as_str).collect()
}

fn field(path: &str, key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match (path, key.chars().all(plain)) {
        ("", true) => key.to_owned(),
        (path, true) => format!("{path}.{key}"),
        (path, false) => format!("{path}[{key:?}]"),
    }
}

/// Entries by name where they have names; else by position. Their order, where names tell them
/// apart, is no difference of its own.
fn lists(path: &str, before: &[Value], after: &[Value], found: &mut Vec<FieldChange>) {
    let by = NAMES
        .into_iter()
        .find(|key| has_names(before, key) && has_names(after, key));
    let Some(by) = by else {
        for position in 0..before.len().max(after.len()) {
            let path = format!("{path}[{position}]");
            compare(&path, before.get(position), after.get(position), found);
        }
        return;
    };
    let name = |entry: &Value| entry[by].as_str().unwrap_or_default().to_owned();
    let mut names: Vec<String> = before.iter().chain(after).map(name).collect();
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    for wanted in names {
        let one = |list: &[Value]| list.iter().find(|entry| name(entry) == wanted).cloned();
        entry(
            format!("{path}[{wanted}]"),
            by,
            one(before),
            one(after),
            found,
        );
    }
}

fn has_names(list: &[Value], key: &str) -> bool {
    let mut names = BTreeSet::new();
    list.iter()
        .all(|entry| entry[key].as_str().is_some_and(|name| names.insert(name)))
}

/// An entry with a name. A new one that says only one thing besides is told by that.
fn entry(
    mut path: String,
    by: &str,
    before: Option<Value>,
    after: Option<Value>,
    found: &mut Vec<FieldChange>,
) {
    let (mut before, mut after) = (before, after);
    if before.is_some() && after.is_some() {
        return compare(&path, before.as_ref(), after.as_ref(), found);
    }
    for side in [&mut before, &mut after] {
        let Some(fields) = side.as_mut().and_then(Value::as_object_mut) else {
            continue;
        };
        fields.remove(by);
        if let (1, Some(key)) = (fields.len(), fields.keys().next().cloned()) {
            path = field(&path, &key);
            *side = fields.remove(&key);
        }
    }
    compare(&path, before.as_ref(), after.as_ref(), found);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(env: Value) -> Value {
        json!({
            "kind": "Deployment",
            "metadata": {
                "name": "web", "resourceVersion": "1", "generation": 1, "uid": "x",
                "managedFields": [{ "manager": "hops" }], "labels": { "hops.dev/app": "shop" },
            },
            "spec": {
                "replicas": 2,
                "template": {
                    "metadata": { "labels": { labels::VERSION: "0123456789" } },
                    "spec": { "containers": [{ "name": "app", "env": env }] },
                },
            },
            "status": { "replicas": 2 },
        })
    }

    fn told(before: &Value, after: &Value) -> Vec<String> {
        let show = |value: Option<Value>| value.map_or("-".to_owned(), |value| value.to_string());
        let changes = changes(before, after).into_iter();
        changes
            .map(|c| format!("{}: {} > {}", c.path, show(c.before), show(c.after)))
            .collect()
    }

    #[test]
    fn what_the_server_sets_is_no_difference() {
        let before = deployment(json!([]));
        let mut after = before.clone();
        after["metadata"]["resourceVersion"] = json!("2");
        after["metadata"]["managedFields"] = json!([]);
        after["metadata"]["generation"] = json!(2);
        after["status"] = json!({});
        after["spec"]["template"]["metadata"]["labels"][labels::VERSION] = json!("abcdef0123");
        assert_eq!(changes(&before, &after), []);
    }

    #[test]
    fn variables_go_by_their_names() {
        let before = deployment(json!([
            { "name": "GONE", "value": "x" },
            { "name": "GREETING", "value": "hello" },
            { "name": "SAME", "value": "1" },
        ]));
        let after = deployment(json!([
            { "name": "GREETING", "value": "welcome" },
            { "name": "NEW", "value": "y" },
            { "name": "SAME", "value": "1" },
        ]));
        let env = "spec.template.spec.containers[app].env";
        assert_eq!(
            told(&before, &after),
            [
                format!("{env}[GONE].value: \"x\" > -"),
                format!("{env}[GREETING].value: \"hello\" > \"welcome\""),
                format!("{env}[NEW].value: - > \"y\""),
            ]
        );
    }

    #[test]
    fn other_fields_are_told_by_their_paths() {
        let before = json!({ "metadata": { "labels": { "a.b/c": "x" } }, "spec": { "rules": [
            { "host": "a.no", "http": { "paths": [{ "path": "/", "n": 1 }] } }], "list": [1, 2] } });
        let mut after = before.clone();
        after["metadata"]["labels"]["a.b/c"] = json!("y");
        after["spec"]["rules"][0]["http"]["paths"][0]["n"] = json!(2);
        after["spec"]["list"] = json!([1, 3, 4]);
        after["spec"]["more"] = json!({ "deep": true });
        assert_eq!(
            told(&before, &after),
            [
                "metadata.labels[\"a.b/c\"]: \"x\" > \"y\"",
                "spec.list[1]: 2 > 3",
                "spec.list[2]: - > 4",
                "spec.more: - > {\"deep\":true}",
                "spec.rules[a.no].http.paths[/].n: 1 > 2",
            ]
        );
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = |data: &str, label: &str| {
            json!({ "kind": "Secret", "data": { "token": data }, "stringData": { "more": data },
                "metadata": { "annotations": { "last-applied": data }, "labels": { "a": label } } })
        };
        let changes = changes(&secret("geheim", "x"), &secret("secret", "y"));
        assert_eq!(changes.len(), 4);
        let shown = format!("{changes:?}");
        assert!(
            !shown.contains("geheim") && !shown.contains("\"secret\""),
            "{shown}"
        );
        assert!(shown.contains("String(\"y\")"), "{shown}");
    }
}

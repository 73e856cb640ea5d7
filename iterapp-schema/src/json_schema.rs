//! The JSON Schema (draft 2020-12) of `iterapp.toml`, from the same types that read it. It refuses
//! what the reader refuses, wherever a schema can say so; what needs the repository or another file
//! is left to [`crate::assemble`].

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::format::{ApplingKeys, RootKeys, RunKeys, Section, SharedKeys};

/// The schema, with its keys in a stable order.
#[must_use]
pub fn json_schema() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.transforms.clear();
    let mut generator = settings.into_generator();
    let mut properties = Map::new();
    for keys in [
        keys_of::<RootKeys>(&mut generator),
        keys_of::<SharedKeys>(&mut generator),
        keys_of::<ApplingKeys>(&mut generator),
        keys_of::<RunKeys>(&mut generator),
    ] {
        properties.extend(keys);
    }
    let mut schema: Schema = Map::from_iter([
        (
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        ),
        ("title".to_owned(), json!("iterapp.toml")),
        (
            "description".to_owned(),
            json!("How an app is built and run on Hops: the root's file, or one appling's."),
        ),
        ("type".to_owned(), json!("object")),
        ("properties".to_owned(), Value::Object(properties)),
        ("additionalProperties".to_owned(), json!(false)),
        (
            "$defs".to_owned(),
            Value::Object(generator.take_definitions(true)),
        ),
    ])
    .into();
    RecursiveTransform(without_null).transform(&mut schema);
    let mut schema = schema.to_value();
    add_rules(&mut schema);
    schema
}

/// The schema as it is kept in the repository and served.
#[must_use]
pub fn json_schema_text() -> String {
    format!("{:#}\n", json_schema())
}

fn keys_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let mut schema = T::json_schema(generator);
    match schema.ensure_object().remove("properties") {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    }
}

/// A key that is optional is left out; TOML has no null.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    let is_null = |value: &Value| *value == json!("null") || *value == json!({ "type": "null" });
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|value| !is_null(value));
        if let [only] = &types[..] {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(words)) = object.get_mut("enum") {
        words.retain(|value| !value.is_null());
    }
    let Some(Value::Array(mut choices)) = object.remove("anyOf") else {
        return;
    };
    choices.retain(|value| !is_null(value));
    match &mut choices[..] {
        [Value::Object(only)] => object.append(only),
        _ => drop(object.insert("anyOf".to_owned(), Value::Array(choices))),
    }
}

/// What keys mean together.
fn add_rules(schema: &mut Value) {
    schema["properties"]["autoscale"]["required"] = json!(["max"]);
    let job = &mut schema["properties"]["cronjobs"]["additionalProperties"];
    job["required"] = json!(["schedule"]);
    job["oneOf"] = json!([{ "required": ["path"] }, { "required": ["command"] }]);
    schema["$defs"]["Encrypted"]["required"] = json!(["encrypted"]);
    schema["$defs"]["SecretKey"]["required"] = json!(["secret", "key"]);
    schema["$defs"]["RewrittenPath"]["required"] = json!(["prefix"]);
    schema["$defs"]["RunKeys"]["allOf"] = json!(rules_of_running());
    let mut rules = rules_of_running();
    rules.push(root_alone());
    rules.push(json!({ "not": { "required": ["default_environment", "auto_deploy_env"] } }));
    schema["allOf"] = json!(rules);
}

fn rules_of_running() -> Vec<Value> {
    let http = [
        "port",
        "readiness_path",
        "health",
        "liveness_path",
        "domains",
        "domain",
        "from_to_www_redirect",
        "ingress",
    ];
    let any: Vec<_> = http
        .iter()
        .map(|key| json!({ "required": [key] }))
        .collect();
    vec![
        json!({ "not": { "required": ["replicas", "autoscale"] } }),
        json!({ "not": { "required": ["readiness_path", "health"] } }),
        json!({ "not": { "required": ["domains", "domain"] } }),
        json!({
            "if": { "required": ["worker"], "properties": { "worker": { "const": true } } },
            "then": { "not": { "anyOf": any } },
        }),
    ]
}

/// A root file that lists applings elsewhere has no keys of an appling.
fn root_alone() -> Value {
    let keys: Vec<_> = [RootKeys::KEYS, SharedKeys::KEYS].concat();
    json!({
        "if": {
            "required": ["applings"],
            "properties": { "applings": { "not": { "contains": { "pattern": r"^(\./?)+$" } } } },
        },
        "then": { "propertyNames": { "enum": keys } },
    })
}

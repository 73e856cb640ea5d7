//! What people read of the format: the reference page, and what editors show. It is made from the
//! JSON Schema, which is made from the types that read a file, so that none can differ.

mod complete;
mod page;

use std::sync::LazyLock;

use serde_json::Value;

use crate::format::{RootKeys, RunKeys, Section as _, SharedKeys};
use crate::json_schema;

pub use complete::{Completion, File, complete, hover};
pub use page::markdown;

/// A table of the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its header without brackets, such as `requests` or `cronjobs.<name>`; nothing for the top.
    pub name: String,
    /// What it is, in Markdown.
    pub doc: String,
    /// Its keys, in the order in which they are best told.
    pub keys: Vec<Key>,
}

/// A key of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// As it is written.
    pub name: String,
    /// What it does, in Markdown.
    pub doc: String,
    /// What its value can be, in words.
    pub kind: String,
    /// What holds without it, as TOML.
    pub default: Option<String>,
    /// A value, as TOML.
    pub example: Option<String>,
    /// All values, as TOML, where they are few.
    pub values: Vec<String>,
    /// Whether it is an older spelling.
    pub is_older: bool,
    /// Whether it is a table with a header of its own.
    pub is_section: bool,
    /// Which files it can stand in.
    pub place: Place,
}

/// Which files a key can stand in. The root's file is an appling's too, when it lists no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The root's alone.
    Root,
    /// An appling's.
    Appling,
    /// An appling's, and there once more in `[override.<environment>]`.
    Overridable,
    /// Both.
    Both,
}

/// Every section, the top first.
pub fn sections() -> &'static [Section] {
    static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(|| {
        let schema = json_schema();
        let mut sections = Vec::new();
        collect("", "", &schema, &schema, &mut sections);
        sections
    });
    &SECTIONS
}

/// The section of a header, such as `override.prod.requests`.
#[must_use]
pub fn section(header: &str) -> Option<&'static Section> {
    let parts = parts(header);
    let parts = match &parts[..] {
        ["override", _, rest @ ..] if !rest.is_empty() => rest,
        parts => parts,
    };
    let name = match parts {
        ["override", _] => "override.<environment>".to_owned(),
        ["env", _] => "env.<environment>".to_owned(),
        ["cronjobs", _] => "cronjobs.<name>".to_owned(),
        _ => parts.join("."),
    };
    sections().iter().find(|section| section.name == name)
}

/// The parts of a header, of which those in quotes may hold dots.
fn parts(header: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quote) = (0, None);
    for (at, c) in header.char_indices() {
        match (quote, c) {
            (None, '.') => {
                parts.push(header[start..at].trim());
                start = at + 1;
            }
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    parts.push(header[start..].trim());
    parts
}

/// A section and those in it, depth first.
fn collect(name: &str, doc: &str, schema: &Value, root: &Value, into: &mut Vec<Section>) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let keys: Vec<Key> = in_order(name, properties)
        .map(|(key, value)| read_key(name, key, resolved(value, root), value))
        .collect();
    into.push(Section {
        name: name.to_owned(),
        doc: doc.to_owned(),
        keys,
    });
    for (key, value) in in_order(name, properties) {
        let path = if name.is_empty() {
            key.to_owned()
        } else {
            format!("{name}.{key}")
        };
        let doc = text(value, "description");
        let target = resolved(value, root);
        match key {
            // Its keys are the top's, told there.
            "override" => into.push(overrides(root)),
            // Its keys are the author's own.
            "env" => into.push(Section {
                name: "env.<environment>".to_owned(),
                doc,
                keys: Vec::new(),
            }),
            "cronjobs" => {
                let job = resolved(&target["additionalProperties"], root);
                collect("cronjobs.<name>", &doc, job, root, into);
            }
            _ => collect(&path, &doc, target, root, into),
        }
    }
}

fn overrides(root: &Value) -> Section {
    let doc = text(&root["properties"]["override"], "description");
    let keys = resolved(
        &root["properties"]["override"]["additionalProperties"],
        root,
    );
    let keys = keys["properties"].as_object();
    Section {
        name: "override.<environment>".to_owned(),
        doc,
        keys: keys
            .into_iter()
            .flat_map(|keys| in_order("override", keys))
            .map(|(key, value)| read_key("override", key, resolved(value, root), value))
            .collect(),
    }
}

/// As the types declare them, where the schema keeps no order.
fn in_order<'v>(
    section: &str,
    properties: &'v serde_json::Map<String, Value>,
) -> impl Iterator<Item = (&'v str, &'v Value)> {
    let top = crate::unknown::keys_of_top();
    let is_top = section.is_empty() || section == "override";
    let place = move |key: &str| top.iter().position(|name| is_top && *name == key);
    let mut all: Vec<_> = properties
        .iter()
        .map(|(key, value)| (key.as_str(), value))
        .collect();
    all.sort_by_key(|(key, _)| place(key));
    all.into_iter()
}

/// A schema, or the definition that it refers to.
fn resolved<'v>(schema: &'v Value, root: &'v Value) -> &'v Value {
    let reference = schema["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix('#'));
    reference
        .and_then(|path| root.pointer(path))
        .unwrap_or(schema)
}

fn text(schema: &Value, key: &str) -> String {
    schema[key].as_str().unwrap_or_default().to_owned()
}

fn read_key(section: &str, name: &str, target: &Value, own: &Value) -> Key {
    let example = own["examples"].as_array().and_then(|all| all.first());
    let values = match (&target["enum"], target["type"].as_str()) {
        (Value::Array(words), _) => words.iter().map(as_toml).collect(),
        (_, Some("boolean")) => vec!["true".to_owned(), "false".to_owned()],
        _ => Vec::new(),
    };
    let place = match section {
        "" if RootKeys::KEYS.contains(&name) => Place::Root,
        "" if SharedKeys::KEYS.contains(&name) => Place::Both,
        "" if RunKeys::KEYS.contains(&name) => Place::Overridable,
        _ => Place::Appling,
    };
    Key {
        name: name.to_owned(),
        doc: text(own, "description"),
        kind: kind(target),
        default: own.get("default").map(as_toml),
        example: example.map(as_toml),
        values,
        is_older: own["deprecated"] == true,
        is_section: target["type"] == "object",
        place,
    }
}

fn as_toml(value: &Value) -> String {
    match value {
        Value::Array(entries) => {
            let entries: Vec<_> = entries.iter().map(as_toml).collect();
            format!("[{}]", entries.join(", "))
        }
        other => other.to_string(),
    }
}

/// The type of a value in words.
fn kind(schema: &Value) -> String {
    if let Some(choices) = schema["anyOf"].as_array() {
        let mut kinds: Vec<_> = choices.iter().map(kind).collect();
        kinds.dedup();
        return kinds.join(" or ");
    }
    if let Some(types) = schema["type"].as_array() {
        let kinds: Vec<_> = types.iter().filter_map(Value::as_str).map(word).collect();
        return kinds.join(" or ");
    }
    let (least, most) = (&schema["minimum"], &schema["maximum"]);
    match schema["type"].as_str() {
        Some("integer") if !most.is_null() => format!("integer, {least} to {most}"),
        Some("array") => {
            let items = kind(&schema["items"]);
            match items.as_str() {
                "string" => "list of strings".to_owned(),
                other => format!("list of: {other}"),
            }
        }
        Some(other) => word(other).to_owned(),
        None if schema["enum"].is_array() => "string".to_owned(),
        None => "table".to_owned(),
    }
}

fn word(json_type: &str) -> &str {
    match json_type {
        "object" => "table",
        "array" => "list",
        other => other,
    }
}

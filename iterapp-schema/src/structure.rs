//! Which keys a file has, and whether they stand where they mean something. Values are not read
//! here, but for the few keys that would be unsafe to pass over.

use std::ops::Range;

use toml::de::DeValue;

use crate::diagnostic::Code;
use crate::file::{Fault, File};
use crate::keys::{self, Key, Place, State};
use crate::parse::{Table, Value};
use crate::suggest;

/// What a file is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The root file of an app whose root is an appling.
    Both,
    /// A root file that lists applings elsewhere.
    Root,
    /// The file in a listed folder.
    Appling,
}

/// Notes every key that is unknown, misplaced, or not in effect yet.
pub fn check(table: &Table, role: Role, file: &mut File) {
    for (name, value) in table {
        match keys::find(name.get_ref()) {
            Some(key) => known(key, name.span(), value, role, file),
            None => file.report(name.span(), unknown(name.get_ref(), value, role)),
        }
    }
}

fn known(key: &Key, span: Range<usize>, value: &Value, role: Role, file: &mut File) {
    match (key.place, role) {
        (Place::Root, Role::Appling) => return file.report(span, root_key(key)),
        (Place::Appling, Role::Root) => return file.report(span, appling_key(key)),
        _ => {}
    }
    match key.state {
        State::InEffect => {}
        State::Value => file.report(span, not_in_effect(key)),
        State::OlderSpelling(present) => file.report(span, older_spelling(key, present)),
        State::Section | State::OpenSection => {
            if !has_unsafe_key(key, value, file) {
                file.report(span, not_in_effect(key));
            }
            misplaced_keys(key, value, file);
        }
    }
}

fn unknown(name: &str, value: &Value, role: Role) -> Fault {
    let table = value.get_ref().as_table();
    let what = if table.is_some() {
        format!("section `[{name}]`")
    } else {
        format!("key `{name}`")
    };
    let fault = Fault::new(Code::UnknownKey, format!("there is no {what}"));
    let inside = table.and_then(|table| {
        table
            .keys()
            .find_map(|key| keys::find(key.get_ref()))
            .filter(|key| key.name != "env")
    });
    match (suggest::key(name, &keys::names()), inside) {
        (Some(_), _) if name == "environment" && table.is_some() => {
            fault.hint("did you mean `[env.common]` or `[env.<environment>]`?")
        }
        (_, Some(key)) => fault.hint(format!(
            "`{}` stands at the file's top, in no section",
            key.name
        )),
        (Some(meant), _) => fault.hint(format!("did you mean `{meant}`?")),
        _ if looks_like_variable(name) => fault.hint(format!(
            "if `{name}` is a variable, put it below `[env.common]`"
        )),
        _ => fault.hint(format!("the keys are {}", in_effect(role))),
    }
}

fn names_for(role: Role) -> Vec<&'static str> {
    let foreign = match role {
        Role::Both => None,
        Role::Root => Some(Place::Appling),
        Role::Appling => Some(Place::Root),
    };
    keys::KEYS
        .iter()
        .filter(|key| Some(key.place) != foreign)
        .map(|key| key.name)
        .collect()
}

fn in_effect(role: Role) -> String {
    let names = names_for(role).into_iter();
    let used = names.filter(|name| keys::find(name).is_some_and(|k| k.state == State::InEffect));
    used.map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn looks_like_variable(name: &str) -> bool {
    let upper = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    name.chars().all(upper) && name.starts_with(|c: char| c.is_ascii_uppercase())
}

fn root_key(key: &Key) -> Fault {
    let message = format!(
        "`{}` belongs in the root's `iterapp.toml`; here it has no meaning",
        key.name
    );
    Fault::new(Code::RootKeyInApplingFile, message)
        .hint("move it there, above the first `[section]`")
}

/// An error and no note: the author expects an effect, and there would be none.
fn appling_key(key: &Key) -> Fault {
    let message = format!(
        "`{}` is an appling's, but this file lists applings elsewhere, so it has no effect here",
        key.name,
    );
    Fault::new(Code::ApplingKeyInRootFile, message)
        .hint("move it to the applings' files, or list the root itself in `applings` as \".\"")
}

fn not_in_effect(key: &Key) -> Fault {
    let shown = match key.state {
        State::Section | State::OpenSection => format!("[{}]", key.name),
        _ => key.name.to_owned(),
    };
    Fault::new(
        Code::NotInEffect,
        format!("`{shown}` is known but not in effect yet"),
    )
}

fn older_spelling(key: &Key, present: &str) -> Fault {
    let message = format!(
        "`{}` is an older spelling, which is known but not in effect yet",
        key.name
    );
    Fault::new(Code::NotInEffect, message).hint(format!("write `{present}`"))
}

/// Notes a key without which the appling would be more open than its author asked for.
fn has_unsafe_key(key: &Key, value: &Value, file: &mut File) -> bool {
    let Some(table) = value.get_ref().as_table() else {
        return false;
    };
    let asked = table
        .iter()
        .find(|(name, value)| match (key.name, name.get_ref().as_ref()) {
            ("ingress", "disable") => !matches!(value.get_ref(), DeValue::Boolean(false)),
            ("experimental", name) => name.starts_with("isolate-"),
            _ => false,
        });
    let Some((name, _)) = asked else { return false };
    let message = format!(
        "`{}` in `[{}]` is known but not in effect yet, and without it the appling could be reached by more than it should",
        name.get_ref(),
        key.name,
    );
    file.report(
        name.span(),
        Fault::new(Code::NotSafeToIgnore, message).hint("leave it out if that is no harm"),
    );
    true
}

/// Finds keys of the file's top that slipped into a section, as all do that stand below a header.
fn misplaced_keys(section: &Key, value: &Value, file: &mut File) {
    let Some(table) = value.get_ref().as_table() else {
        return;
    };
    for (name, value) in table {
        let Some(key) = keys::find(name.get_ref()) else {
            continue;
        };
        // There the names are the author's own; only a value of the wrong kind tells a slip.
        let could_be_meant = match section.name {
            "node_selector" => value.get_ref().is_str(),
            "build_secrets" | "cronjobs" => value.get_ref().is_table(),
            _ => false,
        };
        if !could_be_meant {
            let fault = misplaced(section, key, &file.text[name.span().start..], value);
            file.report(name.span(), fault);
        }
    }
}

fn misplaced(section: &Key, key: &Key, from_key: &str, value: &Value) -> Fault {
    let (section, name) = (section.name, key.name);
    let message = format!(
        "`{name}` stands below the header `[{section}]`, and so means `{section}.{name}`, which does not exist"
    );
    let line = from_key.lines().next().unwrap_or_default().trim();
    let whole = if value.get_ref().is_table() || line.ends_with('[') {
        name
    } else {
        line
    };
    Fault::new(Code::KeyInSection, message).hint(format!(
        "sections go last: move `{whole}` above the first `[section]` of the file"
    ))
}

//! The top of a file: which keys can stand in which file.

use super::keys::{ApplingKeys, RootKeys, RunKeys, SharedKeys};
use super::section::Section;
use crate::diagnostic::Code;
use crate::file::{Fault, File};
use crate::parse::Table;
use crate::unknown;

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

/// The keys of a file, besides those of the root.
#[derive(Debug, Default)]
pub struct Keys {
    pub shared: SharedKeys,
    pub appling: ApplingKeys,
    pub run: RunKeys,
}

/// Reads the keys that only a root file has. What else stands there is left for [`rest`].
pub fn root(table: &Table, file: &mut File) -> RootKeys {
    let mut keys = RootKeys::default();
    for (name, value) in table {
        keys.take(name.get_ref(), name.span(), value, file);
    }
    keys
}

/// Reads all other keys, and notes those that are unknown or misplaced.
pub fn rest(table: &Table, role: Role, file: &mut File) -> Keys {
    let mut keys = Keys::default();
    for (name, value) in table {
        let (text, span) = (name.get_ref().as_ref(), name.span());
        if RootKeys::KEYS.contains(&text) {
            if role == Role::Appling {
                file.report(span, root_key(text));
            }
        } else if keys.shared.take(text, span.clone(), value, file) {
        } else if role == Role::Root && is_applings(text) {
            file.report(span, appling_key(text));
        } else if !keys.appling.take(text, span.clone(), value, file)
            && !keys.run.take(text, span, value, file)
        {
            unknown::at_top(name, value, names_for(role), file);
        }
    }
    keys
}

fn is_applings(name: &str) -> bool {
    ApplingKeys::KEYS.contains(&name) || RunKeys::KEYS.contains(&name)
}

/// The keys that are worth telling of.
fn names_for(role: Role) -> &'static [&'static str] {
    match role {
        Role::Root => &["applings", "default_environment", "emoji", "postgres"],
        Role::Both | Role::Appling => &[
            "name",
            "port",
            "readiness_path",
            "replicas",
            "domains",
            "command",
            "worker",
            "build",
            "env",
        ],
    }
}

fn root_key(name: &str) -> Fault {
    let message = format!("`{name}` belongs in the root's `iterapp.toml`; here it has no meaning");
    Fault::new(Code::RootKeyInApplingFile, message)
        .hint("move it there, above the first `[section]`")
}

/// An error and no note: the author expects an effect, and there would be none.
fn appling_key(name: &str) -> Fault {
    let message = format!(
        "`{name}` is an appling's, but this file lists applings elsewhere, so it has no effect here",
    );
    Fault::new(Code::ApplingKeyInRootFile, message)
        .hint("move it to the applings' files, or list the root itself in `applings` as \".\"")
}

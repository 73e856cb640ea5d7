//! The root's `iterapp.toml`: which applings there are, and where the default branch goes.

use std::ops::Range;

use crate::diagnostic::Code;
use crate::environment::Environment;
use crate::file::{Fault, File};
use crate::parse::{Table, Value};
use crate::validate;

/// The most applings that an app can have.
const MAX_APPLINGS: usize = 100;

/// What only the root file says.
pub struct RootFile {
    pub default_environment: Environment,
    pub applings: Applings,
}

/// Where the applings are.
pub enum Applings {
    /// No key `applings`: the root is the only one.
    Root,
    /// In these folders.
    Listed(Vec<Folder>),
    /// The key makes no sense, so that nothing can be said about what it should list.
    Unclear,
}

/// An entry of `applings`.
#[derive(Clone)]
pub struct Folder {
    /// `""` is the root itself.
    pub path: String,
    pub span: Range<usize>,
}

impl RootFile {
    /// Reads the root file's own keys.
    pub fn read(table: &Table, file: &mut File) -> Self {
        let default_environment = table.get("default_environment");
        Self {
            default_environment: default_environment
                .and_then(|value| environment(value, file))
                .unwrap_or(Environment::Test),
            applings: table.get("applings").map_or(Applings::Root, |value| {
                folders(value, file).map_or(Applings::Unclear, Applings::Listed)
            }),
        }
    }

    /// Whether the root is, or may be meant to be, an appling too.
    pub fn is_appling(&self) -> bool {
        match &self.applings {
            Applings::Root | Applings::Unclear => true,
            Applings::Listed(folders) => folders.iter().any(|folder| folder.path.is_empty()),
        }
    }
}

fn environment(value: &Value, file: &mut File) -> Option<Environment> {
    let text = file.string("default_environment", value)?;
    file.checked(value, text, |text| {
        text.parse().map_err(|error: crate::UnknownEnvironment| {
            Fault::new(Code::BadEnvironment, error.to_string()).hint(error.hint())
        })
    })
}

fn folders(value: &Value, file: &mut File) -> Option<Vec<Folder>> {
    let entries = file.strings("applings", value)?;
    if entries.is_empty() {
        let fault = Fault::new(
            Code::NoApplings,
            "`applings` lists nothing, so nothing would run",
        )
        .hint("list the applings' folders, or remove the key: the root is then the only appling");
        file.report(value.span(), fault);
        return None;
    }
    if entries.len() > MAX_APPLINGS {
        let message = format!(
            "`applings` lists {}; an app can have {MAX_APPLINGS}",
            entries.len()
        );
        file.report(value.span(), Fault::new(Code::TooManyApplings, message));
        return None;
    }
    let folder = |(text, entry): (&str, &Value)| {
        let path = file.checked(entry, text, validate::folder)?;
        Some(Folder {
            path,
            span: entry.span(),
        })
    };
    // The good ones are read on, so that their files' problems are told at once too.
    Some(without_repetition(
        entries.into_iter().filter_map(folder).collect(),
        file,
    ))
}

fn without_repetition(folders: Vec<Folder>, file: &mut File) -> Vec<Folder> {
    let mut kept: Vec<Folder> = Vec::new();
    for folder in folders {
        if kept.iter().any(|earlier| earlier.path == folder.path) {
            let message = format!("the folder {:?} is listed twice", folder.path);
            let fault = Fault::new(Code::FolderTwice, message).hint("keep one of the two");
            file.report(folder.span, fault);
        } else {
            kept.push(folder);
        }
    }
    kept
}

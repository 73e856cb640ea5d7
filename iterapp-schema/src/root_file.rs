//! The root's `iterapp.toml`: which applings there are, and where the default branch goes.

use std::ops::Range;

use crate::diagnostic::Code;
use crate::environment::Environment;
use crate::file::{Fault, File};
use crate::format::{At, RootKeys, top, values};
use crate::older;
use crate::parse::Table;

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
        let RootKeys {
            applings,
            default_environment,
            auto_deploy_env,
        } = top::root(table, file);
        let default_environment = older::spelling(
            "auto_deploy_env",
            auto_deploy_env,
            "default_environment",
            default_environment,
            file,
        );
        let applings = match (table.contains_key("applings"), applings) {
            (false, _) if file.is_unread("applings") => Applings::Unclear,
            (false, _) => Applings::Root,
            (true, None) => Applings::Unclear,
            (true, Some(list)) => folders(list, file).map_or(Applings::Unclear, Applings::Listed),
        };
        Self {
            default_environment: default_environment
                .map_or(Environment::Test, |environment| environment.value),
            applings,
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

fn folders(list: At<values::List<values::Folder>>, file: &mut File) -> Option<Vec<Folder>> {
    let entries = list.value.0;
    if file.text.get(list.span.clone()).is_some_and(is_empty_list) {
        let fault = Fault::new(
            Code::NoApplings,
            "`applings` lists nothing, so nothing would run",
        )
        .hint("list the applings' folders, or remove the key: the root is then the only appling");
        file.report(list.span, fault);
        return None;
    }
    if entries.len() > MAX_APPLINGS {
        let message = format!(
            "`applings` lists {}; an app can have {MAX_APPLINGS}",
            entries.len()
        );
        let fault = Fault::new(Code::TooManyApplings, message)
            .hint("make two apps of it, each with a repository of its own");
        file.report(list.span, fault);
        return None;
    }
    let folders = entries.into_iter().map(|entry| Folder {
        path: entry.value.0,
        span: entry.span,
    });
    Some(without_repetition(folders.collect(), file))
}

/// Entries that are no folders have been told of already, and are not in the list that was read.
fn is_empty_list(written: &str) -> bool {
    !written.contains(['"', '\''])
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

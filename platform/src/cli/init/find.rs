//! The Dockerfiles of a repository, and the applings that they make.

use std::collections::BTreeSet;
use std::path::Path;

use iterapp_schema::ApplingName;
use serde::Serialize;

use super::dockerfile::{Exposed, exposed};

/// How deep applings' folders may lie.
const DEPTH: usize = 4;
/// The most folders that are looked into.
const MAX_FOLDERS: usize = 10_000;
/// The largest Dockerfile that is read.
const MAX_DOCKERFILE: u64 = 1 << 20;
/// Folders that hold others' code.
const FOREIGN: [&str; 3] = ["node_modules", "vendor", "target"];
/// Names under which people keep a Dockerfile, and under which it is not found.
pub const OTHER_NAMES: [&str; 4] = [
    "dockerfile",
    "DockerFile",
    "Containerfile",
    "Dockerfile.prod",
];

/// A folder with a Dockerfile.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// Its path from the root, `""` for the root itself.
    pub folder: String,
    /// What the Dockerfile exposes.
    #[serde(flatten)]
    pub exposed: Exposed,
}

impl Found {
    /// The Dockerfile's path.
    pub fn dockerfile(&self) -> String {
        inside(&self.folder, "Dockerfile")
    }
}

/// One appling to be.
pub struct Appling<'f> {
    /// Its folder and its port.
    pub found: &'f Found,
    /// Its name, where the folder's will not do.
    pub name: Option<String>,
}

/// The path of a file in a folder.
pub fn inside(folder: &str, file: &str) -> String {
    match folder {
        "" => file.to_owned(),
        folder => format!("{folder}/{file}"),
    }
}

/// All folders with a Dockerfile, by path; hidden folders, links and others' code are left out.
pub fn dockerfiles(root: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), 0)];
    let mut looked_into = 0;
    while let Some((folder, depth)) = open.pop() {
        looked_into += 1;
        if looked_into > MAX_FOLDERS {
            break;
        }
        let path = root.join(&folder);
        found.extend(read(&path).map(|exposed| Found {
            folder: folder.clone(),
            exposed,
        }));
        if depth < DEPTH {
            let inner = folders(&path).into_iter();
            open.extend(inner.map(|name| (inside(&folder, &name), depth + 1)));
        }
    }
    found.sort_by(|one, other| one.folder.cmp(&other.folder));
    found
}

fn read(folder: &Path) -> Option<Exposed> {
    let path = folder.join("Dockerfile");
    let found = path.symlink_metadata().ok()?;
    if !found.is_file() || found.len() > MAX_DOCKERFILE {
        return found.is_file().then(Exposed::default);
    }
    let text = std::fs::read(path).unwrap_or_default();
    Some(exposed(&String::from_utf8_lossy(&text)))
}

fn folders(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') && !name.contains(char::is_control))
        .filter(|name| !FOREIGN.contains(&name.as_str()))
        .collect()
}

/// The root alone where it has a Dockerfile; else every folder that has one.
pub fn applings(found: &[Found]) -> Vec<Appling<'_>> {
    if let Some(root) = found.iter().find(|found| found.folder.is_empty()) {
        let name = None;
        return vec![Appling { found: root, name }];
    }
    let mut taken = BTreeSet::new();
    let appling = |found| {
        let name = name(found, &mut taken);
        Appling { found, name }
    };
    found.iter().map(appling).collect()
}

/// The name that an appling needs in its file, because its folder's is no name or is taken.
fn name(found: &Found, taken: &mut BTreeSet<String>) -> Option<String> {
    let last = found.folder.rsplit('/').next().unwrap_or_default();
    if let Ok(name) = ApplingName::parse(last)
        && taken.insert(name.to_string())
    {
        return None;
    }
    let candidates = [label(last), label(&found.folder)];
    let free = candidates
        .into_iter()
        .flatten()
        .find(|name| !taken.contains(name))?;
    taken.insert(free.clone());
    Some(free)
}

/// A name made of a path.
fn label(text: &str) -> Option<String> {
    let words = text.to_lowercase();
    let words = words.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let name = ApplingName::parse(&words.join("-")).ok()?;
    Some(name.to_string())
}

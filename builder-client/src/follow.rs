//! Followed paths: what a COPY names, and whatever the symlinks on its way point to.

use std::collections::{BTreeSet, HashMap};

use crate::{
    Context, ContextError, Entry, EntryKind,
    ignore::glob::{Glob, has_wildcard},
    paths::{clean, in_root, join, split},
};

/// The patterns that select `paths` and everything that symlinks on their way lead to, sorted, none
/// below another. `None` if one of them leads to the root, so that everything is wanted.
///
/// Wildcards stay in the patterns, and are expanded only to see whether they match symlinks. Links
/// are followed within the context, whose root is `/`.
///
/// # Errors
/// The context's own; a path that does not exist is no error, but followed as far as it goes.
pub(crate) fn follow_links(
    context: &dyn Context,
    paths: &[String],
) -> Result<Option<Vec<String>>, ContextError> {
    let mut resolver = Resolver {
        context,
        folders: HashMap::new(),
        resolved: BTreeSet::new(),
    };
    for path in paths {
        resolver.resolve(path)?;
    }
    Ok(without_nested(resolver.resolved))
}

struct Resolver<'a> {
    context: &'a dyn Context,
    /// The folders that have been looked into; `None` where there is no such folder.
    folders: HashMap<String, Option<Vec<Entry>>>,
    resolved: BTreeSet<String>,
}

impl Resolver<'_> {
    /// Follows one path and, by a list rather than by recursion, all that it leads to.
    fn resolve(&mut self, path: &str) -> Result<(), ContextError> {
        let mut todo = vec![in_root(path)];
        while let Some(path) = todo.pop() {
            todo.extend(self.resolve_to_first_link(&path)?);
        }
        Ok(())
    }

    /// Goes down `path` up to its end or the first link; where links lead to is returned.
    fn resolve_to_first_link(&mut self, path: &str) -> Result<Vec<String>, ContextError> {
        let mut current = String::new();
        let mut rest = path;
        while !rest.is_empty() {
            let (name, after) = rest.split_once('/').unwrap_or((rest, ""));
            (current, rest) = (join(&current, name), after);
            let targets = self.link_targets(&current)?;
            if !targets.is_empty() {
                // Each link is followed once; that is what ends loops.
                let new = self.resolved.insert(current);
                let on = |target: String| in_root(&join(&target, rest));
                return Ok(if new {
                    targets.into_iter().map(on).collect()
                } else {
                    Vec::new()
                });
            }
        }
        self.resolved.insert(current);
        Ok(Vec::new())
    }

    /// Where the link at `path` leads to, or all links that its last part matches; empty if there
    /// are none.
    fn link_targets(&mut self, path: &str) -> Result<Vec<String>, ContextError> {
        let (folder, name) = split(path);
        let glob = has_wildcard(name).then(|| Glob::parse(name));
        let wanted = |entry: &&Entry| match &glob {
            Some(Ok(glob)) => glob.matches(&entry.name),
            Some(Err(_)) => false,
            None => entry.name == name,
        };
        let target = |entry: &Entry| match &entry.kind {
            EntryKind::Symlink { target } => Some(from_root(folder, target)),
            _ => None,
        };
        let entries = self.entries(folder)?.iter().flatten();
        Ok(entries.filter(wanted).filter_map(target).collect())
    }

    fn entries(&mut self, folder: &str) -> Result<&Option<Vec<Entry>>, ContextError> {
        if !self.folders.contains_key(folder) {
            let entries = match self.context.entries(folder) {
                Ok(entries) => Some(entries),
                Err(ContextError::NotFound(_)) => None,
                Err(error) => return Err(error),
            };
            self.folders.insert(folder.to_owned(), entries);
        }
        Ok(&self.folders[folder])
    }
}

/// A link's target as a path from the root.
fn from_root(folder: &str, target: &str) -> String {
    let target = clean(target);
    match target.starts_with('/') {
        true => in_root(&target),
        false => in_root(&join(folder, &target)),
    }
}

fn without_nested(sorted: BTreeSet<String>) -> Option<Vec<String>> {
    if sorted.contains("") {
        return None;
    }
    let mut kept: Vec<String> = Vec::new();
    for path in sorted {
        let nested = kept
            .last()
            .is_some_and(|last| path.starts_with(&format!("{last}/")));
        if !nested {
            kept.push(path);
        }
    }
    Some(kept)
}

#[cfg(test)]
mod tests;

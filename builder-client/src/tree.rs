//! A context in memory, for tests: written as `path`, `path = content` or `path -> target`.

use std::collections::BTreeMap;

use crate::{Context, ContextError, Entry, EntryKind, paths::split};

/// A tree made from short lines.
pub(crate) struct Tree(BTreeMap<String, Node>);

enum Node {
    File(Vec<u8>),
    Symlink(String),
    Directory,
}

impl Tree {
    /// `a/` is a folder, `a` a file, `a -> b` a symlink. Folders above them come by themselves.
    pub(crate) fn new(lines: &[&str]) -> Tree {
        let mut nodes = BTreeMap::from([(String::new(), Node::Directory)]);
        for line in lines {
            let (path, node) = match line.split_once(" -> ") {
                Some((path, target)) => (path, Node::Symlink(target.to_owned())),
                None if line.ends_with('/') => (line.trim_end_matches('/'), Node::Directory),
                None => (*line, Node::File(line.as_bytes().to_vec())),
            };
            for (end, _) in path.match_indices('/') {
                nodes
                    .entry(path[..end].to_owned())
                    .or_insert(Node::Directory);
            }
            nodes.insert(path.to_owned(), node);
        }
        Tree(nodes)
    }
}

impl Context for Tree {
    fn entries(&self, folder: &str) -> Result<Vec<Entry>, ContextError> {
        if !matches!(self.0.get(folder), Some(Node::Directory)) {
            return Err(ContextError::NotFound(folder.to_owned()));
        }
        let inside = self
            .0
            .iter()
            .filter(|(path, _)| !path.is_empty() && split(path).0 == folder);
        let entry = |(path, node): (&String, &Node)| Entry {
            name: split(path).1.to_owned(),
            kind: match node {
                Node::File(content) => EntryKind::File {
                    size: content.len() as u64,
                    executable: false,
                },
                Node::Symlink(target) => EntryKind::Symlink {
                    target: target.clone(),
                },
                Node::Directory => EntryKind::Directory,
            },
        };
        // Backwards, since nobody may rely on an order.
        Ok(inside.map(entry).rev().collect())
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, ContextError> {
        match self.0.get(path) {
            Some(Node::File(content)) => Ok(content.clone()),
            _ => Err(ContextError::NotFound(path.to_owned())),
        }
    }
}

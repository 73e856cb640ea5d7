//! Where texts come from, and places in them.

use std::collections::BTreeMap;

/// A commit's tree, or a local folder. Paths are relative to its root and separated by `/`.
pub trait Repository {
    /// The content of a file; nothing when there is none, or it is no file.
    fn read(&self, path: &str) -> Option<Vec<u8>>;
    /// Whether there is a file of that path.
    fn is_file(&self, path: &str) -> bool;
    /// Whether there is a folder of that path.
    fn is_dir(&self, path: &str) -> bool;
}

/// Files in memory, for tests and for texts that are not saved yet.
impl Repository for BTreeMap<String, Vec<u8>> {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.get(path).cloned()
    }

    fn is_file(&self, path: &str) -> bool {
        self.contains_key(path)
    }

    fn is_dir(&self, path: &str) -> bool {
        self.keys().any(|file| {
            file.strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('/'))
        })
    }
}

/// A repository with other texts in place of some of its files, or beside them.
pub struct Overlay<'r> {
    /// The texts, by path from the root.
    pub texts: BTreeMap<String, String>,
    /// All other files.
    pub repository: &'r dyn Repository,
}

impl Repository for Overlay<'_> {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        match self.texts.get(path) {
            Some(text) => Some(text.as_bytes().to_vec()),
            None => self.repository.read(path),
        }
    }

    fn is_file(&self, path: &str) -> bool {
        self.texts.contains_key(path) || self.repository.is_file(path)
    }

    fn is_dir(&self, path: &str) -> bool {
        self.repository.is_dir(path)
    }
}

/// The texts of the files that were read, by path; diagnostics point into them.
///
/// A byte order mark is left out, so that the first key stands in column 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(BTreeMap<String, String>);

impl Sources {
    /// The text of a file, if it was read.
    #[must_use]
    pub fn get(&self, file: &str) -> Option<&str> {
        self.0.get(file).map(String::as_str)
    }

    /// Paths and texts, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(file, text)| (file.as_str(), text.as_str()))
    }

    /// Keeps a text.
    pub fn insert(&mut self, file: impl Into<String>, text: impl Into<String>) {
        self.0.insert(file.into(), text.into());
    }
}

/// Line and column of a byte in a text, both from 1. Columns count characters, as editors do.
///
/// An offset behind the end, or inside a character, counts as the nearest place before it.
#[must_use]
pub fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let text = "a\r\nblå = 1\n";
        let place = |needle: &str| line_column(text, text.find(needle).unwrap());
        assert_eq!(place("a"), (1, 1));
        assert_eq!(place("å"), (2, 3));
        assert_eq!(place("= 1"), (2, 5));
        assert_eq!(line_column(text, 6), (2, 3), "inside å");
        assert_eq!(line_column(text, 999), (3, 1));
        assert_eq!(line_column("", 0), (1, 1));
    }
}

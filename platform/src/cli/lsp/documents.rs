//! What is open in the editor, and the repositories that it belongs to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gen_lsp_types as lsp;
use iterapp_schema::{AppName, Assembled, FILE_NAME, Overlay, assemble};

use crate::cli::local::{Folder, name_of};

/// The open documents, by path.
#[derive(Default)]
pub struct Documents(BTreeMap<PathBuf, Document>);

/// One of them.
pub struct Document {
    /// What the editor calls it.
    pub uri: lsp::Uri,
    /// Counts its changes.
    pub version: i32,
    /// Its text, saved or not.
    pub text: String,
}

impl Documents {
    /// Keeps a document, or its new text.
    pub fn keep(&mut self, document: Document) -> Option<PathBuf> {
        let path = path_of(&document.uri)?;
        self.0.insert(path.clone(), document);
        Some(path)
    }

    /// Forgets a document: its file counts again.
    pub fn close(&mut self, path: &Path) {
        self.0.remove(path);
    }

    /// The document of a path, if it is open.
    pub fn get(&self, path: &Path) -> Option<&Document> {
        self.0.get(path)
    }

    /// The paths of all of them.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// What `hops check` says of a repository, with the documents in place of the files.
    pub fn assembled(&self, root: &Path, app: Option<&AppName>) -> Assembled {
        let app = app.cloned().or_else(|| name_of(root).ok());
        let app = app.unwrap_or_else(|| AppName::parse("app").expect("`app` is a name"));
        let below = |(path, document): (&PathBuf, &Document)| {
            let path = path.strip_prefix(root).ok()?.to_str()?;
            Some((path.to_owned(), document.text.clone()))
        };
        let overlay = Overlay {
            texts: self.0.iter().filter_map(below).collect(),
            repository: &Folder(root.to_owned()),
        };
        assemble(&app, &overlay)
    }
}

/// The file of a document, if it is one that is judged.
pub fn path_of(uri: &lsp::Uri) -> Option<PathBuf> {
    let path = uri.to_file_path().ok()?;
    (path.file_name()? == FILE_NAME).then_some(path)
}

/// The root of the repository that a file belongs to: where git has its folder, else the editor's
/// outermost folder that holds it, else the file's own.
pub fn root_of(path: &Path, folders: &[PathBuf]) -> PathBuf {
    let mut above = path.ancestors().skip(1);
    let git = above.find(|folder| folder.join(".git").exists());
    let holds = |folder: &&PathBuf| path.starts_with(folder);
    let opened = || {
        let holding = folders.iter().filter(holds);
        holding
            .min_by_key(|folder| folder.components().count())
            .map(PathBuf::as_path)
    };
    let own = path.parent().unwrap_or(path);
    git.or_else(opened).unwrap_or(own).to_owned()
}

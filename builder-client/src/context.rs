//! What a build may read: a tree of folders, files and symlinks.

use std::fmt;

/// The build context: a tree that is asked for one folder and one file at a time.
///
/// Paths are relative to the tree's root, separated by `/`, without a leading or trailing one; the
/// root itself is `""`. Calls may block: they are made on threads kept for blocking work, several at
/// once. The tree must not change while a build runs (a commit cannot; a work folder can).
pub trait Context: Send + Sync + 'static {
    /// What lies directly in `folder`, in any order.
    ///
    /// # Errors
    /// [`ContextError::NotFound`] if there is no such folder.
    fn entries(&self, folder: &str) -> Result<Vec<Entry>, ContextError>;

    /// The whole content of the file at `path`: exactly as many bytes as its entry says.
    ///
    /// # Errors
    /// [`ContextError::NotFound`] if there is no such file.
    fn read(&self, path: &str) -> Result<Vec<u8>, ContextError>;
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The plain name, without any `/`. BuildKit's protocol carries UTF-8 only, so a tree with
    /// other names must refuse them ([`ContextError::Refused`]).
    pub name: String,
    /// What stands there.
    pub kind: EntryKind,
}

/// What stands behind a name. Modes are those of a git checkout: 0755 for folders and executable
/// files, 0644 for other files; everything belongs to root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// Its length in bytes.
        size: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symbolic link.
    Symlink {
        /// The path it holds, as written: relative to its folder, or absolute from the root of the
        /// context. It is handed on as it is and never followed out of the context.
        target: String,
    },
    /// A folder.
    Directory,
}

/// Why a context could not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextError {
    /// Nothing stands at this path.
    NotFound(String),
    /// The tree holds something that cannot be built from, and only its author can change that
    /// (a submodule, a name that is not UTF-8). The text is shown to the author as it is.
    Refused(String),
    /// The tree could not be read, and the author is not to blame.
    Failed(String),
}

impl fmt::Display for ContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContextError::NotFound(path) if path.is_empty() => {
                f.write_str("there is no build context")
            }
            ContextError::NotFound(path) => write!(f, "`{path}` is not in the build context"),
            ContextError::Refused(message) => f.write_str(message),
            ContextError::Failed(message) => {
                write!(f, "the build context could not be read: {message}")
            }
        }
    }
}

impl std::error::Error for ContextError {}

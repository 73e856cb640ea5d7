//! A commit's files, read from git's objects: for `iterapp.toml`, and as a build's context.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use builder_client::{ContextError, Entry, EntryKind};
use git2::{ErrorCode, ObjectType, Oid, Repository, Tree};

/// File mode of a symlink in a git tree.
const SYMLINK: i32 = 0o120_000;
/// File mode of an executable file.
const EXECUTABLE: i32 = 0o100_755;
/// How a Git LFS pointer begins (<https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>).
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
/// Pointers are smaller than this by their specification.
const LFS_POINTER_SIZE: usize = 1024;

/// The tree of one commit. Cheap to open; reads are serialised, since git2's handles are.
pub struct CommitTree {
    repository: Mutex<Repository>,
    root: Oid,
}

impl CommitTree {
    /// Opens the tree of a commit.
    ///
    /// # Errors
    /// When the repository or the commit is not there.
    pub fn open(repository: &Path, commit: &str) -> anyhow::Result<CommitTree> {
        let repository = Repository::open_bare(repository)?;
        let root = repository.find_commit(Oid::from_str(commit)?)?.tree_id();
        Ok(CommitTree {
            repository: Mutex::new(repository),
            root,
        })
    }

    /// What is in the tree that the platform cannot build yet: the paths of submodules.
    ///
    /// # Errors
    /// When the objects cannot be read.
    pub fn submodules(&self) -> anyhow::Result<Vec<String>> {
        let repository = self.repository();
        let mut found = Vec::new();
        repository
            .find_tree(self.root)?
            .walk(git2::TreeWalkMode::PreOrder, |folder, entry| {
                if entry.kind() == Some(ObjectType::Commit) {
                    found.push(format!("{folder}{}", entry.name().unwrap_or("?")));
                }
                git2::TreeWalkResult::Ok
            })?;
        Ok(found)
    }

    fn repository(&self) -> MutexGuard<'_, Repository> {
        // A panic elsewhere cannot leave a read-only handle in a bad state.
        self.repository
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn blob(&self, path: &str) -> Result<Vec<u8>, git2::Error> {
        let repository = self.repository();
        let entry = repository.find_tree(self.root)?.get_path(Path::new(path))?;
        Ok(repository.find_blob(entry.id())?.content().to_vec())
    }

    fn kind(&self, path: &str) -> Option<ObjectType> {
        if path.is_empty() {
            return Some(ObjectType::Tree);
        }
        let repository = self.repository();
        repository
            .find_tree(self.root)
            .ok()?
            .get_path(Path::new(path))
            .ok()?
            .kind()
    }
}

impl iterapp_schema::Repository for CommitTree {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.blob(path).ok()
    }

    fn is_file(&self, path: &str) -> bool {
        self.kind(path) == Some(ObjectType::Blob)
    }

    fn is_dir(&self, path: &str) -> bool {
        self.kind(path) == Some(ObjectType::Tree)
    }
}

impl builder_client::Context for CommitTree {
    fn entries(&self, folder: &str) -> Result<Vec<Entry>, ContextError> {
        let repository = self.repository();
        let tree =
            folder_tree(&repository, self.root, folder).map_err(|error| failed(folder, &error))?;
        let sizes = repository.odb().map_err(|error| failed(folder, &error))?;
        tree.iter()
            .map(|entry| read_entry(&repository, &sizes, folder, &entry))
            .collect()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, ContextError> {
        let content = self.blob(path).map_err(|error| failed(path, &error))?;
        if content.len() < LFS_POINTER_SIZE && content.starts_with(LFS_POINTER) {
            return Err(ContextError::Refused(format!(
                "`{path}` is kept in Git LFS, which is not supported yet: only its pointer is in the repository. \
                 Commit the file itself, or exclude it by .dockerignore"
            )));
        }
        Ok(content)
    }
}

fn folder_tree<'r>(
    repository: &'r Repository,
    root: Oid,
    folder: &str,
) -> Result<Tree<'r>, git2::Error> {
    let root = repository.find_tree(root)?;
    if folder.is_empty() {
        return Ok(root);
    }
    let entry = root.get_path(Path::new(folder))?;
    repository.find_tree(entry.id())
}

fn read_entry(
    repository: &Repository,
    objects: &git2::Odb<'_>,
    folder: &str,
    entry: &git2::TreeEntry<'_>,
) -> Result<Entry, ContextError> {
    let name = entry.name().map_err(|_| {
        let name = String::from_utf8_lossy(entry.name_bytes());
        ContextError::Refused(format!("the name `{name}` in `{folder}/` is not UTF-8"))
    })?;
    let path = if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    };
    let kind = match (entry.kind(), entry.filemode()) {
        (Some(ObjectType::Tree), _) => EntryKind::Directory,
        (Some(ObjectType::Blob), SYMLINK) => {
            let target = repository
                .find_blob(entry.id())
                .map_err(|error| failed(&path, &error))?;
            EntryKind::Symlink {
                target: String::from_utf8_lossy(target.content()).into_owned(),
            }
        }
        (Some(ObjectType::Blob), mode) => {
            let (size, _) = objects
                .read_header(entry.id())
                .map_err(|error| failed(&path, &error))?;
            EntryKind::File {
                size: size as u64,
                executable: mode == EXECUTABLE,
            }
        }
        _ => {
            return Err(ContextError::Refused(format!(
                "`{path}` is a git submodule, which is not supported yet: commit its files instead"
            )));
        }
    };
    Ok(Entry {
        name: name.to_owned(),
        kind,
    })
}

fn failed(path: &str, error: &git2::Error) -> ContextError {
    match error.code() {
        ErrorCode::NotFound => ContextError::NotFound(path.to_owned()),
        _ => ContextError::Failed(error.message().to_owned()),
    }
}

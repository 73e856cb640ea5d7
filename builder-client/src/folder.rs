//! A build context on disk.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{Context, ContextError, Entry, EntryKind};

/// A local folder as build context, as `docker build` would see it. For tests and by way of
/// example: the platform builds from git objects.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder at `root`; whether it exists is seen when it is read.
    pub fn new(root: impl Into<PathBuf>) -> Folder {
        Folder { root: root.into() }
    }
}

impl Context for Folder {
    fn entries(&self, folder: &str) -> Result<Vec<Entry>, ContextError> {
        let listing = fs::read_dir(self.root.join(folder)).map_err(|e| failed(folder, &e))?;
        let entry = |item: io::Result<fs::DirEntry>| {
            let item = item.map_err(|e| failed(folder, &e))?;
            let name = item.file_name().into_string().map_err(|name| {
                ContextError::Refused(format!("a name in `{folder}` is not UTF-8: {name:?}"))
            })?;
            let kind = kind(&item.path()).map_err(|e| failed(&name, &e))?;
            Ok(Entry { name, kind })
        };
        listing.map(entry).collect()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, ContextError> {
        fs::read(self.root.join(path)).map_err(|e| failed(path, &e))
    }
}

fn kind(path: &Path) -> io::Result<EntryKind> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        return Ok(EntryKind::Directory);
    }
    if metadata.is_symlink() {
        let target = fs::read_link(path)?.to_string_lossy().into_owned();
        return Ok(EntryKind::Symlink { target });
    }
    Ok(EntryKind::File {
        size: metadata.len(),
        executable: metadata.permissions().mode() & 0o111 != 0,
    })
}

fn failed(path: &str, error: &io::Error) -> ContextError {
    match error.kind() {
        io::ErrorKind::NotFound => ContextError::NotFound(path.to_owned()),
        _ => ContextError::Failed(format!("{path}: {error}")),
    }
}

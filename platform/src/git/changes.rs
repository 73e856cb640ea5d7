//! What differs between two commits.

use std::{collections::BTreeSet, path::Path};

use git2::{DiffOptions, ErrorCode, FileMode, Oid, Repository, Tree};

/// Paths of the files that were added, changed (also in their mode) or deleted between two commits,
/// whatever lies between these; nothing when the first one is not there any more. Names that are
/// not UTF-8 are given as far as they are.
///
/// # Errors
/// When the second commit is not there, or the repository cannot be read.
pub fn between(
    repository: &Repository,
    from: &str,
    to: &str,
) -> anyhow::Result<Option<Vec<String>>> {
    let old = match tree(repository, from) {
        Ok(old) => old,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let new = tree(repository, to)?;
    let mut options = DiffOptions::new();
    options.include_typechange(true);
    let diff = repository.diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options))?;
    let paths: BTreeSet<String> = diff
        .deltas()
        .flat_map(|delta| [delta.old_file().path_bytes(), delta.new_file().path_bytes()])
        .flatten()
        .map(|path| String::from_utf8_lossy(path).into_owned())
        .collect();
    Ok(Some(paths.into_iter().collect()))
}

/// Whether one of these paths is a symlink in a commit.
///
/// # Errors
/// When the commit is not there, or the repository cannot be read.
pub fn any_link(repository: &Repository, commit: &str, paths: &[String]) -> anyhow::Result<bool> {
    let tree = tree(repository, commit)?;
    for path in paths {
        match tree.get_path(Path::new(path)) {
            Ok(entry) if entry.filemode() == i32::from(FileMode::Link) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.code() == ErrorCode::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

fn tree<'r>(repository: &'r Repository, commit: &str) -> Result<Tree<'r>, git2::Error> {
    repository.find_commit(Oid::from_str(commit)?)?.tree()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commits these files, `(path, content, mode)`, and nothing else.
    fn commit(repository: &Repository, files: &[(&str, &str, FileMode)]) -> String {
        let mut index = git2::Index::new().unwrap();
        for (path, content, mode) in files {
            let id = repository.blob(content.as_bytes()).unwrap();
            let entry = git2::IndexEntry {
                ctime: git2::IndexTime::new(0, 0),
                mtime: git2::IndexTime::new(0, 0),
                dev: 0,
                ino: 0,
                mode: i32::from(*mode).unsigned_abs(),
                uid: 0,
                gid: 0,
                file_size: 0,
                id,
                flags: 0,
                flags_extended: 0,
                path: path.as_bytes().to_vec(),
            };
            index.add(&entry).unwrap();
        }
        let tree = index.write_tree_to(repository).unwrap();
        let tree = repository.find_tree(tree).unwrap();
        let author = git2::Signature::now("a", "a@example.org").unwrap();
        let id = repository.commit(None, &author, &author, "c", &tree, &[]);
        id.unwrap().to_string()
    }

    fn repository() -> (tempfile::TempDir, Repository) {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        (folder, repository)
    }

    #[test]
    fn what_was_added_changed_moved_or_deleted_is_found() {
        let (_folder, repository) = repository();
        let blob = FileMode::Blob;
        let old = commit(
            &repository,
            &[
                ("kept", "1", blob),
                ("web/changed", "1", blob),
                ("moved", "a long text that is known again", blob),
                ("run", "1", blob),
                ("gone/deep", "1", blob),
                ("kind", "kept", blob),
            ],
        );
        let new = commit(
            &repository,
            &[
                ("kept", "1", blob),
                ("web/changed", "2", blob),
                ("elsewhere", "a long text that is known again", blob),
                ("run", "1", FileMode::BlobExecutable),
                ("added", "1", blob),
                ("kind", "kept", FileMode::Link),
            ],
        );
        let found = between(&repository, &old, &new).unwrap().unwrap();
        let all = [
            "added",
            "elsewhere",
            "gone/deep",
            "kind",
            "moved",
            "run",
            "web/changed",
        ];
        assert_eq!(found, all);
        assert_eq!(between(&repository, &new, &new).unwrap().unwrap().len(), 0);
        let unknown = "0123456789012345678901234567890123456789";
        assert_eq!(between(&repository, unknown, &new).unwrap(), None);
        assert!(between(&repository, &old, unknown).is_err());
    }

    #[test]
    fn links_are_found() {
        let (_folder, repository) = repository();
        let files = [
            ("web/Dockerfile", "../Dockerfile", FileMode::Link),
            ("Dockerfile", "FROM scratch", FileMode::Blob),
        ];
        let commit = commit(&repository, &files);
        let any = |paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
            any_link(&repository, &commit, &paths).unwrap()
        };
        assert!(any(&["Dockerfile", "web/Dockerfile"]));
        assert!(!any(&["Dockerfile", ".dockerignore", "web"]));
    }
}

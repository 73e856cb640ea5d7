//! A repository on this machine: read like a commit's tree, committed or not.

use std::path::{Component, Path, PathBuf};

use iterapp_schema::{AppName, Repository};

use super::Context;
use super::failure::Failure;
use super::target::{app_name, from_variable};

/// Which repository, and which app it is.
#[derive(Debug, clap::Args)]
pub struct LocalArguments {
    /// The repository's root
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The app's name; else HOPS_APP, else the folder's
    #[arg(short = 'a', long, value_parser = app_name)]
    app: Option<AppName>,
}

/// A repository, and the app that it is taken for.
pub struct Local {
    /// The app.
    pub app: AppName,
    /// Its files.
    pub folder: Folder,
}

impl LocalArguments {
    /// The repository that is meant.
    pub fn find(self, context: &Context) -> Result<Local, Failure> {
        let path = context.folder.join(&self.dir);
        let path = path
            .canonicalize()
            .map_err(|error| no_folder(&self.dir).cause(error))?;
        if !path.is_dir() {
            return Err(no_folder(&self.dir).cause("it is a file"));
        }
        let chosen = self
            .app
            .map_or_else(|| from_variable(&*context.vars), |app| Ok(Some(app)))?;
        let app = chosen.map_or_else(|| name_of(&path), Ok)?;
        let folder = Folder(path);
        Ok(Local { app, folder })
    }
}

fn no_folder(dir: &Path) -> Failure {
    Failure::usage(format!("{} is no folder", dir.display()))
        .hint("give the folder that holds the root's iterapp.toml")
}

/// The app that is called like the folder.
pub fn name_of(folder: &Path) -> Result<AppName, Failure> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    AppName::parse(&name).map_err(|error| {
        Failure::usage("the folder's name is no app's name")
            .cause(error)
            .hint("give the app's name: --app NAME")
    })
}

/// A local folder, by its full path.
#[derive(Debug, Clone)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// The path inside the folder; a path that leads out of it is none. Links are not followed, as
    /// in a commit.
    fn inside(&self, path: &str) -> Option<PathBuf> {
        let mut full = self.0.clone();
        for part in Path::new(path).components() {
            match part {
                Component::Normal(name) => full.push(name),
                Component::CurDir => {}
                _ => return None,
            }
            full.symlink_metadata()
                .ok()
                .filter(|found| !found.is_symlink())?;
        }
        Some(full)
    }
}

impl Repository for Folder {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.inside(path).filter(|path| path.is_file())?).ok()
    }

    fn is_file(&self, path: &str) -> bool {
        self.inside(path).is_some_and(|path| path.is_file())
    }

    fn is_dir(&self, path: &str) -> bool {
        self.inside(path).is_some_and(|path| path.is_dir())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_folder_is_read() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("app");
        std::fs::create_dir_all(root.join("web")).unwrap();
        std::fs::write(outer.path().join("secret"), "geheim").unwrap();
        std::fs::write(root.join("web/Dockerfile"), "FROM x").unwrap();
        std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
        std::os::unix::fs::symlink("..", root.join("up")).unwrap();
        let folder = Folder(root);
        assert_eq!(folder.read("web/Dockerfile").unwrap(), b"FROM x");
        assert!(folder.is_dir("web") && folder.is_dir("") && !folder.is_file("web"));
        for path in [
            "../secret",
            "/etc/passwd",
            "link",
            "up/secret",
            "web/../../secret",
        ] {
            assert_eq!(folder.read(path), None, "{path}");
            assert!(!folder.is_file(path) && !folder.is_dir(path), "{path}");
        }
    }

    #[test]
    fn a_folder_with_another_name_needs_the_apps() {
        let failure = name_of(Path::new("/home/me/My.Shop")).unwrap_err();
        assert!(failure.hint.unwrap().contains("--app"));
        assert_eq!(
            name_of(Path::new("/home/me/my_shop")).unwrap().as_ref(),
            "my-shop"
        );
    }
}

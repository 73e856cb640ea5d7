//! Where the apps' repositories are, and what the platform reads of them.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use git2::{Oid, Repository};
use iterapp_schema::AppName;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{program, tree::CommitTree};

/// How long a fetch waits for another one of the same repository.
const LOCK_DEADLINE: Duration = Duration::from_secs(180);

/// The folder of bare repositories.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    max_pack_bytes: u64,
}

/// A commit as people are told about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// 40 hex digits.
    pub id: String,
    /// First line of the message.
    pub subject: String,
}

impl Store {
    /// Opens the store below `data_dir`, making its folders and the hook.
    ///
    /// # Errors
    /// When the folders cannot be written.
    pub fn open(data_dir: &Path, max_pack_bytes: u64) -> anyhow::Result<Store> {
        let store = Store {
            root: data_dir.to_owned(),
            max_pack_bytes,
        };
        std::fs::create_dir_all(data_dir.join("git"))
            .with_context(|| format!("making {}", data_dir.display()))?;
        store.write_hook()?;
        Ok(store)
    }

    /// One app's repository.
    pub fn path(&self, app: &AppName) -> PathBuf {
        self.root.join("git").join(format!("{app}.git"))
    }

    /// Git calls the hooks in this folder; the one there calls this program.
    fn write_hook(&self) -> anyhow::Result<()> {
        let folder = self.root.join("hooks");
        std::fs::create_dir_all(&folder)?;
        let hook = folder.join("post-receive");
        let fresh = folder.join(format!(".post-receive.{}", Uuid::now_v7()));
        // The program's path comes by the environment: it may be another one after an upgrade.
        std::fs::write(&fresh, "#!/bin/sh\nexec \"$HOPS_PROGRAM\" git-hook\n")?;
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o755))?;
        std::fs::rename(&fresh, &hook).context("writing the hook")
    }

    /// Makes an app's repository, or brings its settings up to date.
    ///
    /// # Errors
    /// When git fails.
    pub async fn create(&self, app: &AppName) -> anyhow::Result<()> {
        let path = self.path(app);
        program::init_bare(&path).await?;
        let hooks = self.root.join("hooks");
        let limit = i64::try_from(self.max_pack_bytes).unwrap_or(i64::MAX);
        tokio::task::spawn_blocking(move || configure(&path, &hooks, limit)).await?
    }

    /// Reads with `git2` on a thread where blocking is fine.
    ///
    /// # Errors
    /// Those of `read`, or when there is no repository.
    pub async fn read<T, F>(&self, app: &AppName, read: F) -> anyhow::Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Repository) -> anyhow::Result<T> + Send + 'static,
    {
        let path = self.path(app);
        tokio::task::spawn_blocking(move || read(&Repository::open_bare(&path)?)).await?
    }

    /// The files of a commit.
    ///
    /// # Errors
    /// When the commit is not there.
    pub async fn tree(&self, app: &AppName, commit: &str) -> anyhow::Result<CommitTree> {
        let (path, commit) = (self.path(app), commit.to_owned());
        tokio::task::spawn_blocking(move || CommitTree::open(&path, &commit)).await?
    }

    /// Keeps a commit from being collected as garbage, whatever becomes of its branch.
    ///
    /// # Errors
    /// When the commit is not there.
    pub async fn pin(&self, app: &AppName, release: Uuid, commit: &str) -> anyhow::Result<()> {
        let commit = Oid::from_str(commit)?;
        self.read(app, move |repository| {
            repository.reference(
                &format!("refs/hops/releases/{release}"),
                commit,
                true,
                "released",
            )?;
            Ok(())
        })
        .await
    }

    /// Waits until no other process of the platform changes the repository's refs by a fetch, and
    /// keeps others from it until the lock is dropped.
    ///
    /// # Errors
    /// When the other one does not end.
    pub async fn lock(&self, app: &AppName) -> anyhow::Result<FetchLock> {
        let file = std::fs::File::create(self.path(app).join("hops.lock"))?;
        let deadline = Instant::now() + LOCK_DEADLINE;
        while file.try_lock().is_err() {
            if Instant::now() > deadline {
                bail!("another fetch of {app} does not end");
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(FetchLock { _file: file })
    }
}

/// Proof that no other fetch of the same repository goes on. A process that dies lets go of it.
pub struct FetchLock {
    _file: std::fs::File,
}

fn configure(path: &Path, hooks: &Path, max_pack_bytes: i64) -> anyhow::Result<()> {
    let mut config = Repository::open_bare(path)?
        .config()?
        .open_level(git2::ConfigLevel::Local)?;
    config.set_str(
        "core.hooksPath",
        hooks
            .to_str()
            .context("the data folder's name is not text")?,
    )?;
    config.set_bool("http.receivepack", true)?;
    config.set_bool("transfer.fsckObjects", true)?;
    config.set_bool("receive.autogc", true)?;
    config.set_i64("receive.maxInputSize", max_pack_bytes)?;
    // Released commits are pinned below refs/hops: nobody's business but the platform's.
    config.set_str("transfer.hideRefs", "refs/hops")?;
    // A push ends with the hook's words; a gc that follows must not keep the pusher waiting.
    config.set_bool("gc.autoDetach", true)?;
    config.set_bool("uploadpack.allowFilter", true)?;
    Ok(())
}

/// The branch's tip, if there is such a branch.
///
/// # Errors
/// When the repository cannot be read.
pub fn branch_tip(repository: &Repository, branch: &str) -> anyhow::Result<Option<CommitInfo>> {
    match repository.find_reference(&format!("refs/heads/{branch}")) {
        Ok(reference) => Ok(Some(describe(&reference.peel_to_commit()?))),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The branch that `HEAD` names, if it exists.
///
/// # Errors
/// When the repository cannot be read.
pub fn head_branch(repository: &Repository) -> anyhow::Result<Option<String>> {
    let head = repository.find_reference("HEAD")?;
    let Some(target) = head.symbolic_target()? else {
        return Ok(None);
    };
    let branch = target
        .strip_prefix("refs/heads/")
        .unwrap_or(target)
        .to_owned();
    Ok(branch_tip(repository, &branch)?.map(|_| branch))
}

/// Branches by name.
///
/// # Errors
/// When the repository cannot be read.
pub fn branches(repository: &Repository) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for reference in repository.references_glob("refs/heads/*")? {
        if let Some(branch) = reference?
            .name()
            .ok()
            .and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned))
        {
            names.push(branch);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The commit that a branch, a tag or an id (also shortened) stands for. Branches come first, then
/// tags, then ids; other notations of git are not understood, and hidden refs are not seen.
///
/// # Errors
/// When the repository cannot be read.
pub fn resolve(repository: &Repository, reference: &str) -> anyhow::Result<Option<CommitInfo>> {
    let short = reference.strip_prefix("refs/heads/").unwrap_or(reference);
    if let Some(tip) = branch_tip(repository, short).unwrap_or(None) {
        return Ok(Some(tip));
    }
    let tag = reference.strip_prefix("refs/tags/").unwrap_or(reference);
    if let Ok(tag) = repository.find_reference(&format!("refs/tags/{tag}")) {
        return Ok(tag.peel_to_commit().ok().map(|commit| describe(&commit)));
    }
    if !(7..=40).contains(&reference.len())
        || !reference.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return Ok(None);
    }
    let found = repository.find_commit_by_prefix(&reference.to_ascii_lowercase());
    Ok(found.ok().map(|commit| describe(&commit)))
}

fn describe(commit: &git2::Commit<'_>) -> CommitInfo {
    let subject = commit.summary().ok().flatten().unwrap_or_default();
    CommitInfo {
        id: commit.id().to_string(),
        subject: subject.chars().take(200).collect(),
    }
}

//! What a whole run keeps of all that the platforms write, to be searched for secrets when it is over: see
//! `tests/scan`. Nothing is kept when tests are run without it.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// Where; `tests/run` says so.
fn folder() -> Option<PathBuf> {
    std::env::var_os("HOPS_TEST_RECORD").map(PathBuf::from)
}

/// Whether anything is kept.
pub(crate) fn is_on() -> bool {
    folder().is_some()
}

/// From here on this text must stand nowhere but where secrets stand.
pub fn is_secret(text: &str) {
    append("secrets", &quoted(text));
}

/// This is no secret, and will stand in every place that is searched: so the search is one.
pub(crate) fn is_canary(text: &str) {
    append("canaries", &quoted(text));
}

/// A log that is written, and a folder of repositories: looked at where they are.
pub(crate) fn is_at(log: &Path, repositories: &Path) {
    append("logs", &quoted(&log.display().to_string()));
    append("repositories", &quoted(&repositories.display().to_string()));
}

/// Keeps what stands in a place, beside what was kept of it before.
pub(crate) fn keep(place: &str, content: &[u8]) {
    append(&format!("kept/{place}"), content);
}

/// Keeps a folder of repositories that is about to be deleted.
pub(crate) fn keep_folder(repositories: &Path) {
    let Some(folder) = folder() else { return };
    let kept = folder.join("kept/repositories");
    let made = fs::create_dir_all(&kept);
    let copied = Command::new("cp")
        .arg("-r")
        .arg(repositories)
        .arg(&kept)
        .status();
    assert!(
        made.is_ok() && copied.is_ok_and(|status| status.success()),
        "keeping repositories"
    );
}

fn quoted(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).expect("a text as JSON")
}

fn append(name: &str, content: &[u8]) {
    let Some(folder) = folder() else { return };
    let file = folder.join(name);
    fs::create_dir_all(file.parent().expect("its folder")).expect("a folder for what is kept");
    // One write, so that two tests' do not mix.
    let content = [content, b"\n"].concat();
    let file = OpenOptions::new().create(true).append(true).open(file);
    let written = file.and_then(|mut file| file.write_all(&content));
    written.expect("keeping what the platform wrote");
}

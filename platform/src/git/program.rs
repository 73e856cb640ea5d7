//! The `git` program, cut off from whatever the machine's users have configured.

use std::{ffi::OsStr, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use tokio::{process::Command, time::timeout};

/// What is kept of the platform's own environment: where programs are, and whom TLS trusts.
const KEPT: [&str; 5] = [
    "PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "TMPDIR",
];

/// A `git` command that asks nobody anything, reads no configuration but the repository's and
/// dies with the future that waits for it.
pub fn git<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new("git");
    command.env_clear();
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C")
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Adds configuration by environment variables, which other users of the machine cannot read,
/// unlike arguments.
pub fn configure(command: &mut Command, settings: &[(&str, &str)]) {
    command.env("GIT_CONFIG_COUNT", settings.len().to_string());
    for (index, (key, value)) in settings.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{index}"), key);
        command.env(format!("GIT_CONFIG_VALUE_{index}"), value);
    }
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// When it cannot be started, takes longer than `deadline` (it is killed then), or fails; the
/// error's text is git's own last words.
pub async fn output(mut command: Command, deadline: Duration) -> anyhow::Result<String> {
    let output = timeout(deadline, command.output())
        .await
        .map_err(|_| anyhow::anyhow!("git took longer than {} s", deadline.as_secs()))?
        .context("git cannot be started")?;
    if !output.status.success() {
        bail!("{}", last_words(&String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Initialises a bare repository; harmless where there is one.
///
/// # Errors
/// When git fails.
pub async fn init_bare(path: &Path) -> anyhow::Result<()> {
    let mut command = git([
        "init",
        "--quiet",
        "--bare",
        "--template=",
        "--initial-branch=main",
        "--",
    ]);
    command.arg(path);
    output(command, Duration::from_secs(20)).await.map(drop)
}

/// The last few lines of what git said, which hold the reason.
fn last_words(stderr: &str) -> String {
    let lines: Vec<&str> = stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let told = lines[lines.len().saturating_sub(4)..].join("; ");
    if told.is_empty() {
        "git failed without a word".to_owned()
    } else {
        told
    }
}

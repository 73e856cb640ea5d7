//! The command line `hops`, run as people run it: a process with an environment and a folder.

use std::{path::Path, process::Stdio};

use serde_json::Value;
use tokio::process::Command;

use crate::{Platform, record, setting};

/// `hops` for one user: nothing of the machine's own configuration reaches it.
pub struct Hops {
    home: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// What came of a command.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The exit code; -1 when it ended by a signal.
    pub code: i32,
    /// What it printed.
    pub out: String,
    /// What it said beside that.
    pub err: String,
}

impl Ran {
    /// What it printed, as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Wants the exit code 0.
    ///
    /// # Panics
    /// When it is another one.
    pub fn ok(self) -> Ran {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }
}

impl Hops {
    /// A user who has been told nothing yet.
    pub fn stranger() -> Hops {
        Hops {
            home: tempfile::tempdir().expect("a folder"),
            variables: Vec::new(),
        }
    }

    /// A user of a platform.
    pub fn of(platform: &Platform) -> Hops {
        Hops::stranger()
            .with("HOPS_URL", &platform.url)
            .with("HOPS_TOKEN", &platform.token)
    }

    /// The same with one more variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Hops {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The user's home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs a command in the user's home.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        self.run_in(self.home(), arguments, "").await
    }

    /// Runs a command in a folder, with something to read.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn run_in(&self, folder: &Path, arguments: &[&str], input: &str) -> Ran {
        use tokio::io::AsyncWriteExt;
        let mut child = self.command(folder, arguments).spawn().expect("hops");
        let mut stdin = child.stdin.take().expect("its input");
        // It may not want any.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await.expect("its output");
        record::keep("answers", &[&output.stdout[..], &output.stderr].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Starts a command in a process group of its own, for sending it what a terminal sends.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&self, arguments: &[&str]) -> tokio::process::Child {
        let mut command = self.command(self.home(), arguments);
        command.process_group(0).spawn().expect("hops")
    }

    fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(setting("HOPS_PROGRAM_CLI"));
        command
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .env("PATH", setting("PATH"))
            .env("HOME", self.home())
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

//! Git repositories made on the spot.

use std::{path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::{record, server_image, want_base_image};

/// A work folder with a repository.
pub struct Repo {
    folder: tempfile::TempDir,
}

/// What became of a `git push`, or another exchange with the platform.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// Whether git was content.
    pub ok: bool,
    /// What git showed, `remote:` lines among it.
    pub output: String,
    /// What git printed as its result.
    pub printed: String,
}

impl Pushed {
    async fn of(mut command: Command) -> Pushed {
        let output = command.output().await.expect("git");
        record::keep("answers", &output.stderr);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Pushed {
            ok: output.status.success(),
            output: text(&output.stderr),
            printed: text(&output.stdout),
        }
    }

    /// The platform's words: the `remote:` lines without that word.
    pub fn remote(&self) -> String {
        let lines = self
            .output
            .lines()
            .filter_map(|line| line.strip_prefix("remote:"));
        lines
            .map(|line| line.trim_end().strip_prefix(' ').unwrap_or(line.trim_end()))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Repo {
    /// An empty repository on branch `main`.
    ///
    /// # Panics
    /// When git is not there.
    pub async fn empty() -> Repo {
        let repo = Repo {
            folder: tempfile::tempdir().expect("a folder"),
        };
        repo.git(&["init", "--quiet", "--initial-branch=main"])
            .await;
        repo
    }

    /// One appling with the tests' server: `message` is what it answers, `iterapp` its file.
    pub async fn server(message: &str, iterapp: &str) -> Repo {
        let repo = Repo::empty().await;
        repo.write("Dockerfile", &dockerfile("message"));
        repo.write("message", message);
        repo.write("iterapp.toml", iterapp);
        repo.commit(message).await;
        repo
    }

    /// With the files of a sample below `tests/apps`, committed.
    ///
    /// # Panics
    /// When there is no such sample.
    pub async fn sample(name: &str) -> Repo {
        let repo = Repo::empty().await;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("apps")
            .join(name);
        copy(&root, repo.path());
        repo.commit(name).await;
        repo
    }

    /// One of the drivers of the sample `databases` by itself, in a file with these lines too.
    ///
    /// # Panics
    /// When there is no such driver.
    pub async fn driver(name: &str, lines: &str) -> Repo {
        want_base_image("debian").await;
        let repo = Repo::sample("databases").await;
        for folder in ["libpq", "node", "python"] {
            repo.delete(&format!("{folder}/iterapp.toml"));
        }
        let iterapp = format!(
            "port = 3000\nreplicas = 1\nreadiness_path = \"/health\"\n{lines}\n[build]\ndockerfile = \"{name}/Dockerfile\"\n"
        );
        repo.write("iterapp.toml", &iterapp);
        repo.commit("one").await;
        repo
    }

    /// Writes a file.
    ///
    /// # Panics
    /// When it cannot.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a folder"))
            .expect("making a folder");
        std::fs::write(path, text).expect("writing a file");
    }

    /// Deletes a file or folder.
    ///
    /// # Panics
    /// When it cannot.
    pub fn delete(&self, path: &str) {
        let path = self.path().join(path);
        let gone = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        gone.expect("deleting");
    }

    /// The work folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Commits everything and returns the commit's id.
    pub async fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]).await;
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message])
            .await;
        self.git(&["rev-parse", "HEAD"]).await.trim().to_owned()
    }

    /// Changes what the server answers, and commits.
    pub async fn change(&self, message: &str) -> String {
        self.write("message", message);
        self.commit(message).await
    }

    /// Runs git in the work folder and returns what it printed.
    ///
    /// # Panics
    /// When git fails.
    pub async fn git(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().await.expect("git");
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `git push` to an address with a token as password.
    ///
    /// # Panics
    /// When git cannot be started.
    pub async fn push(&self, url: &str, token: &str, refs: &[&str]) -> Pushed {
        Pushed::of(self.push_command(url, token, refs)).await
    }

    /// `git push` that is ended by Ctrl-C once it has shown a line that contains `until`.
    ///
    /// # Panics
    /// When git ends without having shown it.
    pub async fn push_and_interrupt(
        &self,
        url: &str,
        token: &str,
        refs: &[&str],
        until: &str,
    ) -> String {
        let mut child = self
            .push_command(url, token, refs)
            .stderr(Stdio::piped())
            // A terminal sends Ctrl-C to all processes of the group: git has several.
            .process_group(0)
            .spawn()
            .expect("git push");
        let group = format!("-{}", child.id().expect("its id"));
        let mut lines = BufReader::new(child.stderr.take().expect("its words")).lines();
        let mut output = String::new();
        while let Some(line) = lines.next_line().await.expect("git's words") {
            output.push_str(&line);
            output.push('\n');
            if line.contains(until) {
                let sent = Command::new("kill").args(["-INT", "--", &group]).status();
                assert!(sent.await.expect("kill").success());
                let ended = child.wait().await.expect("git's end");
                assert!(!ended.success(), "git was done before Ctrl-C");
                return output;
            }
        }
        panic!("git ended before it said {until:?}:\n{output}")
    }

    fn push_command(&self, url: &str, token: &str, refs: &[&str]) -> Command {
        let mut command = self.with_token(&["push", "--no-progress", url], token);
        command.args(refs);
        command
    }

    /// Runs git with a token as password; git's own words, whether it was content or not.
    ///
    /// # Panics
    /// When git cannot be started.
    pub async fn git_with_token(&self, arguments: &[&str], token: &str) -> Pushed {
        Pushed::of(self.with_token(arguments, token)).await
    }

    /// The same, and git shows its HTTP requests.
    ///
    /// # Panics
    /// When git cannot be started.
    pub async fn git_traced(&self, arguments: &[&str], token: &str) -> Pushed {
        let mut command = self.with_token(arguments, token);
        command
            .env("GIT_TRACE_CURL", "1")
            .env("GIT_TRACE_CURL_NO_DATA", "1");
        Pushed::of(command).await
    }

    fn with_token(&self, arguments: &[&str], token: &str) -> Command {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let mut command = self.command(arguments);
        let header = format!(
            "Authorization: Basic {}",
            STANDARD.encode(format!("x:{token}"))
        );
        command
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "http.extraHeader")
            .env("GIT_CONFIG_VALUE_0", header);
        command.kill_on_drop(true);
        command
    }

    fn command(&self, arguments: &[&str]) -> Command {
        // Tests that run in the background of a script ignore Ctrl-C, and git would inherit that.
        let mut command = Command::new("env");
        command
            .args(["--default-signal=INT", "git"])
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(Stdio::null());
        for (name, value) in [("NAME", "Test"), ("EMAIL", "test@example.test")] {
            command
                .env(format!("GIT_AUTHOR_{name}"), value)
                .env(format!("GIT_COMMITTER_{name}"), value);
        }
        command
    }
}

/// A Dockerfile of the tests' server that answers with the content of a file of the repository.
pub fn dockerfile(message: &str) -> String {
    format!("FROM {}\nCOPY {message} /message\n", server_image())
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder of a sample") {
        let entry = entry.expect("an entry of it");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&to).expect("a folder of the repository");
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("a file of the repository");
        }
    }
}

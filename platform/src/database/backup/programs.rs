//! `pg_dump` and `pg_restore`, of the Postgres that is installed where the platform runs: at least as new
//! as the servers.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    time::timeout,
};

use crate::database::servers::{Account, Server};

/// How long a dump or a restore may take.
pub const DEADLINE: Duration = Duration::from_secs(6 * 60 * 60);
/// How much of what a program complains about is kept.
const MOST_WORDS: u64 = 4_096;

/// A dump that runs: read [`Dump::output`] to its end, then [`Dump::end`].
pub struct Dump {
    child: Child,
    words: tokio::task::JoinHandle<String>,
}

impl Dump {
    /// Starts to dump a database as one of its own logins, in a snapshot that a transaction has exported.
    ///
    /// # Errors
    /// When there is no `pg_dump`.
    pub fn start(
        server: &Server,
        who: &Account,
        database: &str,
        snapshot: &str,
    ) -> anyhow::Result<(Dump, impl AsyncRead + Unpin + use<>)> {
        let mut command = program("pg_dump", server, who, database);
        command
            .arg("--format=custom")
            .arg(format!("--snapshot={snapshot}"))
            // Behind a migration that waits for our own snapshot it would wait for ever.
            .arg("--lock-wait-timeout=10s")
            .arg("--no-password");
        let mut child = command.spawn().context("pg_dump cannot be started")?;
        let output = child.stdout.take().context("pg_dump has no output")?;
        let words = words_of(&mut child);
        Ok((Dump { child, words }, output))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// With its words, when it failed.
    pub async fn end(self) -> anyhow::Result<()> {
        end("pg_dump", self.child, self.words).await
    }
}

/// Restores a dump into an empty database, all of it its owner's.
///
/// # Errors
/// With the program's words, when the dump is damaged or the server refuses.
pub async fn restore(
    server: &Server,
    who: &Account,
    database: &str,
    dump: &Path,
) -> anyhow::Result<()> {
    let mut command = program("pg_restore", server, who, database);
    command
        .args(["--exit-on-error", "--no-owner", "--no-acl", "--no-password"])
        .arg(format!("--dbname={database}"))
        .arg(dump);
    let mut child = command.spawn().context("pg_restore cannot be started")?;
    let words = words_of(&mut child);
    end("pg_restore", child, words).await
}

/// A program that is told by its environment where the server is and who to be there: its arguments
/// everybody on the machine can read.
fn program(name: &str, server: &Server, who: &Account, database: &str) -> Command {
    let mut command = Command::new(name);
    command
        .env_remove("PGSERVICE")
        // Its words are looked at.
        .env("LC_ALL", "C")
        .env("PGDATABASE", database)
        .envs(server.variables(who))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn words_of(child: &mut Child) -> tokio::task::JoinHandle<String> {
    let errors = child.stderr.take();
    tokio::spawn(async move {
        let mut words = Vec::new();
        if let Some(errors) = errors {
            let mut first = errors.take(MOST_WORDS);
            let _ = first.read_to_end(&mut words).await;
            // The rest must be read, or the program would wait for ever.
            let _ = tokio::io::copy(&mut first.into_inner(), &mut tokio::io::sink()).await;
        }
        String::from_utf8_lossy(&words).trim().to_owned()
    })
}

async fn end(
    name: &str,
    mut child: Child,
    words: tokio::task::JoinHandle<String>,
) -> anyhow::Result<()> {
    let ended = timeout(DEADLINE, child.wait()).await;
    let status = ended.with_context(|| format!("{name} takes too long"))??;
    if status.success() {
        return Ok(());
    }
    let words = words.await.unwrap_or_default();
    bail!("{name} failed: {}", without_rows(&words))
}

/// What Postgres says of a mistake goes on with where it stands, which may show a row: PostgreSQL, Reporting
/// Errors and Messages.
fn without_rows(words: &str) -> String {
    let shows_data = |line: &&str| {
        let start = [
            "CONTEXT:",
            "DETAIL:",
            "Command was:",
            "QUERY:",
            "STATEMENT:",
        ];
        start.iter().any(|start| line.contains(start))
    };
    let lines = words.lines().take_while(|line| !shows_data(line));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_not_told() {
        let said = "pg_restore: error: COPY failed for table \"users\": ERROR:  invalid input";
        let all = format!("{said}\nCONTEXT:  COPY users, line 1: \"geheim\"\nmore");
        assert_eq!(without_rows(&all), said);
        assert_eq!(without_rows(said), said);
    }
}

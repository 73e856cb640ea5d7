//! Whole commands against a model of the platform behind real HTTP.

mod commands;
mod diff;
mod errors;
mod help;
mod offline;
mod platform;
mod waiting;

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use clap::Parser;
use jiff::Timestamp;

use super::{Cli, Context, Ui, run};

const TOKEN: &str = "hops_t0p-s3cret";

/// What a command said, and its exit code.
#[derive(Debug)]
struct Said {
    exit: u8,
    out: String,
    err: String,
}

/// The surroundings of a command.
struct Shell {
    vars: HashMap<String, String>,
    folder: PathBuf,
    home: tempfile::TempDir,
}

impl Shell {
    /// A shell whose platform is at this address.
    fn at(url: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut shell = Self {
            vars: HashMap::new(),
            folder: home.path().to_owned(),
            home,
        };
        shell.set("HOME", &shell.home.path().display().to_string());
        shell.set("HOPS_URL", url);
        shell.set("HOPS_TOKEN", TOKEN);
        shell
    }

    fn set(&mut self, name: &str, value: &str) {
        self.vars.insert(name.to_owned(), value.to_owned());
    }

    /// Runs `hops` with these words; whatever it says, the token is not in it.
    async fn hops(&self, words: &str) -> Said {
        let said = self.run(words).await;
        assert!(!format!("{said:?}").contains(TOKEN), "{said:?}");
        said
    }

    async fn run(&self, words: &str) -> Said {
        let words = std::iter::once("hops").chain(words.split_whitespace());
        let cli = match Cli::try_parse_from(words) {
            Ok(cli) => cli,
            Err(error) => {
                let exit = u8::try_from(error.exit_code()).unwrap();
                return Said {
                    exit,
                    out: String::new(),
                    err: error.to_string(),
                };
            }
        };
        let (out, err) = (Buffer::default(), Buffer::default());
        let vars = self.vars.clone();
        let mut context = Context {
            ui: Ui::new(
                cli.json,
                Box::new(out.clone()),
                Box::new(err.clone()),
                clock,
            ),
            vars: Box::new(move |name| vars.get(name).cloned()),
            folder: self.folder.clone(),
        };
        let ended = run(cli, &mut context).await;
        let exit = ended.err().map_or(0, |failure| {
            context.ui.failure(&failure);
            failure.exit.code()
        });
        Said {
            exit,
            out: out.text(),
            err: err.text(),
        }
    }
}

fn clock() -> Timestamp {
    "2026-11-21T14:00:00Z".parse().unwrap()
}

/// A stream to look at afterwards.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    /// What was written, without colours.
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap().clone();
        anstream::adapter::strip_str(&String::from_utf8(bytes).unwrap()).to_string()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

//! `hops init`: a first `iterapp.toml`, from what is in the repository.

mod dockerfile;
mod files;
mod find;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use iterapp_schema::{FILE_NAME, Overlay, Repository, assemble, render};
use serde::Serialize;

use super::failure::Failure;
use super::local::{Folder, Local, LocalArguments};
use super::table::Table;
use super::ui::Ui;
use super::{Context, harmless};
use dockerfile::Exposed;
use find::{Found, OTHER_NAMES};

/// Write a first iterapp.toml, from the Dockerfiles that are there
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Looks for Dockerfiles: one in the root is the app's only appling; without it, each folder that
has one becomes an appling with a file of its own. The port is what EXPOSE says. Nothing that
is there is overwritten. Exit codes: 0 written, 1 not (there is an iterapp.toml already, or no
Dockerfile), 2 wrong usage.

Examples:
  hops init
  hops init ../shop
  hops init --json | jq -r '.written[]' | xargs git add")]
pub struct Init {
    #[command(flatten)]
    local: LocalArguments,
}

/// What was found and done, for programs.
#[derive(Serialize)]
struct Report {
    app: String,
    found: Vec<Found>,
    written: Vec<String>,
    /// Files that were there already.
    kept: Vec<String>,
}

impl Init {
    /// Writes the files that are missing.
    pub fn run(self, context: &mut Context) -> Result<(), Failure> {
        let Local { app, folder } = self.local.find(context)?;
        if folder.0.join(FILE_NAME).symlink_metadata().is_ok() {
            return Err(exists());
        }
        let found = find::dockerfiles(&folder.0);
        let applings = find::applings(&found);
        if applings.is_empty() {
            return Err(nothing_to_build(&folder));
        }
        let files = files::files(&applings, &found);
        let (kept, new) = files
            .into_iter()
            .partition::<Vec<_>, _>(|(path, _)| folder.is_file(path));
        let overlay = Overlay {
            texts: new.iter().cloned().collect(),
            repository: &folder,
        };
        let assembled = assemble(&app, &overlay);
        if assembled.iterapp.is_none() {
            let told = render::plain(&assembled.diagnostics, &assembled.sources);
            return Err(would_be_wrong(&told));
        }
        for (path, text) in &new {
            write(&folder.0.join(path), text).map_err(|failure| failure.cause(path))?;
        }
        let paths =
            |files: Vec<(String, String)>| files.into_iter().map(|(path, _)| path).collect();
        let report = Report {
            app: app.to_string(),
            written: paths(new),
            kept: paths(kept),
            found,
        };
        tell(&mut context.ui, &report)
    }
}

/// Writes a file that is not there yet; one that has come meanwhile stays.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(),
        _ => Failure::failed("not_written", "a file could not be written").cause(error),
    })
}

fn tell(ui: &mut Ui, report: &Report) -> Result<(), Failure> {
    if ui.is_json() {
        return ui.json(report);
    }
    let Report {
        app,
        found,
        written,
        kept,
    } = report;
    let mut table = Table::new(["FOUND", "EXPOSE"]);
    for found in found {
        table.row([
            found.dockerfile().into(),
            match &found.exposed {
                Exposed { port: None, .. } => "none".into(),
                Exposed {
                    port: Some(port),
                    others,
                } => std::iter::once(port)
                    .chain(others)
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" ")
                    .into(),
            },
        ]);
    }
    ui.text(&table.render())?;
    ui.line("")?;
    for path in kept {
        ui.line(format_args!(
            "kept {}, which was there",
            harmless::text(path)
        ))?;
    }
    for path in written {
        ui.line(format_args!("wrote {}", harmless::text(path)))?;
    }
    ui.hint(format_args!(
        "look it over, commit it, and: hops apps create {app}, hops check, git push"
    ));
    Ok(())
}

fn exists() -> Failure {
    Failure::failed(
        "exists",
        "there is an iterapp.toml already, and it stays as it is",
    )
    .hint("hops check reads it for mistakes")
}

fn nothing_to_build(folder: &Folder) -> Failure {
    let failure = Failure::failed(
        "no_dockerfile",
        "there is no Dockerfile, in the root or in a folder, so there is nothing to build",
    );
    match OTHER_NAMES.iter().find(|name| folder.is_file(name)) {
        Some(other) => failure.hint(format!("rename {other} to Dockerfile, and try again")),
        None => failure.hint(
            "write a Dockerfile whose program answers HTTP, and try again; paths in it begin at\nthe repository's root, also in a folder's Dockerfile",
        ),
    }
}

fn would_be_wrong(told: &str) -> Failure {
    let failure = Failure::failed(
        "mistakes",
        "what was found does not make an app, so nothing was written",
    );
    told.lines()
        .fold(failure, |failure, line| failure.cause(line))
        .hint("write iterapp.toml by hand; hops check says what is wrong with it")
}

//! `hops check`: what the platform would say about `iterapp.toml`, offline.

pub mod fix;

use std::path::Path;

use clap::ValueEnum;
use iterapp_schema::{
    AppName, Assembled, Diagnostic, Iterapp, Scale, assemble, line_column, render,
};
use serde::Serialize;

use super::failure::Failure;
use super::local::{Local, LocalArguments};
use super::style::{ADVICE, GOOD, paint};
use super::table::Table;
use super::ui::Ui;
use super::{Context, harmless};
use fix::Mended;

/// Read iterapp.toml for mistakes, without asking the platform
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads the folder as it is, committed or not. `github` prints workflow commands, which GitHub
shows beside the lines they are about; `markdown` prints a comment for a pull request, or
nothing where there is nothing to say. --fix makes the changes that are certain (a name that can
only have been meant one way), and then says what is left. Exit codes: 0 fine, 1 mistakes,
2 wrong usage.

Examples:
  hops check
  hops check ../hello
  hops check --fix
  hops check --json | jq '.diagnostics[].message'
  hops check --format github                   in a workflow's step
  hops check --format markdown > comment.md || gh pr comment --body-file comment.md")]
pub struct Check {
    #[command(flatten)]
    local: LocalArguments,
    /// For whom: `json` is the same as --json
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Mend in the files what can be mended for certain
    #[arg(long)]
    fix: bool,
}

/// For whom the mistakes are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
    Github,
    Markdown,
}

impl Check {
    /// Prints all mistakes of all files.
    pub fn run(self, context: &mut Context) -> Result<(), Failure> {
        let format = match (self.format, context.ui.is_json()) {
            (None | Some(Format::Json), true) => Format::Json,
            (Some(_), true) => return Err(Failure::usage("--json is another format")),
            (format, false) => format.unwrap_or(Format::Human),
        };
        let Local { app, folder } = self.local.find(context)?;
        let mended = self.fix.then(|| fix::fix(&app, &folder)).transpose()?;
        if format != Format::Json {
            tell_mended(&mut context.ui, mended.as_deref().unwrap_or_default());
        }
        let assembled = assemble(&app, &folder);
        match format {
            Format::Human => human(&mut context.ui, &app, &assembled)?,
            Format::Json => context.ui.json(&report(&app, &assembled, mended))?,
            Format::Github => {
                let place = in_checkout(&folder.0, context);
                github(&mut context.ui, &app, &assembled, &place)?;
            }
            Format::Markdown => markdown(&mut context.ui, &app, &assembled)?,
        }
        verdict(&assembled)
    }
}

/// The result for programs.
#[derive(Serialize)]
struct Report<'a> {
    app: &'a AppName,
    ok: bool,
    /// What --fix has mended.
    #[serde(skip_serializing_if = "Option::is_none")]
    mended: Option<Vec<Mended>>,
    diagnostics: Vec<Placed<'a>>,
}

/// A diagnostic, and where editors put the cursor.
#[derive(Serialize)]
struct Placed<'a> {
    #[serde(flatten)]
    diagnostic: &'a Diagnostic,
    line: Option<usize>,
    column: Option<usize>,
}

fn report<'a>(
    app: &'a AppName,
    assembled: &'a Assembled,
    mended: Option<Vec<Mended>>,
) -> Report<'a> {
    let place = |diagnostic| placed(diagnostic, assembled);
    Report {
        app,
        ok: errors(assembled) == 0,
        mended,
        diagnostics: assembled.diagnostics.iter().map(place).collect(),
    }
}

fn tell_mended(ui: &mut Ui, mended: &[Mended]) {
    for Mended {
        code,
        file,
        message,
    } in mended
    {
        let told = format!("{file}: {code}, {message}");
        ui.note(format_args!(
            "{} {}",
            paint(GOOD, "mended"),
            harmless::text(&told)
        ));
    }
}

fn human(ui: &mut Ui, app: &AppName, assembled: &Assembled) -> Result<(), Failure> {
    let told = render::human(&assembled.diagnostics, &assembled.sources, true);
    for line in told.lines() {
        ui.line(harmless::log_line(line))?;
    }
    if let Some(more) = more(&assembled.diagnostics) {
        ui.line(format_args!("\n{} {more}", paint(ADVICE, "hint:")))?;
    }
    let Some(iterapp) = usable(assembled) else {
        return Ok(());
    };
    if !assembled.diagnostics.is_empty() {
        ui.line("")?;
    }
    ui.line(format_args!("{}\n", fine(app, iterapp)))?;
    ui.text(&applings(iterapp).render())
}

fn github(ui: &mut Ui, app: &AppName, assembled: &Assembled, folder: &str) -> Result<(), Failure> {
    let told = render::github(&assembled.diagnostics, &assembled.sources, folder);
    for line in told.lines() {
        ui.line(harmless::text(line))?;
    }
    match (more(&assembled.diagnostics), usable(assembled)) {
        (Some(more), _) => ui.line(more),
        (None, Some(iterapp)) => ui.line(fine(app, iterapp)),
        (None, None) => Ok(()),
    }
}

fn markdown(ui: &mut Ui, app: &AppName, assembled: &Assembled) -> Result<(), Failure> {
    let comment = render::markdown(&assembled.diagnostics, &assembled.sources);
    for line in comment.lines() {
        ui.line(harmless::log_line(line))?;
    }
    if let Some(more) = more(&assembled.diagnostics) {
        ui.line(format_args!("\n{more}"))?;
    } else if let Some(iterapp) = usable(assembled) {
        ui.note(fine(app, iterapp));
    }
    Ok(())
}

/// Where the codes are explained: that of the first mistake, and the others by name.
fn more(diagnostics: &[Diagnostic]) -> Option<String> {
    let mut codes: Vec<_> = diagnostics.iter().map(|problem| problem.code).collect();
    let first = diagnostics.iter().find(|problem| problem.is_error());
    let first = first.or(diagnostics.first())?.code;
    codes.sort_unstable();
    codes.dedup();
    codes.retain(|code| *code != first);
    let others = codes.iter().map(ToString::to_string).collect::<Vec<_>>();
    let others = match others.as_slice() {
        [] => String::new(),
        others => format!("; there is more on {} too", others.join(", ")),
    };
    Some(format!(
        "`hops explain {first}` tells more, with an example{others}"
    ))
}

/// The repository's place in what GitHub has checked out, or else in the working folder.
fn in_checkout(folder: &Path, context: &Context) -> String {
    let checkout = (context.vars)("GITHUB_WORKSPACE").filter(|path| !path.is_empty());
    let checkout = checkout.map_or_else(|| context.folder.clone(), Into::into);
    let inside = checkout
        .canonicalize()
        .ok()
        .and_then(|checkout| Some(folder.strip_prefix(checkout).ok()?.to_owned()));
    inside.unwrap_or_default().to_string_lossy().into_owned()
}

/// What the files ask for, where none of them has a mistake.
fn usable(assembled: &Assembled) -> Option<&Iterapp> {
    assembled
        .iterapp
        .as_ref()
        .filter(|_| errors(assembled) == 0)
}

fn fine(app: &AppName, iterapp: &Iterapp) -> String {
    let environment = iterapp.default_environment;
    format!(
        "{} {app}: pushes of the default branch go to {environment}",
        paint(GOOD, "fine:")
    )
}

fn applings(iterapp: &Iterapp) -> Table {
    let mut table =
        Table::new(["APPLING", "FOLDER", "PORT", "READY WHEN", "PODS", "DOMAINS"]).indented(2);
    for appling in &iterapp.applings {
        let http = appling.run.http.as_ref();
        let domains = http
            .and_then(|http| http.ingress.as_ref())
            .map(|ingress| &ingress.domains);
        table.row([
            appling.name.to_string().into(),
            format!("{}/", appling.folder)
                .trim_start_matches('/')
                .into(),
            http.map_or("-".into(), |http| http.port.to_string().into()),
            http.map_or("-".into(), |http| {
                format!("GET {}", http.readiness_path).into()
            }),
            pods(&appling.run.scale).into(),
            domains
                .map_or_else(String::new, |domains| domains.join(" "))
                .into(),
        ]);
    }
    table
}

fn pods(scale: &Scale) -> String {
    match scale {
        Scale::Fixed(replicas) => replicas.to_string(),
        Scale::Auto(autoscale) => format!("{} to {}", autoscale.min, autoscale.max),
    }
}

fn placed<'a>(diagnostic: &'a Diagnostic, assembled: &Assembled) -> Placed<'a> {
    let text = assembled.sources.get(&diagnostic.file);
    let place = diagnostic
        .span
        .as_ref()
        .zip(text)
        .map(|(span, text)| line_column(text, span.start));
    let (line, column) = place.unzip();
    Placed {
        diagnostic,
        line,
        column,
    }
}

/// Where there are mistakes, the diagnostics have said everything.
fn verdict(assembled: &Assembled) -> Result<(), Failure> {
    match (errors(assembled), &assembled.iterapp) {
        (0, Some(_)) => Ok(()),
        (0, None) => Err(Failure::failed(
            "unusable",
            "the files cannot be used, for no known reason",
        )),
        _ => Err(Failure::failed("mistakes", "")),
    }
}

fn errors(assembled: &Assembled) -> usize {
    assembled
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .count()
}

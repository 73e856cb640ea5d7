//! `hops check`: what the platform would say about `iterapp.toml`, offline.

use std::path::{Component, Path, PathBuf};

use iterapp_schema::{
    AppName, Assembled, Diagnostic, Iterapp, Repository, Scale, assemble, line_column, render,
};
use serde::Serialize;

use super::failure::Failure;
use super::style::{GOOD, paint};
use super::table::Table;
use super::target::{app_name, from_variable};
use super::ui::Ui;
use super::{Context, harmless};

/// Read iterapp.toml for mistakes, without asking the platform
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads the folder as it is, committed or not. Exit codes: 0 fine, 1 mistakes, 2 wrong usage.

Examples:
  hops check
  hops check ../hello
  hops check --json | jq '.diagnostics[].message'")]
pub struct Check {
    /// The repository's root
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The app's name; else HOPS_APP, else the folder's
    #[arg(short = 'a', long, value_parser = app_name)]
    app: Option<AppName>,
}

impl Check {
    /// Prints all mistakes of all files.
    pub fn run(self, context: &mut Context) -> Result<(), Failure> {
        let folder = context.folder.join(&self.dir);
        let folder = folder
            .canonicalize()
            .map_err(|error| no_folder(&self.dir).cause(error))?;
        if !folder.is_dir() {
            return Err(no_folder(&self.dir).cause("it is a file"));
        }
        let chosen = self
            .app
            .map_or_else(|| from_variable(&*context.vars), |app| Ok(Some(app)))?;
        let app = chosen.map_or_else(|| name_of(&folder), Ok)?;
        let assembled = assemble(&app, &Folder(folder));
        tell(&mut context.ui, &app, &assembled)?;
        verdict(&assembled)
    }
}

/// A local folder, read like a commit's tree.
struct Folder(PathBuf);

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

/// The result for programs.
#[derive(Serialize)]
struct Report<'a> {
    app: &'a AppName,
    ok: bool,
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

fn tell(ui: &mut Ui, app: &AppName, assembled: &Assembled) -> Result<(), Failure> {
    let Assembled {
        iterapp,
        diagnostics,
        sources,
    } = assembled;
    if ui.is_json() {
        let place = |diagnostic| placed(diagnostic, assembled);
        let diagnostics = diagnostics.iter().map(place).collect();
        return ui.json(&Report {
            app,
            ok: errors(assembled) == 0,
            diagnostics,
        });
    }
    let told = render::human(diagnostics, sources, true);
    for line in told.lines() {
        ui.line(harmless::log_line(line))?;
    }
    if !diagnostics.is_empty() && iterapp.is_some() {
        ui.line("")?;
    }
    match iterapp {
        Some(iterapp) if errors(assembled) == 0 => fine(ui, app, iterapp),
        _ => Ok(()),
    }
}

fn fine(ui: &mut Ui, app: &AppName, iterapp: &Iterapp) -> Result<(), Failure> {
    let environment = iterapp.default_environment;
    ui.line(format_args!(
        "{} {app}: pushes of the default branch go to {environment}\n",
        paint(GOOD, "fine:")
    ))?;
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
    ui.text(&table.render())
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

fn no_folder(dir: &Path) -> Failure {
    Failure::usage(format!("{} is no folder", dir.display()))
        .hint("give the folder that holds the root's iterapp.toml")
}

fn name_of(folder: &Path) -> Result<AppName, Failure> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    AppName::parse(&name).map_err(|error| {
        Failure::usage("the folder's name is no app's name")
            .cause(error)
            .hint("give the app's name: hops check --app NAME")
    })
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

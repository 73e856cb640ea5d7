//! From a repository to a model: the files are read one after the other, and then compared.

use crate::appling_file::ApplingFile;
use crate::diagnostic::{Code, Diagnostic};
use crate::file::{Fault, File};
use crate::format::top::{self, Role};
use crate::iterapp::{Appling, Build, Iterapp, Postgres};
use crate::names::{AppName, ApplingName};
use crate::root_file::{Applings, Folder, RootFile};
use crate::source::{Repository, Sources};
use crate::{across, folder, mend, parse, postgres};

/// The name of the root's file and of every appling's.
pub const FILE_NAME: &str = "iterapp.toml";

/// What became of reading an app's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembled {
    /// What the files ask for; nothing when any of them has an error.
    pub iterapp: Option<Iterapp>,
    /// All problems of all files: the root's first, then the applings' as listed, each by position.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that were read.
    pub sources: Sources,
}

/// Reads the root's `iterapp.toml` and then every appling's. Never panics, whatever they contain.
#[must_use]
pub fn assemble(app: &AppName, repository: &dyn Repository) -> Assembled {
    let mut assembled = read(app, repository);
    mend::keep_certain(&mut assembled, repository, |mended| read(app, mended));
    assembled
}

fn read(app: &AppName, repository: &dyn Repository) -> Assembled {
    let mut reading = Reading::of(repository);
    let iterapp = reading.app(app);
    reading.finish(iterapp)
}

/// An appling as its file tells it, with its place in the repository.
pub struct Found {
    /// The path of its file.
    pub file: String,
    /// Its entry in the root file, if it is listed there.
    pub entry: Option<Folder>,
    pub name: ApplingName,
    pub folder: String,
    pub dockerfile: String,
    pub contents: ApplingFile,
}

/// What the root file says.
struct RootRead {
    root: RootFile,
    /// What it says about the root as an appling, if it is one.
    appling: Option<ApplingFile>,
    /// The database that all applings share.
    postgres: Option<Postgres>,
    /// What stands beside those that have none of their own.
    emoji: Option<String>,
}

/// The problems and texts of the files read so far.
pub struct Reading<'r> {
    pub repository: &'r dyn Repository,
    problems: Vec<Diagnostic>,
    sources: Sources,
    /// In the order of reading, which is the order of the problems.
    files: Vec<String>,
}

impl<'r> Reading<'r> {
    fn of(repository: &'r dyn Repository) -> Self {
        let files = vec![FILE_NAME.to_owned()];
        Self {
            repository,
            problems: Vec::new(),
            sources: Sources::default(),
            files,
        }
    }

    fn app(&mut self, app: &AppName) -> Option<Iterapp> {
        let RootRead {
            root,
            appling: mut root_appling,
            postgres,
            emoji,
        } = self.root_file()?;
        let only = ApplingName::from(app);
        let applings: Vec<Found> = match root.applings {
            Applings::Unclear => return None,
            Applings::Root => folder::root(self, None, root_appling?, only)
                .into_iter()
                .collect(),
            Applings::Listed(entries) => {
                let read = |entry: Folder| match root_appling.take_if(|_| entry.path.is_empty()) {
                    Some(contents) => folder::root(self, Some(entry), contents, only.clone()),
                    None => folder::listed(self, entry),
                };
                entries.into_iter().filter_map(read).collect()
            }
        };
        self.problems.extend(across::check(app, &applings));
        let mut applings: Vec<Appling> = applings.into_iter().map(Appling::from).collect();
        for appling in &mut applings {
            appling.emoji = appling.emoji.take().or_else(|| emoji.clone());
        }
        Some(Iterapp {
            default_environment: root.default_environment,
            applings,
            postgres,
        })
    }

    /// The root file, and what it says about the root as an appling, if it is one.
    fn root_file(&mut self) -> Option<RootRead> {
        self.read(FILE_NAME, folder::missing_root, |table, file| {
            let root = RootFile::read(table, file);
            if root.is_appling() {
                let lists_others = matches!(root.applings, Applings::Listed(_));
                let mut appling = ApplingFile::read(table, Role::Both, file);
                // Beside a list, the root file's database is everybody's.
                let postgres = appling.postgres.take_if(|_| lists_others);
                return RootRead {
                    root,
                    emoji: appling.emoji.clone(),
                    appling: Some(appling),
                    postgres,
                };
            }
            let shared = top::rest(table, Role::Root, file).shared;
            RootRead {
                root,
                appling: None,
                emoji: shared.emoji.map(|at| at.value.0),
                postgres: postgres::read(shared.postgres, file),
            }
        })
    }

    /// Reads a file, if it is there and is text, and keeps its problems and its text.
    pub fn read<T>(
        &mut self,
        path: &str,
        missing: impl FnOnce() -> Diagnostic,
        contents: impl FnOnce(&parse::Table, &mut File) -> T,
    ) -> Option<T> {
        let Some(bytes) = self.repository.read(path) else {
            self.report(missing());
            return None;
        };
        self.files.push(path.to_owned());
        let unread = |fault: Fault| self.report(fault.in_file(path));
        let text = parse::text(bytes).map_err(unread).ok()?;
        let (contents, problems) = match parse::table(&text) {
            Ok(table) => read_table(path, &text, &table, Vec::new(), contents),
            Err(_) => {
                let (readable, syntax) = parse::readable(path, &text);
                let table = parse::as_far_as_it_goes(&readable);
                read_table(path, &text, &table, syntax, contents)
            }
        };
        self.problems.extend(problems);
        self.sources.insert(path, text);
        Some(contents)
    }

    /// Notes a problem.
    pub fn report(&mut self, problem: Diagnostic) {
        self.problems.push(problem);
    }

    fn finish(mut self, iterapp: Option<Iterapp>) -> Assembled {
        let order = |file: &str| self.files.iter().position(|known| known == file);
        self.problems.sort_by_key(|problem| {
            let start = problem.span.as_ref().map(|span| span.start);
            (order(&problem.file), start)
        });
        let failed = self.problems.iter().any(Diagnostic::is_error);
        let iterapp = iterapp.filter(|_| !failed);
        Assembled {
            iterapp,
            diagnostics: self.problems,
            sources: self.sources,
        }
    }
}

fn read_table<T>(
    path: &str,
    text: &str,
    table: &parse::Table,
    syntax: Vec<Diagnostic>,
    contents: impl FnOnce(&parse::Table, &mut File) -> T,
) -> (T, Vec<Diagnostic>) {
    let mut file = File::new(path, text, syntax);
    let contents = contents(table, &mut file);
    (contents, file.into_problems())
}

impl From<Found> for Appling {
    fn from(found: Found) -> Self {
        let Found {
            file: _,
            entry: _,
            name,
            folder,
            dockerfile,
            contents,
        } = found;
        let ApplingFile {
            name: _,
            emoji,
            build,
            dockerfile: _,
            env,
            postgres,
            run,
            overrides,
            domains: _,
            paths: _,
        } = contents;
        Self {
            name,
            emoji,
            folder,
            build: Build {
                dockerfile,
                ..build
            },
            env,
            postgres,
            run,
            overrides,
        }
    }
}

/// The problem of a code, for the places that have no file at hand.
pub fn in_root(code: Code, entry: Option<&Folder>, message: String) -> Diagnostic {
    Diagnostic::new(code, FILE_NAME, message).at(entry.map(|entry| entry.span.clone()))
}

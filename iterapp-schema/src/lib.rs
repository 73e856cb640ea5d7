#![doc = include_str!("../README.md")]

mod diagnostic;
mod env_value;
mod environment;
mod iterapp;
mod names;
pub mod render;
mod source;
mod suggest;

pub use diagnostic::{Code, Diagnostic, Related, Severity};
pub use env_value::{Env, EnvTable, EnvValue};
pub use environment::{Environment, UnknownEnvironment};
pub use iterapp::{Appling, Iterapp};
pub use names::{AppName, ApplingName, MAX_APP_NAME, MAX_APPLING_NAME, NameError};
pub use source::{Repository, Sources, line_column};

/// What became of reading an app's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembled {
    /// What the files ask for; nothing when any of them has an error.
    pub iterapp: Option<Iterapp>,
    /// All problems of all files, in file order and then by position.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that were read.
    pub sources: Sources,
}

/// Reads the root's `iterapp.toml` and then every appling's.
#[must_use]
pub fn assemble(_app: &AppName, _repository: &dyn Repository) -> Assembled {
    Assembled {
        iterapp: None,
        diagnostics: Vec::new(),
        sources: Sources::default(),
    }
}

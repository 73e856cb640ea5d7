#![doc = include_str!("../README.md")]

// The tests that the fuzzer shares call the crate by its name.
#[cfg(test)]
extern crate self as iterapp_schema;

mod across;
mod appling_file;
mod assemble;
mod credential;
mod diagnostic;
mod env_value;
mod environment;
pub mod explain;
mod file;
mod folder;
mod format;
mod iterapp;
mod json_schema;
mod layout;
mod mend;
mod names;
mod older;
mod parse;
mod postgres;
pub mod reference;
pub mod render;
mod root_file;
mod run;
mod source;
mod suggest;
#[cfg(test)]
mod tests;
mod unknown;
mod validate;

pub use assemble::{Assembled, FILE_NAME, assemble};
pub use diagnostic::{Code, Diagnostic, Edit, Fix, Related, Severity};
pub use env_value::{Env, EnvTable, EnvValue};
pub use environment::{Environment, UnknownEnvironment};
pub use iterapp::{
    Appling, Autoscale, Build, Concurrency, CronAction, CronJob, External, Http, Ingress,
    IngressPath, Isolation, Iterapp, Pooling, Postgres, Resources, Run, Scale,
};
pub use json_schema::{json_schema, json_schema_text};
pub use names::{AppName, ApplingName, MAX_APP_NAME, MAX_APPLING_NAME, NameError};
pub use source::{Overlay, Repository, Sources, line_column};

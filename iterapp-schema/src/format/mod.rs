//! The format: every section and key of an `iterapp.toml`, with what each means. The doc comments
//! here are what users read: in the reference page, in the JSON Schema, and in their editors.

pub mod env;
pub mod keys;
pub mod secret;
pub mod section;
pub mod top;
pub mod values;

pub use keys::{
    ApplingKeys, AutoscaleKeys, BuildKeys, CronJobKeys, ExperimentalKeys, IngressKeys,
    PostgresKeys, ResourceKeys, RootKeys, RunKeys, SharedKeys,
};
pub use section::{At, Read, Section};

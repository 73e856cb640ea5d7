//! From a push to a verdict.
//!
//! [`push`] reads a push and asks for a release ([`request`]); [`roll_out`] is the environment's
//! pass that carries it through: [`read_iterapp`], [`plan`] (pure), which images can stay ([`keep`],
//! decided by [`watch`], pure), builds ([`build`]), release commands ([`command`]), rollout;
//! [`tell`] and [`follow`] are how people hear of it, and [`diff`] is what a release would change.

pub mod build;
pub mod command;
pub mod diff;
pub mod follow;
pub mod keep;
pub mod plan;
pub mod push;
pub mod read_iterapp;
pub mod request;
pub mod roll_out;
pub mod spec;
pub mod tell;
pub mod watch;

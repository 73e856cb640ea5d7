//! From a push to a verdict.
//!
//! [`push`] reads a push and asks for a release ([`request`]); [`roll_out`] is the environment's
//! pass that carries it through. What Postgres has of the environment is `gathered`. A queued release
//! `start`s: [`read_iterapp`], [`plan`] (pure), which images can stay ([`keep`], decided by [`watch`],
//! pure). Builds ([`build`]) run beside the passes, which take up what was `built`; then come release
//! commands ([`command`]) and the `candidates` on trial; and the pass `conclude`s. `record` is how all of
//! them write it down, [`tell`] and [`follow`] how people hear of it, and [`diff`] what a release
//! would change.

pub mod build;
mod built;
mod candidates;
pub mod command;
mod conclude;
pub mod diff;
pub mod follow;
mod gathered;
pub mod keep;
pub mod plan;
pub mod push;
pub mod read_iterapp;
mod record;
pub mod request;
pub mod roll_out;
pub mod spec;
mod start;
pub mod tell;
pub mod watch;

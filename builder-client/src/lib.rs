#![doc = include_str!("../README.md")]

mod builder;
mod context;
mod daemon;
mod diagnose;
mod error;
mod event;
mod feed;
mod folder;
mod follow;
mod ignore;
mod lines;
mod memory;
mod paths;
mod redact;
mod request;
mod session;
mod solve;
mod status;
#[cfg(test)]
mod tree;
mod walk;

pub use builder::{Builder, Built};
pub use context::{Context, ContextError, Entry, EntryKind};
pub use daemon::{AddressError, Daemon, Tls};
pub use error::{AuthorError, BuildError, LAST_LINES, Place, PlatformError};
pub use event::{BuildEvent, MAX_LINE, StepNumber, Stream, Transfer};
pub use folder::Folder;
pub use redact::Redactor;
pub use request::{BuildRequest, Credential};

/// A name that nobody else has and nobody can guess.
fn random_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

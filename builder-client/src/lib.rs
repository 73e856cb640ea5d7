#![doc = include_str!("../README.md")]

mod builder;
mod context;
mod daemon;
mod error;
mod event;
mod folder;
mod follow;
mod ignore;
mod paths;
mod request;
#[cfg(test)]
mod tree;
mod walk;

pub use builder::{Builder, Built};
pub use context::{Context, ContextError, Entry, EntryKind};
pub use daemon::{AddressError, Daemon, Tls};
pub use error::{AuthorError, BuildError, LAST_LINES, Place, PlatformError};
pub use event::{BuildEvent, MAX_LINE, StepNumber, Stream, Transfer};
pub use folder::Folder;
pub use request::{BuildRequest, Credential};

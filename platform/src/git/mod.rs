//! Git: one bare repository per app. The `git` program moves objects (`fetch`, `receive-pack`,
//! `upload-pack`); `git2` reads them.

pub mod address;
pub mod changes;
pub mod fetch;
pub mod hook;
pub mod http;
pub mod program;
pub mod store;
pub mod tree;

pub use store::Store;
pub use tree::CommitTree;

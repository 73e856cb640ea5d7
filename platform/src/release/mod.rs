//! From a commit to a release: reading `iterapp.toml`, planning, building, rolling out.

pub mod spec;

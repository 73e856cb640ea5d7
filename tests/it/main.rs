//! The one integration binary: every test runs against the real stack, in parallel with the
//! others, each with apps of its own. Run it by `tests/run`.
//!
//! Tests name the acceptance rows they prove, as in `// Proves: H01 H05`.

mod backups;
mod build_keys;
mod builds;
mod cli;
mod crashes;
mod cronjobs;
mod databases;
mod diff;
mod first;
mod grants;
mod healing;
mod ingress;
mod intake;
mod isolation;
mod journeys;
mod plan;
mod release_command;
mod releases;
mod rollout;
mod run;
mod samples;
mod scan;
mod secrets;
mod traffic;

//! Everything that platforms write in a whole run of the tests, searched for secrets that they were given.
//!
//! `scan record FOLDER` watches Kubernetes' objects and the arguments of platforms' processes until it gets
//! a SIGTERM; the tests themselves keep the rest there (`tests/harness/record.rs`). `scan look FOLDER`
//! searches it when they are over. In each place there has to be a word that is no secret, too.

mod look;
mod record;

use std::{path::PathBuf, process::ExitCode};

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["record", folder] => {
            record::record(&PathBuf::from(folder))?;
            Ok(ExitCode::SUCCESS)
        }
        ["look", folder] => look::look(&PathBuf::from(folder)),
        _ => {
            eprintln!("usage: scan record|look FOLDER");
            Ok(ExitCode::from(2))
        }
    }
}

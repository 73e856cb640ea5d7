//! The command line `hops`.

use std::process::ExitCode;

use clap::Parser;
use platform::cli::{Cli, Context, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut context = Context::of_process(cli.json);
    match run(cli, &mut context).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            context.ui.failure(&failure);
            failure.exit.into()
        }
    }
}

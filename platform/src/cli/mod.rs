//! The command line `hops`: each command in a file of its own, on top of a client, a terminal and
//! a configuration. It needs neither a database nor a cluster.

mod apps;
mod check;
mod client;
mod config;
mod db;
mod deploy;
mod diff;
mod explain;
mod failure;
mod follow;
mod harmless;
mod init;
mod lines;
mod local;
mod log_view;
mod login;
mod logs;
mod lsp;
mod open;
mod patience;
mod plan;
mod release_view;
mod releases;
mod seal;
mod secrets;
mod seen;
mod status;
mod style;
mod table;
mod target;
mod time;
mod ui;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use client::Client;
use config::Vars;
pub use failure::{Exit, Failure};
pub use ui::Ui;

/// Deploys apps with Hops: a git push becomes running applications.
#[derive(Debug, Parser)]
#[command(
    name = "hops",
    version,
    arg_required_else_help = true,
    after_help = AFTER_HELP,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Print JSON: the HTTP API's bodies, and logs as one object per line
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  hops apps create hello                       a new app, and where to push it
  hops deploy -a hello -e prod -r main --wait  bring a branch to prod, and watch
  hops logs -a hello --follow                  what its pods say
  hops init                                    a first iterapp.toml
  hops check                                   read iterapp.toml for mistakes, offline
  hops diff -a hello -e prod                   what a release would change

The platform's address and token come from HOPS_URL and HOPS_TOKEN, or from the file
that `hops login` writes. Without -a the app is HOPS_APP, or the one that a git remote
of this folder points to.

Exit codes: 0 what was asked came true, 1 it did not, 2 wrong usage, 3 the platform
could not be reached, 130 Ctrl-C; `hops diff` has a few of its own.";

#[derive(Debug, Subcommand)]
enum Command {
    Apps(apps::Apps),
    Deploy(deploy::Deploy),
    Diff(diff::Diff),
    Status(status::Status),
    Releases(releases::Releases),
    Logs(logs::Logs),
    Seal(seal::Seal),
    Secrets(secrets::Secrets),
    Db(db::Db),
    Init(init::Init),
    Check(check::Check),
    Explain(explain::Explain),
    Plan(plan::Plan),
    Lsp(lsp::Lsp),
    Open(open::Open),
    Login(login::Login),
    #[command(hide = true)]
    V3(V3),
}

/// The commands as HOPS users know them
#[derive(Debug, clap::Args)]
struct V3 {
    #[command(subcommand)]
    command: V3Command,
}

#[derive(Debug, Subcommand)]
enum V3Command {
    Deploy(deploy::Deploy),
}

/// What a command finds around it.
pub struct Context {
    /// Where it speaks.
    pub ui: Ui,
    /// The environment's variables.
    pub vars: Box<Vars>,
    /// The working folder.
    pub folder: PathBuf,
}

impl Context {
    /// The process's own surroundings.
    pub fn of_process(json: bool) -> Self {
        Self {
            ui: Ui::of_process(json),
            vars: Box::new(|name| std::env::var(name).ok()),
            folder: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// A client for the platform that is configured.
    fn client(&self) -> Result<Client, Failure> {
        Client::new(config::connection(&*self.vars)?)
    }
}

/// Does what the command line asks for.
pub async fn run(cli: Cli, context: &mut Context) -> Result<(), Failure> {
    match cli.command {
        Command::Apps(command) => command.run(context).await,
        Command::Deploy(command)
        | Command::V3(V3 {
            command: V3Command::Deploy(command),
        }) => command.run(context).await,
        Command::Diff(command) => command.run(context).await,
        Command::Status(command) => command.run(context).await,
        Command::Releases(command) => command.run(context).await,
        Command::Logs(command) => command.run(context).await,
        Command::Seal(command) => command.run(context).await,
        Command::Secrets(command) => command.run(context).await,
        Command::Db(command) => command.run(context).await,
        Command::Init(command) => command.run(context),
        Command::Check(command) => command.run(context),
        Command::Explain(command) => command.run(context),
        Command::Plan(command) => command.run(context),
        Command::Lsp(command) => command.run(context),
        Command::Open(command) => command.run(context).await,
        Command::Login(command) => command.run(context).await,
    }
}

#[cfg(test)]
mod tests;

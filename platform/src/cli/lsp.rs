//! `hops lsp`: a language server for `iterapp.toml`, on stdin and stdout.
//!
//! After every change the whole repository is judged as `hops check` does it, with the open
//! documents in place of the files: an appling's file and the root's are right or wrong together.
//!
//! | file | |
//! | --- | --- |
//! | `documents` | what is open, and the repositories that it belongs to |
//! | `position` | bytes to lines and UTF-16 columns, and back |
//! | `problems` | diagnostics in the protocol's form |
//! | `assist` | completion, hover, and mends |
//! | `server` | the conversation |

mod assist;
mod documents;
mod position;
mod problems;
mod server;

use lsp_server::Connection;

use super::Context;
use super::failure::Failure;
use super::target::from_variable;

/// Serve editors that speak the Language Server Protocol, over stdin and stdout
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Editors start it for files called iterapp.toml. Mistakes are those of `hops check`, with the
unsaved text of every open file. The app is HOPS_APP, or called like the repository's folder.

Examples:
  vim.lsp.config('hops', { cmd = { 'hops', 'lsp' }, filetypes = { 'toml' },
                           root_markers = { '.git' } })           Neovim
  language-server.hops = { command = \"hops\", args = [\"lsp\"] }     Helix, languages.toml")]
pub struct Lsp {
    /// Ignored: some editors add it to say that they use stdin and stdout
    #[arg(long, hide = true)]
    stdio: bool,
}

impl Lsp {
    /// Serves until the editor says goodbye or is gone.
    pub fn run(self, context: &mut Context) -> Result<(), Failure> {
        let app = from_variable(&*context.vars)?;
        let (connection, threads) = Connection::stdio();
        let served = server::serve(&connection, app);
        // The writing thread ends once nobody can send to it any more.
        drop(connection);
        served.map_err(|error| protocol(&error))?;
        Ok(threads.join()?)
    }
}

fn protocol(error: &dyn std::error::Error) -> Failure {
    Failure::failed(
        "protocol",
        "the editor does not speak the protocol as agreed",
    )
    .caused_by(error)
    .hint("this command is for editors; hops check is for people")
}

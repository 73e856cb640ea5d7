//! `hops login`.

use std::io::{IsTerminal, Read};

use secrecy::SecretString;
use url::Url;

use crate::api::App;

use super::Context;
use super::client::{Ask, Client, is_loopback, shown};
use super::config::{self, Connection, Source};
use super::failure::Failure;

/// Keep the platform's address and your token in a file that only you can read
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The token is asked for, or read from stdin; it is tried before anything is written.

Examples:
  hops login https://hops.example.com
  pass show hops | hops login https://hops.example.com")]
pub struct Login {
    /// The platform's address
    #[arg(value_parser = address)]
    url: Url,
}

impl Login {
    /// Tries the token, and writes the file.
    pub async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let url = self.url;
        let path = config::path(&*context.vars).ok_or_else(|| {
            Failure::usage("there is no home folder to keep the token in").hint("set HOME")
        })?;
        let token = secret_from_stdin(&format!("token for {}: ", shown(&url)))?;
        let connection = Connection {
            url: url.clone(),
            token: token.clone(),
            url_from: Source::Argument,
            token_from: Source::Argument,
        };
        let client = Client::new(connection)?;
        let _: Vec<App> = client
            .get(Ask {
                path: &["apps"],
                query: &[],
            })
            .await?;
        config::save(&path, &url, &token)?;
        if url.scheme() == "http" && !is_loopback(&url) {
            let note = "this address is http: whoever listens on the way can read the token";
            context.ui.note(note);
        }
        for name in ["HOPS_URL", "HOPS_TOKEN"] {
            if (context.vars)(name).is_some_and(|value| !value.is_empty()) {
                context
                    .ui
                    .note(format_args!("{name} is set, and comes before the file"));
            }
        }
        match context.ui.is_json() {
            true => context
                .ui
                .json(&serde_json::json!({ "url": shown(&url), "file": path })),
            false => context.ui.line(format_args!(
                "logged in to {}; kept in {}",
                shown(&url),
                path.display()
            )),
        }
    }
}

/// Reads a secret: typed unseen where stdin is a terminal, else all of stdin.
pub fn secret_from_stdin(prompt: &str) -> Result<SecretString, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::usage("the token cannot be read").cause(error);
    let text = if std::io::stdin().is_terminal() {
        rpassword::prompt_password(prompt).map_err(unreadable)?
    } else {
        let mut text = String::new();
        std::io::stdin()
            .take(64 * 1024)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        text
    };
    let token = text.trim();
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        let hint = "it is one line, without spaces";
        return Err(Failure::usage("stdin does not hold a token").hint(hint));
    }
    Ok(token.into())
}

fn address(text: &str) -> Result<Url, &'static str> {
    config::parse_url(text)
}

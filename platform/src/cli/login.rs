//! `hops login`.

use std::fs::File;
use std::io::{IsTerminal, Read};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr,
};
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
    let text = stdin(prompt, "the token", 64 << 10)?;
    let token = text.trim();
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        let hint = "it is one line, without spaces";
        return Err(Failure::usage("stdin does not hold a token").hint(hint));
    }
    Ok(token.into())
}

/// Reads a value as it is, but for one line break at its end.
pub fn value_from_stdin(prompt: &str) -> Result<SecretString, Failure> {
    let text = stdin(prompt, "the value", 256 << 10)?;
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    match value.is_empty() {
        true => Err(Failure::usage("the value is empty").hint("type it, or send it to stdin")),
        false => Ok(value.into()),
    }
}

/// Typed unseen where stdin is a terminal, else all of stdin.
fn stdin(prompt: &str, what: &str, most: u64) -> Result<String, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::usage(format!("{what} cannot be read")).cause(error);
    if std::io::stdin().is_terminal() {
        let unseen = Unseen::begin();
        let typed = rpassword::prompt_password(prompt).map_err(unreadable)?;
        return match unseen.is_some_and(|terminal| terminal.more_was_pasted()) {
            false => Ok(typed),
            true => Err(Failure::usage(format!("{what} has several lines"))
                .hint("send it to stdin instead: … < FILE")),
        };
    }
    let mut text = String::new();
    let read = std::io::stdin().take(most + 1).read_to_string(&mut text);
    let read = read.map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => Failure::usage(format!("{what} is not text"))
            .hint("give what is binary in base64, and let the app decode it"),
        _ => unreadable(error),
    })?;
    match u64::try_from(read).is_ok_and(|read| read <= most) {
        true => Ok(text),
        false => Err(Failure::usage(format!("{what} is too long"))
            .hint(format!("at most {} KiB are taken", most >> 10))),
    }
}

/// A terminal that shows nothing of what is typed or pasted, until this is dropped.
struct Unseen {
    terminal: File,
    before: Termios,
}

impl Unseen {
    fn begin() -> Option<Unseen> {
        let terminal = File::options()
            .read(true)
            .write(true)
            .open("/dev/tty")
            .ok()?;
        let before = tcgetattr(&terminal).ok()?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Now, &unseen).ok()?;
        Some(Unseen { terminal, before })
    }

    /// Whether more comes than the line that was read. It is thrown away: it would go to the shell, onto the
    /// screen and into its history.
    fn more_was_pasted(&self) -> bool {
        let mut more = false;
        let mut buffer = [0; 4096];
        loop {
            let mut waiting = [PollFd::new(&self.terminal, PollFlags::IN)];
            let ready = poll(&mut waiting, Some(&PASTING));
            let is_ready = ready.is_ok() && waiting[0].revents().contains(PollFlags::IN);
            if !is_ready || !matches!((&self.terminal).read(&mut buffer), Ok(1..)) {
                break;
            }
            more = true;
        }
        if more {
            // And what has no end of a line yet.
            let _ = tcflush(&self.terminal, QueueSelector::IFlush);
        }
        more
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// What is pasted comes at once, or not much later.
const PASTING: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

fn address(text: &str) -> Result<Url, &'static str> {
    config::parse_url(text)
}

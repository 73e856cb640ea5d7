//! `hops open`.

use std::process::{Command, Stdio};

use iterapp_schema::{ApplingName, Environment};
use url::Url;

use crate::api::RunningAppling;

use super::config::Vars;
use super::failure::Failure;
use super::target::{AppArgument, appling_name, environment};
use super::{Context, harmless, status};

/// Print an app's address, and open it where there is a display
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hops open -a hello
  hops open -a hello -e prod --appling web
  curl \"$(hops open -a hello --print)\"")]
pub struct Open {
    #[command(flatten)]
    app: AppArgument,
    /// In this environment
    #[arg(short = 'e', long, default_value = "test", value_parser = environment)]
    environment: Environment,
    /// This appling's address
    #[arg(long, value_parser = appling_name)]
    appling: Option<ApplingName>,
    /// Only print it
    #[arg(long)]
    print: bool,
}

impl Open {
    /// Prints the address, and opens it.
    pub async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let client = context.client()?;
        let app = self.app.choose(context, client.url())?;
        let status = status::of_app(&client, &app).await?;
        let here = status
            .environments
            .into_iter()
            .find(|here| here.environment == self.environment);
        let meant = |appling: &RunningAppling| {
            self.appling
                .as_ref()
                .is_none_or(|name| *name == appling.name)
                && !appling.urls.is_empty()
        };
        let applings = here
            .into_iter()
            .flat_map(|here| here.applings)
            .filter(meant);
        let applings: Vec<RunningAppling> = applings.collect();
        if applings.is_empty() {
            let message = format!("nothing of {app} has an address in {}", self.environment);
            return Err(
                Failure::failed("no_address", message).hint(format!("hops status -a {app}"))
            );
        }
        if context.ui.is_json() {
            return context.ui.json(&applings);
        }
        for url in applings.iter().filter_map(|appling| appling.urls.first()) {
            context.ui.line(harmless::text(url))?;
        }
        match applings.as_slice() {
            _ if self.print => Ok(()),
            [appling] => {
                open(context, &appling.urls[0]);
                Ok(())
            }
            _ => Err(
                Failure::usage(format!("{app} has several applings with an address"))
                    .hint("add --appling NAME to open one of them"),
            ),
        }
    }
}

/// Hands the address to the desktop. Where there is none, it was printed, and that is all.
fn open(context: &mut Context, url: &str) {
    let (Some(program), Some(url)) = (opener(&*context.vars), web_address(url)) else {
        return;
    };
    let opened = Command::new(program)
        .arg(url.as_str())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = opened {
        context
            .ui
            .note(format_args!("it cannot be opened here: {program}: {error}"));
    }
}

fn opener(vars: &Vars) -> Option<&'static str> {
    let set = |name| vars(name).is_some_and(|value| !value.is_empty());
    match () {
        () if cfg!(target_os = "macos") => Some("open"),
        () if set("DISPLAY") || set("WAYLAND_DISPLAY") => Some("xdg-open"),
        () => None,
    }
}

/// The address, if a browser may be sent there: no file, and nothing that looks like an option.
fn web_address(url: &str) -> Option<Url> {
    let url: Url = url.parse().ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_are_opened() {
        assert!(web_address("https://hello.test.example.com/").is_some());
        for url in [
            "file:///etc/passwd",
            "--new-window",
            "javascript:alert(1)",
            "",
        ] {
            assert!(web_address(url).is_none(), "{url}");
        }
    }

    #[test]
    fn nothing_is_opened_without_a_display() {
        if cfg!(target_os = "linux") {
            assert_eq!(opener(&|_| None), None);
            assert_eq!(
                opener(&|name| (name == "DISPLAY").then(|| ":0".to_owned())),
                Some("xdg-open")
            );
        }
    }
}

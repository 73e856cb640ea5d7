//! Which app and which environment a command is about.

use std::path::Path;
use std::process::Command;

use iterapp_schema::{AppName, ApplingName, Environment};
use serde::de::DeserializeOwned;
use url::Url;
use uuid::Uuid;

use super::Context;
use super::client::{Ask, Client, shown};
use super::config::{Vars, parse_url};
use super::failure::Failure;

/// The option `-a`.
#[derive(Debug, Default, clap::Args)]
pub struct AppArgument {
    /// The app; else HOPS_APP, else the one that a git remote of this folder points to
    #[arg(short = 'a', long = "app", value_name = "APP", value_parser = app_name)]
    app: Option<AppName>,
}

impl AppArgument {
    /// The app that is meant. One that was guessed from a git remote is said.
    pub fn choose(self, context: &mut Context, platform: &Url) -> Result<AppName, Failure> {
        self.find(context, platform)?.ok_or_else(|| {
            Failure::usage("it is not said which app is meant")
                .hint("add -a APP, or set HOPS_APP; `hops apps list` shows them all")
        })
    }

    /// The app that is named, by the option or the variable.
    pub fn named(self, context: &Context) -> Result<AppName, Failure> {
        let named = self
            .app
            .map_or_else(|| from_variable(&*context.vars), |app| Ok(Some(app)))?;
        named.ok_or_else(|| {
            Failure::usage("it is not said which app is meant").hint("add -a APP, or set HOPS_APP")
        })
    }

    /// The same, or nothing when there is nothing to go by.
    pub fn find(self, context: &mut Context, platform: &Url) -> Result<Option<AppName>, Failure> {
        if let Some(app) = self
            .app
            .map_or_else(|| from_variable(&*context.vars), |app| Ok(Some(app)))?
        {
            return Ok(Some(app));
        }
        let remotes = of_remotes(&git_remotes(&context.folder), platform);
        match remotes.as_slice() {
            [] => Ok(None),
            [(remote, app)] => {
                context
                    .ui
                    .note(format_args!("app {app}, from the git remote `{remote}`"));
                Ok(Some(app.clone()))
            }
            several => Err(ambiguous(several)),
        }
    }
}

/// `HOPS_APP`, if it is set.
pub fn from_variable(vars: &Vars) -> Result<Option<AppName>, Failure> {
    let Some(text) = vars("HOPS_APP").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let wrong = |error: iterapp_schema::NameError| {
        Failure::usage("HOPS_APP holds no app's name")
            .cause(&error)
            .hint(error.hint())
    };
    AppName::parse(&text).map(Some).map_err(wrong)
}

/// The options `-a` and `-e`.
#[derive(Debug, clap::Args)]
pub struct EnvironmentArguments {
    #[command(flatten)]
    pub app: AppArgument,
    /// The environment: prod, test, or snap0 to snap9
    #[arg(short = 'e', long, value_parser = environment)]
    pub environment: Environment,
}

impl EnvironmentArguments {
    /// All of a kind that the environment has, behind the app's name and the environment's.
    pub async fn list<T: DeserializeOwned>(
        self,
        client: &Client,
        context: &mut Context,
        kind: &str,
    ) -> Result<(AppName, String, Vec<T>), Failure> {
        let app = self.app.choose(context, client.url())?;
        let environment = self.environment.to_string();
        let ask = Ask {
            path: &path_below(&app, &environment, &[kind]),
            query: &[],
        };
        let all = client.get(ask).await?;
        Ok((app, environment, all))
    }
}

/// The segments of a path below an environment.
pub fn path_below<'a>(app: &'a AppName, environment: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    let start = ["apps", app.as_ref(), "environments", environment];
    start.into_iter().chain(rest.iter().copied()).collect()
}

/// Reads an app's name from the command line.
pub fn app_name(text: &str) -> Result<AppName, String> {
    AppName::parse(text).map_err(|error| format!("{error}; {}", error.hint()))
}

/// Reads an appling's name from the command line.
pub fn appling_name(text: &str) -> Result<ApplingName, String> {
    ApplingName::parse(text).map_err(|error| format!("{error}; {}", error.hint()))
}

/// Reads the ID of a backup or of a login from the command line.
pub fn id(text: &str) -> Result<Uuid, String> {
    let parsed = text.parse();
    parsed.map_err(|_| "an ID looks like 0190b5a0-6f1e-7c3a-9d0b-2f4e8a1c5d7e".to_owned())
}

/// Reads an environment from the command line.
pub fn environment(text: &str) -> Result<Environment, String> {
    text.parse()
        .map_err(|error: iterapp_schema::UnknownEnvironment| format!("{error}; {}", error.hint()))
}

fn ambiguous(remotes: &[(String, AppName)]) -> Failure {
    let remotes: Vec<String> = remotes
        .iter()
        .map(|(remote, app)| format!("`{remote}` is {app}"))
        .collect();
    Failure::usage("the git remotes of this folder point to several apps")
        .cause(remotes.join(", "))
        .hint("add -a APP, or set HOPS_APP")
}

/// What `git remote -v` says in the folder; nothing when it is no git repository.
fn git_remotes(folder: &Path) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["remote", "-v"])
        .output();
    let output = output.ok().filter(|output| output.status.success());
    output.map_or_else(String::new, |output| {
        String::from_utf8_lossy(&output.stdout).into_owned()
    })
}

/// The remotes that point to the platform's own git server, with their apps; each app once.
fn of_remotes(remotes: &str, platform: &Url) -> Vec<(String, AppName)> {
    let mut found: Vec<(String, AppName)> = Vec::new();
    for line in remotes.lines() {
        let mut words = line.split_whitespace();
        let (Some(remote), Some(url)) = (words.next(), words.next()) else {
            continue;
        };
        let Some(app) = app_of(url, platform) else {
            continue;
        };
        if found.iter().all(|(_, known)| *known != app) {
            found.push((super::harmless::text(remote).into_owned(), app));
        }
    }
    found
}

/// The app of a remote's address, `<platform>/git/<app>.git`; a user and a password may stand in it.
fn app_of(remote: &str, platform: &Url) -> Option<AppName> {
    let mut url: Url = remote.parse().ok()?;
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let url = parse_url(url.as_str()).ok()?;
    let name = shown(&url)
        .strip_prefix(shown(platform))?
        .strip_prefix("/git/")?;
    AppName::parse(name.strip_suffix(".git").unwrap_or(name)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apps(remotes: &str) -> Vec<(String, String)> {
        let platform = parse_url("http://127.0.0.1:8080").unwrap();
        let found = of_remotes(remotes, &platform);
        found
            .into_iter()
            .map(|(remote, app)| (remote, app.to_string()))
            .collect()
    }

    fn pair(remote: &str, app: &str) -> (String, String) {
        (remote.to_owned(), app.to_owned())
    }

    #[test]
    fn the_remote_of_this_platform_names_the_app() {
        let remotes = "\
            hops\thttp://hops:geheim@127.0.0.1:8080/git/hello.git (fetch)\n\
            hops\thttp://hops:geheim@127.0.0.1:8080/git/hello.git (push)\n\
            origin\tgit@github.com:iterate/hello.git (fetch)\n\
            other\thttp://127.0.0.1:9090/git/other.git (push)\n";
        assert_eq!(apps(remotes), [pair("hops", "hello")]);
    }

    #[test]
    fn remotes_that_only_look_alike_are_none() {
        for url in [
            "http://127.0.0.1:80801/git/hello.git",
            "http://127.0.0.1:8080/git/hello.git/more",
            "http://127.0.0.1:8080/git/",
            "http://127.0.0.1:8080/hello.git",
            "https://127.0.0.1:8080/git/hello.git",
            "http://127.0.0.1:8080.example.com/git/hello.git",
            "/srv/git/hello.git",
        ] {
            assert_eq!(apps(&format!("x\t{url} (push)")), [], "{url}");
        }
    }

    #[test]
    fn two_apps_are_both_found() {
        let remotes = "\
            a\thttp://127.0.0.1:8080/git/one.git (push)\n\
            b\thttp://127.0.0.1:8080/git/two_three (push)\n";
        assert_eq!(apps(remotes), [pair("a", "one"), pair("b", "two-three")]);
    }

    #[test]
    fn names_are_refused_with_advice() {
        assert!(id("latest").unwrap_err().starts_with("an ID looks like"));
        assert_eq!(
            environment("staging").unwrap_err(),
            "there is no environment `staging`; did you mean `test`?"
        );
        assert!(
            app_name("My.Shop")
                .unwrap_err()
                .ends_with("`my-shop` would do")
        );
    }
}

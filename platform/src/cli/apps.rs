//! `hops apps`.

use std::path::PathBuf;

use clap::Subcommand;
use iterapp_schema::AppName;
use secrecy::ExposeSecret;
use url::Url;

use crate::api::{App, CreateApp, Webhook};

use super::client::{ANSWER, Ask, Client};
use super::failure::Failure;
use super::login::secret_from_stdin;
use super::style::{STRONG, paint};
use super::table::Table;
use super::target::app_name;
use super::ui::Ui;
use super::{Context, harmless, time};

/// Create apps, list them, show them
#[derive(Debug, clap::Args)]
pub struct Apps {
    #[command(subcommand)]
    command: AppsCommand,
}

#[derive(Debug, Subcommand)]
enum AppsCommand {
    Create(Create),
    /// List all apps
    List,
    /// Show an app, and how to deploy it
    Show(Named),
    /// Show where the forge sends its webhooks, and the secret it signs them with
    Webhook(Named),
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The app
    #[arg(value_parser = app_name)]
    name: AppName,
}

/// Create an app: one that is pushed to the platform, or one that is fetched from a forge
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hops apps create hello
  hops apps create hello --repo https://github.com/me/hello.git
  hops apps create hello --repo https://github.com/me/hello.git --token-stdin < token
  hops apps create hello --repo git@github.com:me/hello.git --deploy-key --known-hosts hosts")]
struct Create {
    /// Its name: small letters, digits and `-`
    #[arg(value_parser = app_name)]
    name: AppName,
    /// Where the platform fetches from, http(s) or ssh; without it, you push to the platform
    #[arg(long, value_name = "URL", value_parser = repository)]
    repo: Option<String>,
    /// Read a token for a private http(s) repository from stdin
    #[arg(long, requires = "repo", conflicts_with = "deploy_key")]
    token_stdin: bool,
    /// Make a deploy key for a private ssh repository, and show its public half
    #[arg(long, requires = "repo")]
    deploy_key: bool,
    /// The ssh host's keys, as `ssh-keyscan HOST` prints them
    #[arg(long, value_name = "FILE", requires = "repo")]
    known_hosts: Option<PathBuf>,
}

impl Apps {
    /// Does what is asked for.
    pub async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let client = context.client()?;
        match self.command {
            AppsCommand::Create(create) => create.run(&client, context).await,
            AppsCommand::List => list(&client, &mut context.ui).await,
            AppsCommand::Show(Named { name }) => show(&client, &mut context.ui, &name).await,
            AppsCommand::Webhook(Named { name }) => webhook(&client, &mut context.ui, &name).await,
        }
    }
}

impl Create {
    async fn run(self, client: &Client, context: &mut Context) -> Result<(), Failure> {
        let read = |path: PathBuf| {
            std::fs::read_to_string(context.folder.join(&path)).map_err(|error| {
                Failure::usage(format!("cannot read {}", path.display())).cause(error)
            })
        };
        let known_hosts = self.known_hosts.map(read).transpose()?;
        let token = match self.token_stdin {
            true => Some(secret_from_stdin("token for the repository: ")?),
            false => None,
        };
        let body = CreateApp {
            name: self.name.to_string(),
            repository: self.repo,
            token: token.map(|token| token.expose_secret().to_owned()),
            deploy_key: self.deploy_key,
            known_hosts,
        };
        let app: App = client.post(&["apps"], &body, ANSWER).await?;
        let ui = &mut context.ui;
        if ui.is_json() {
            return ui.json(&app);
        }
        ui.line(format_args!("created {}\n", paint(STRONG, &app.name)))?;
        next_steps(ui, &app)
    }
}

async fn list(client: &Client, ui: &mut Ui) -> Result<(), Failure> {
    let apps: Vec<App> = client
        .get(Ask {
            path: &["apps"],
            query: &[],
        })
        .await?;
    if ui.is_json() {
        return ui.json(&apps);
    }
    if apps.is_empty() {
        none_yet(ui);
        return Ok(());
    }
    let mut table = Table::new(["APP", "FROM", "DEFAULT BRANCH", "CREATED"]);
    for app in &apps {
        table.row([
            app.name.to_string().into(),
            origin(app).into(),
            app.default_branch.clone().unwrap_or_default().into(),
            time::ago(app.created_at, ui.now()).into(),
        ]);
    }
    ui.text(&table.render())
}

async fn show(client: &Client, ui: &mut Ui, name: &AppName) -> Result<(), Failure> {
    let app: App = client
        .get(Ask {
            path: &["apps", name.as_ref()],
            query: &[],
        })
        .await?;
    if ui.is_json() {
        return ui.json(&app);
    }
    ui.line(paint(STRONG, &app.name))?;
    let branch = app.default_branch.as_deref().unwrap_or("none yet");
    let mut fields = vec![
        ("from", origin(&app)),
        ("default branch", branch.to_owned()),
        ("created", time::ago(app.created_at, ui.now())),
    ];
    fields.extend(app.deploy_key.clone().map(|key| ("deploy key", key)));
    print_fields(ui, &fields)?;
    ui.line("")?;
    next_steps(ui, &app)
}

async fn webhook(client: &Client, ui: &mut Ui, name: &AppName) -> Result<(), Failure> {
    let ask = Ask {
        path: &["apps", name.as_ref(), "webhook"],
        query: &[],
    };
    let webhook: Webhook = client.get(ask).await?;
    if ui.is_json() {
        return ui.json(&webhook);
    }
    let Webhook {
        url,
        secret,
        content_type,
        events,
    } = webhook;
    let events = events.join(", ");
    let fields = [
        ("address", url),
        ("secret", secret),
        ("content type", content_type),
        ("events", events),
    ];
    print_fields(ui, &fields)?;
    ui.note("\nat the forge: the repository's settings, Webhooks, Add webhook");
    Ok(())
}

/// Where an app's commits come from.
pub fn origin(app: &App) -> String {
    match (&app.repository, &app.push_url) {
        (Some(repository), _) => repository.clone(),
        (None, Some(push_url)) => format!("pushes to {push_url}"),
        (None, None) => String::new(),
    }
}

/// What is said instead of an empty list.
pub fn none_yet(ui: &mut Ui) {
    ui.note("no apps yet");
    ui.hint("hops apps create NAME");
}

fn print_fields(ui: &mut Ui, fields: &[(&str, String)]) -> Result<(), Failure> {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 1;
    for (name, value) in fields {
        let name = format!("{name}:");
        ui.line(format_args!("  {name:width$}  {}", harmless::text(value)))?;
    }
    Ok(())
}

fn next_steps(ui: &mut Ui, app: &App) -> Result<(), Failure> {
    let App {
        name,
        push_url,
        deploy_key,
        default_branch,
        ..
    } = app;
    if let Some(push_url) = push_url {
        let branch = default_branch.as_deref().unwrap_or("main");
        ui.line("to deploy, push to it:")?;
        ui.line(format_args!(
            "  git remote add hops {}",
            harmless::text(push_url)
        ))?;
        ui.line(format_args!("  git push hops {}", harmless::text(branch)))?;
        return ui.line("git asks for a user, any will do, and a password: that is your token");
    }
    if let Some(key) = deploy_key {
        ui.line("let the platform read the repository, with this deploy key at the forge:")?;
        ui.line(format_args!("  {}", harmless::text(key)))?;
    }
    ui.line("let the forge tell of pushes:")?;
    ui.line(format_args!("  hops apps webhook {name}"))?;
    ui.line("or deploy by hand:")?;
    ui.line(format_args!(
        "  hops deploy -a {name} -e test -r main --wait"
    ))
}

/// An argument can be seen by every user of the machine, so it must hold no password.
fn repository(text: &str) -> Result<String, &'static str> {
    let url: Option<Url> = text.parse().ok();
    match url {
        Some(url) if url.password().is_some() => {
            Err("it holds a password, which others on this machine could see; use --token-stdin")
        }
        _ => Ok(text.to_owned()),
    }
}

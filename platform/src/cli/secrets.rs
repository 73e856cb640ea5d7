//! `hops secrets`: secrets of an environment that stand in no file.

use clap::Subcommand;
use reqwest::Method;
use secrecy::ExposeSecret;

use crate::api::{Secret, SecretSet, SecretValue};

use super::client::{Ask, Client};
use super::failure::Failure;
use super::login::value_from_stdin;
use super::table::Table;
use super::target::{EnvironmentArguments, path_below};
use super::{Context, time};

/// Set, list and delete secrets of an environment: `{ secret = "name", key = "key" }` in iterapp.toml
#[derive(Debug, clap::Args)]
pub struct Secrets {
    #[command(subcommand)]
    command: SecretsCommand,
}

#[derive(Debug, Subcommand)]
enum SecretsCommand {
    Set(Set),
    /// List the secrets of an environment, never their values
    List(EnvironmentArguments),
    Delete(Delete),
}

/// Set a value, which is asked for or read from stdin; pods that use it are replaced
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hops secrets set -a hello -e prod firebase private_key < key.pem
  in iterapp.toml:  KEY = { secret = \"firebase\", key = \"private_key\" }")]
struct Set {
    #[command(flatten)]
    of: EnvironmentArguments,
    /// The secret's name
    name: String,
    /// The key in it
    key: String,
}

/// Delete a secret, or one key of it, that no appling uses
#[derive(Debug, clap::Args)]
struct Delete {
    #[command(flatten)]
    of: EnvironmentArguments,
    /// The secret's name
    name: String,
    /// The key in it; without one all of them
    key: Option<String>,
    /// Also when an appling uses it: its pods run on, but no new one starts
    #[arg(long)]
    force: bool,
}

impl Secrets {
    /// Does what is asked for.
    pub async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let client = context.client()?;
        match self.command {
            SecretsCommand::Set(set) => set.run(&client, context).await,
            SecretsCommand::List(of) => list(of, &client, context).await,
            SecretsCommand::Delete(delete) => delete.run(&client, context).await,
        }
    }
}

impl Set {
    async fn run(self, client: &Client, context: &mut Context) -> Result<(), Failure> {
        let Self { of, name, key } = self;
        let app = of.app.choose(context, client.url())?;
        let value = value_from_stdin("value: ")?;
        let body = SecretValue {
            value: value.expose_secret().to_owned(),
        };
        let environment = of.environment.to_string();
        let path = path_below(&app, &environment, &["secrets", &name, &key]);
        let ask = Ask {
            path: &path,
            query: &[],
        };
        let set: SecretSet = client.put(ask, &body).await?;
        let ui = &mut context.ui;
        if ui.is_json() {
            return ui.json(&set);
        }
        let SecretSet { used_by } = set;
        ui.line(format_args!("set {name} {key} in {environment}"))?;
        if used_by.is_empty() {
            ui.note(format_args!(
                "no appling in {environment} uses it yet; in iterapp.toml: {{ secret = \"{name}\", key = \"{key}\" }}"
            ));
        } else {
            let users: Vec<&str> = used_by.iter().map(AsRef::as_ref).collect();
            ui.note(format_args!(
                "used by {}: hops status -a {app} -e {environment} shows how it goes",
                users.join(", ")
            ));
        }
        Ok(())
    }
}

impl Delete {
    async fn run(self, client: &Client, context: &mut Context) -> Result<(), Failure> {
        let Self {
            of,
            name,
            key,
            force,
        } = self;
        let app = of.app.choose(context, client.url())?;
        let environment = of.environment.to_string();
        let what = [Some(name.clone()), key.clone()];
        let what: Vec<String> = what.into_iter().flatten().collect();
        let what = what.join(" ");
        let mut query: Vec<(&str, String)> = key.into_iter().map(|key| ("key", key)).collect();
        query.extend(force.then(|| ("force", force.to_string())));
        let path = path_below(&app, &environment, &["secrets", &name]);
        let ask = Ask {
            path: &path,
            query: &query,
        };
        client.change(Method::DELETE, ask, None::<&()>).await?;
        context
            .ui
            .done(format_args!("deleted {what} from {environment}"))
    }
}

async fn list(
    of: EnvironmentArguments,
    client: &Client,
    context: &mut Context,
) -> Result<(), Failure> {
    let (app, environment, secrets) = of.list::<Secret>(client, context, "secrets").await?;
    let ui = &mut context.ui;
    if ui.is_json() {
        return ui.json(&secrets);
    }
    if secrets.is_empty() {
        ui.note(format_args!("no secrets in {environment} yet"));
        ui.hint(format_args!(
            "hops secrets set -a {app} -e {environment} NAME KEY"
        ));
        return Ok(());
    }
    let mut table = Table::new(["SECRET", "KEY", "SET"]);
    for secret in &secrets {
        table.row([
            secret.name.clone().into(),
            secret.key.clone().into(),
            time::ago(secret.updated_at, ui.now()).into(),
        ]);
    }
    ui.text(&table.render())
}

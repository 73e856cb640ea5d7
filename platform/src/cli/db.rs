//! `hops db`: databases of an environment.

mod backups;
mod grants;
mod psql;
mod restore;

use std::io::{BufRead, IsTerminal};

use clap::Subcommand;
use iterapp_schema::{AppName, ApplingName};
use reqwest::Method;

use crate::api::Database;

use super::client::{Ask, Client};
use super::failure::Failure;
use super::table::Table;
use super::target::{EnvironmentArguments, appling_name, path_below};
use super::ui::Ui;
use super::{Context, time};

/// Look at and look after the databases of an environment: `[postgres]` in iterapp.toml
#[derive(Debug, clap::Args)]
pub struct Db {
    #[command(subcommand)]
    command: DbCommand,
}

#[derive(Debug, Subcommand)]
enum DbCommand {
    /// Show each database with its size, connections and extensions
    Info(EnvironmentArguments),
    Psql(psql::Psql),
    Grant(grants::Give),
    /// Show who was let into the databases, and until when
    Grants(EnvironmentArguments),
    Revoke(grants::Revoke),
    Rotate(Rotate),
    Backup(backups::BackUp),
    Backups(backups::List),
    Prove(backups::Prove),
    Restore(restore::Restore),
    Copy(restore::Copy),
    Drop(Drop),
}

/// Give a database another password; its pods move over one by one, and no query is lost
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Two logins take turns: the idle one gets the password, the pods are replaced by ones that use
it, and the one before is locked when its last pod is gone. `hops db info` says when.

Examples:
  hops db rotate -a hello -e prod")]
struct Rotate {
    #[command(flatten)]
    of: EnvironmentArguments,
    /// Of several databases, that of this appling
    #[arg(long, value_parser = appling_name)]
    appling: Option<ApplingName>,
}

/// Delete a database and all that is in it; its name is asked for
#[derive(Debug, clap::Args)]
struct Drop {
    #[command(flatten)]
    of: EnvironmentArguments,
    /// The database's name, as `hops db info` shows it; else it is asked for
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

impl Db {
    /// Does what is asked for.
    pub async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let client = context.client()?;
        match self.command {
            DbCommand::Info(of) => info(of, &client, context).await,
            DbCommand::Psql(psql) => psql.run(&client, context).await,
            DbCommand::Grant(give) => give.run(&client, context).await,
            DbCommand::Grants(of) => grants::list(of, &client, context).await,
            DbCommand::Revoke(revoke) => revoke.run(&client, context).await,
            DbCommand::Rotate(rotate) => rotate.run(&client, context).await,
            DbCommand::Backup(backup) => backup.run(&client, context).await,
            DbCommand::Backups(list) => list.run(&client, context).await,
            DbCommand::Prove(prove) => prove.run(&client, context).await,
            DbCommand::Restore(restore) => restore.run(&client, context).await,
            DbCommand::Copy(copy) => copy.run(&client, context).await,
            DbCommand::Drop(drop) => drop.run(&client, context).await,
        }
    }
}

async fn info(
    of: EnvironmentArguments,
    client: &Client,
    context: &mut Context,
) -> Result<(), Failure> {
    let (_, environment, databases) = of.list::<Database>(client, context, "databases").await?;
    let ui = &mut context.ui;
    if ui.is_json() {
        return ui.json(&databases);
    }
    if databases.is_empty() {
        ui.note(format_args!("no databases in {environment} yet"));
        ui.hint("an empty [postgres] in iterapp.toml asks for one");
        return Ok(());
    }
    show(ui, &databases)
}

fn show(ui: &mut Ui, databases: &[Database]) -> Result<(), Failure> {
    let mut table = Table::new([
        "OF",
        "DATABASE",
        "SERVER",
        "SIZE",
        "CONNECTIONS",
        "EXTENSIONS",
        "PASSWORD",
        "LAST BACKUP",
    ]);
    for database in databases {
        let unknown = || "-".to_owned();
        let extensions = database.extensions.iter().flatten();
        let extensions: Vec<&str> = extensions.map(|one| one.name.as_str()).collect();
        let whose = database.appling.as_ref();
        let password = match (database.former, database.rotating) {
            (true, _) => "replaced".to_owned(),
            (false, true) => "rotating".to_owned(),
            (false, false) => {
                time::ago(database.rotated_at.unwrap_or(database.created_at), ui.now())
            }
        };
        table.row([
            whose
                .map_or_else(|| "all".to_owned(), ToString::to_string)
                .into(),
            database.name.clone().into(),
            database.server.clone().into(),
            database.size.map_or_else(unknown, size).into(),
            database
                .connections
                .map_or_else(unknown, |now| {
                    format!("{now} of {}", database.connection_limit)
                })
                .into(),
            match extensions.is_empty() {
                true => unknown(),
                false => extensions.join(" "),
            }
            .into(),
            password.into(),
            backed_up(database, ui).into(),
        ]);
    }
    ui.text(&table.render())?;
    for database in databases {
        if let Some(trouble) = &database.trouble {
            ui.note(format_args!("{}: {trouble}", database.name));
        }
        if database.rotating {
            ui.note(format_args!(
                "{}: the password before works until the last pod that was given it is gone",
                database.name
            ));
        }
    }
    Ok(())
}

/// The moment that the last proved backup holds.
fn backed_up(database: &Database, ui: &Ui) -> String {
    let at = database.backup.as_ref().and_then(|backup| backup.taken_at);
    at.map_or_else(|| "never".to_owned(), |at| time::ago(at, ui.now()))
}

/// Bytes as people read them.
fn size(bytes: i64) -> String {
    let kibibytes = i32::try_from(bytes.max(0) / 1024).unwrap_or(i32::MAX);
    let mebibytes = f64::from(kibibytes) / 1024.0;
    match mebibytes {
        tiny if tiny < 1.0 => format!("{kibibytes} KiB"),
        small if small < 1024.0 => format!("{small:.1} MiB"),
        large => format!("{:.1} GiB", large / 1024.0),
    }
}

impl Rotate {
    async fn run(self, client: &Client, context: &mut Context) -> Result<(), Failure> {
        let Self { of, appling } = self;
        let app = of.app.choose(context, client.url())?;
        let environment = of.environment.to_string();
        let query: Vec<(&str, String)> = appling
            .map(|appling| ("appling", appling.to_string()))
            .into_iter()
            .collect();
        let ask = Ask {
            path: &path_below(&app, &environment, &["databases", "rotate"]),
            query: &query,
        };
        client.change(Method::POST, ask, None::<&()>).await?;
        context.ui.done(format_args!(
            "the password was changed; pods in {environment} move over to it"
        ))
    }
}

impl Drop {
    async fn run(self, client: &Client, context: &mut Context) -> Result<(), Failure> {
        let Self { of, confirm } = self;
        let app = of.app.choose(context, client.url())?;
        let environment = of.environment.to_string();
        let typed = match confirm {
            Some(name) => name,
            None => {
                let databases = all(client, &app, &environment).await?;
                typed_name(context, &databases)?
            }
        };
        let ask = Ask {
            path: &path_below(&app, &environment, &["databases"]),
            query: &[("name", typed.clone())],
        };
        client.change(Method::DELETE, ask, None::<&()>).await?;
        context.ui.done(format_args!("dropped {typed}"))
    }
}

/// The databases of an environment, and those that were.
async fn all(client: &Client, app: &AppName, environment: &str) -> Result<Vec<Database>, Failure> {
    let ask = Ask {
        path: &path_below(app, environment, &["databases"]),
        query: &[],
    };
    client.get(ask).await
}

/// What there is to lose is shown first.
fn typed_name(context: &mut Context, databases: &[Database]) -> Result<String, Failure> {
    let is_shown = std::io::stdin().is_terminal() && !context.ui.is_json();
    if is_shown && !databases.is_empty() {
        show(&mut context.ui, databases)?;
        for database in databases {
            context.ui.note(match &database.backup {
                Some(backup) => format!("{}: {} brings it back", database.name, backup.id),
                None => format!("{}: no proved backup brings it back", database.name),
            });
        }
    }
    let question = "this deletes the database and all that is in it; type its name to go on:";
    typed(
        context,
        question,
        "type the database's name: --confirm NAME",
    )
}

/// Goes on when it was said to, or when somebody at the terminal says so.
fn confirmed(context: &mut Context, yes: bool, question: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let question = format!("{question}; go on? [y/N]");
    match typed(context, &question, "add --yes to go on")?.as_str() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::failed("not_confirmed", "nothing was changed")),
    }
}

/// What somebody at the terminal answers; without one, what to do instead.
fn typed(context: &mut Context, question: &str, instead: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("nobody is there to be asked").hint(instead));
    }
    context.ui.note(question);
    let mut typed = String::new();
    let read = std::io::stdin().lock().read_line(&mut typed);
    read.map_err(|error| Failure::usage("cannot read the answer").cause(error))?;
    Ok(typed.trim().to_owned())
}

//! `hops db backup`, `backups`, `prove`, `restore` and `copy`.

use std::time::Duration;

use iterapp_schema::{AppName, ApplingName, Environment};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::size;
use crate::api::{Asked, Backup, Restore as Restoring};
use crate::cli::client::{ANSWER, Ask, Client};
use crate::cli::failure::Failure;
use crate::cli::table::Table;
use crate::cli::target::{
    AppArgument, EnvironmentArguments, appling_name, environment, id, path_below,
};
use crate::cli::{Context, time};

/// How often one asks whether it is over.
const EVERY: Duration = Duration::from_millis(500);

/// Take a backup of a database, and prove it: it is restored elsewhere and compared
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Waits until the backup is proved; Ctrl-C ends the waiting, not the backup.

Examples:
  hops db backup -a hello -e prod")]
pub struct BackUp {
    #[command(flatten)]
    of: EnvironmentArguments,
    /// Of several databases, that of this appling
    #[arg(long, value_parser = appling_name)]
    appling: Option<ApplingName>,
}

/// Prove a backup once more: restore it elsewhere and compare it with what was dumped
#[derive(Debug, clap::Args)]
pub struct Prove {
    #[command(flatten)]
    of: EnvironmentArguments,
    /// The backup, as `hops db backups` shows it
    #[arg(value_parser = id)]
    backup: Uuid,
}

/// Restore a backup into a new database, which takes the place of the one before
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The backup is restored into a new database and compared with what was dumped; then the pods
are replaced by ones that use it. What was written since the backup is not in it. The database
before stays, until `hops db drop`.

Examples:
  hops db backups -a hello -e prod
  hops db restore -a hello -e prod 4f6c… --yes")]
pub struct Restore {
    #[command(flatten)]
    of: EnvironmentArguments,
    /// The backup, as `hops db backups` shows it
    #[arg(value_parser = id)]
    backup: Uuid,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Give an environment a copy of another one's database
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Takes a backup of the first and restores it in the second, whose database before stays until
`hops db drop`.

Examples:
  hops db copy -a hello prod snap3")]
pub struct Copy {
    #[command(flatten)]
    app: AppArgument,
    /// Of which environment
    #[arg(value_parser = environment)]
    from: Environment,
    /// For which environment
    #[arg(value_parser = environment)]
    to: Environment,
    /// Of several databases, that of this appling
    #[arg(long, value_parser = appling_name)]
    appling: Option<ApplingName>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Show an environment's backups, the newest first, and when each was last proved
#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    of: EnvironmentArguments,
    /// At most so many, up to 10000
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

impl List {
    /// Prints the list.
    pub async fn run(self, client: &Client, context: &mut Context) -> Result<(), Failure> {
        let Self { of, limit } = self;
        let app = of.app.choose(context, client.url())?;
        let environment = of.environment.to_string();
        let ask = Ask {
            path: &path_below(&app, &environment, &["backups"]),
            query: &[("limit", limit.to_string())],
        };
        let backups: Vec<Backup> = client.get(ask).await?;
        show(context, &app, &environment, &backups)?;
        let may_be_more = u32::try_from(backups.len()).is_ok_and(|count| count == limit);
        if may_be_more && !context.ui.is_json() {
            let more = limit.saturating_mul(4).min(10_000);
            context
                .ui
                .hint(format_args!("older ones, if there are: --limit {more}"));
        }
        Ok(())
    }
}

fn show(
    context: &mut Context,
    app: &AppName,
    environment: &str,
    backups: &[Backup],
) -> Result<(), Failure> {
    let ui = &mut context.ui;
    if ui.is_json() {
        return ui.json(&backups);
    }
    if backups.is_empty() {
        ui.note(format_args!("no backups in {environment} yet"));
        ui.hint(format_args!("hops db backup -a {app} -e {environment}"));
        return Ok(());
    }
    let mut table = Table::new([
        "BACKUP",
        "OF",
        "TAKEN",
        "SIZE",
        "ROWS",
        "STATE",
        "LAST PROVED",
        "RESTORE TOOK",
    ]);
    for backup in backups {
        let unknown = || "-".to_owned();
        let whose = backup.appling.as_ref();
        table.row([
            backup.id.to_string().into(),
            whose
                .map_or_else(|| "all".to_owned(), ToString::to_string)
                .into(),
            time::ago(backup.created_at, ui.now()).into(),
            backup.bytes.map_or_else(unknown, size).into(),
            backup
                .rows
                .map_or_else(unknown, |rows| rows.to_string())
                .into(),
            backup.state.clone().into(),
            backup
                .proved_at
                .map_or_else(unknown, |at| time::ago(at, ui.now()))
                .into(),
            backup
                .restore_seconds
                .map_or_else(unknown, |seconds| format!("{seconds:.1} s"))
                .into(),
        ]);
    }
    ui.text(&table.render())?;
    for backup in backups {
        if let Some(reason) = &backup.reason {
            ui.note(format_args!("{}: {reason}", backup.id));
        }
    }
    Ok(())
}

impl BackUp {
    /// Asks for it, and waits until it is proved.
    pub async fn run(self, client: &Client, context: &mut Context) -> Result<(), Failure> {
        let Self { of, appling } = self;
        let app = of.app.choose(context, client.url())?;
        let id = ask(client, &app, of.environment, appling.as_ref()).await?;
        let backup = proved(client, context, &app, of.environment, id).await?;
        tell(context, &backup)
    }
}

async fn ask(
    client: &Client,
    app: &AppName,
    environment: Environment,
    appling: Option<&ApplingName>,
) -> Result<Uuid, Failure> {
    let environment = environment.to_string();
    let query: Vec<(&str, String)> = appling
        .map(|appling| ("appling", appling.to_string()))
        .into_iter()
        .collect();
    let ask = Ask {
        path: &path_below(app, &environment, &["backups"]),
        query: &query,
    };
    let asked: Asked = client.make(ask, ANSWER).await?;
    Ok(asked.id)
}

/// Waits until a backup is proved.
async fn proved(
    client: &Client,
    context: &mut Context,
    app: &AppName,
    environment: Environment,
    id: Uuid,
) -> Result<Backup, Failure> {
    let (environment, id) = (environment.to_string(), id.to_string());
    let mut told = String::new();
    loop {
        let ask = Ask {
            path: &path_below(app, &environment, &["backups", &id]),
            query: &[],
        };
        let backup: Backup = client.get(ask).await?;
        match backup.state.as_str() {
            "proved" if backup.reason.is_none() => return Ok(backup),
            _ if backup.reason.is_some() => {
                let reason = backup.reason.unwrap_or_default();
                return Err(Failure::failed(
                    "backup_failed",
                    format!("the backup failed: {reason}"),
                ));
            }
            state if state != told => {
                context.ui.note(match state {
                    "waiting" => "taking the backup",
                    _ => "proving it: restored elsewhere and compared",
                });
                told = state.to_owned();
            }
            _ => {}
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn tell(context: &mut Context, backup: &Backup) -> Result<(), Failure> {
    if context.ui.is_json() {
        return context.ui.json(backup);
    }
    let (bytes, rows) = (
        backup.bytes.unwrap_or_default(),
        backup.rows.unwrap_or_default(),
    );
    context.ui.line(format_args!(
        "{}: {rows} rows, {}; proved by a restore that took {:.1} s",
        backup.id,
        size(bytes),
        backup.restore_seconds.unwrap_or_default()
    ))
}

impl Prove {
    /// Asks for it, and waits.
    pub async fn run(self, client: &Client, context: &mut Context) -> Result<(), Failure> {
        let Self { of, backup } = self;
        let app = of.app.choose(context, client.url())?;
        let (environment, id) = (of.environment.to_string(), backup.to_string());
        let ask = Ask {
            path: &path_below(&app, &environment, &["backups", &id, "prove"]),
            query: &[],
        };
        client.change(Method::POST, ask, None::<&()>).await?;
        let backup = proved(client, context, &app, of.environment, backup).await?;
        tell(context, &backup)
    }
}

impl Restore {
    /// Asks, restores and waits.
    pub async fn run(self, client: &Client, context: &mut Context) -> Result<(), Failure> {
        let Self { of, backup, yes } = self;
        let app = of.app.choose(context, client.url())?;
        let question = format!(
            "{app}'s database in {} becomes what it was in this backup; what was written since is left behind",
            of.environment
        );
        super::confirmed(context, yes, &question)?;
        restore(
            client,
            context,
            &app,
            of.environment,
            backup,
            of.environment,
        )
        .await
    }
}

async fn restore(
    client: &Client,
    context: &mut Context,
    app: &AppName,
    from: Environment,
    backup: Uuid,
    to: Environment,
) -> Result<(), Failure> {
    let (environment, id) = (from.to_string(), backup.to_string());
    let query = [("environment", to.to_string())];
    let ask = Ask {
        path: &path_below(app, &environment, &["backups", &id, "restore"]),
        query: &query,
    };
    let asked: Asked = client.make(ask, ANSWER).await?;
    context
        .ui
        .note("restoring it into a new database, which is compared with what was dumped");
    let id = asked.id.to_string();
    loop {
        let ask = Ask {
            path: &["apps", app.as_ref(), "restores", &id],
            query: &[],
        };
        let restore: Restoring = client.get(ask).await?;
        if let Some(reason) = restore.reason {
            return Err(Failure::failed(
                "not_restored",
                format!("not restored: {reason}"),
            ));
        }
        if restore.ended {
            let what = format!("restored; pods in {to} move over to the new database");
            return match context.ui.is_json() {
                true => context.ui.json(&json!({ "restore": restore.id })),
                false => context.ui.done(what),
            };
        }
        tokio::time::sleep(EVERY).await;
    }
}

impl Copy {
    /// Asks, takes a backup of the one and restores it in the other.
    pub async fn run(self, client: &Client, context: &mut Context) -> Result<(), Failure> {
        let Self {
            app,
            from,
            to,
            appling,
            yes,
        } = self;
        if from == to {
            return Err(Failure::usage("a copy goes to another environment"));
        }
        let app = app.choose(context, client.url())?;
        let question = format!("{app}'s database in {to} becomes a copy of the one in {from}");
        super::confirmed(context, yes, &question)?;
        let id = ask(client, &app, from, appling.as_ref()).await?;
        proved(client, context, &app, from, id).await?;
        restore(client, context, &app, from, id, to).await
    }
}

//! `hops db backup`, `backups` and `prove`.

use std::time::Duration;

use iterapp_schema::{AppName, ApplingName, Environment};
use jiff::SignedDuration;
use reqwest::Method;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use uuid::Uuid;

use super::size;
use crate::api::{Asked, Backup};
use crate::cli::client::{ANSWER, Ask, Client};
use crate::cli::failure::Failure;
use crate::cli::patience::Patience;
use crate::cli::table::Table;
use crate::cli::target::{EnvironmentArguments, appling_name, id, path_below};
use crate::cli::ui::Ui;
use crate::cli::{Context, time};

/// How often one asks whether it is over.
const EVERY: Duration = Duration::from_millis(500);
/// How often one says that it is not.
const STILL: Duration = Duration::from_secs(30);

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
            backup.taken_at.map_or_else(unknown, time::minute).into(),
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
        let id = ask_for(client, &app, of.environment, named(&appling)).await?;
        let backup = proved(client, context, &app, of.environment, id).await?;
        tell(context, &backup)
    }
}

/// The name of an appling, if one was given.
pub fn named(appling: &Option<ApplingName>) -> Option<&str> {
    appling.as_ref().map(AsRef::as_ref)
}

/// Asks for a backup of an appling's database, of the one that all share (an empty name), or of the only one.
pub async fn ask_for(
    client: &Client,
    app: &AppName,
    environment: Environment,
    appling: Option<&str>,
) -> Result<Uuid, Failure> {
    let environment = environment.to_string();
    let query: Vec<(&str, String)> = appling
        .map(|appling| ("appling", appling.to_owned()))
        .into_iter()
        .collect();
    let ask = Ask {
        path: &path_below(app, &environment, &["backups"]),
        query: &query,
    };
    let asked: Asked = client.make(ask, ANSWER).await?;
    Ok(asked.id)
}

/// Asks for what lies below a path, again and again, until it is as is waited for.
pub async fn wait<T: DeserializeOwned, D>(
    client: &Client,
    ui: &mut Ui,
    path: &[&str],
    mut ended: impl FnMut(&mut Ui, T) -> Result<Option<D>, Failure>,
) -> Result<D, Failure> {
    let mut patience = Patience::default();
    let begun = Instant::now();
    let mut told = begun;
    loop {
        match client.get(Ask { path, query: &[] }).await {
            Ok(found) => {
                patience.reached();
                if let Some(done) = ended(ui, found)? {
                    return Ok(done);
                }
            }
            Err(failure) => patience.endure(ui, failure)?,
        }
        if told.elapsed() >= STILL {
            told = Instant::now();
            let seconds = begun.elapsed().as_secs().try_into().unwrap_or(i64::MAX);
            let waited = time::took(SignedDuration::from_secs(seconds));
            ui.note(format_args!("still at it, after {waited}"));
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Waits until a backup is proved.
pub async fn proved(
    client: &Client,
    context: &mut Context,
    app: &AppName,
    environment: Environment,
    id: Uuid,
) -> Result<Backup, Failure> {
    let (environment, id) = (environment.to_string(), id.to_string());
    context.ui.note(format_args!(
        "backup {id}; Ctrl-C ends the waiting, not the backup"
    ));
    let mut told = String::new();
    let path = path_below(app, &environment, &["backups", &id]);
    wait(client, &mut context.ui, &path, |ui, backup: Backup| {
        if let Some(reason) = &backup.reason {
            return Err(not_proved(app, &environment, &backup, reason));
        }
        if backup.state != told {
            told.clone_from(&backup.state);
            match told.as_str() {
                "waiting" => ui.note("taking it, when its turn comes"),
                "taken" => ui.note("proving it: restored elsewhere and compared"),
                _ => {}
            }
        }
        Ok((backup.state == "proved").then_some(backup))
    })
    .await
}

fn not_proved(app: &AppName, environment: &str, backup: &Backup, reason: &str) -> Failure {
    let code = "backup_failed";
    match backup.state.as_str() {
        // The dump may be as good as ever: it was the proof that could not be made.
        "taken" | "proved" => {
            let message = format!("the backup was taken, and could not be proved: {reason}");
            let again = format!("hops db prove -a {app} -e {environment} {}", backup.id);
            Failure::failed(code, message).hint(format!("again: {again}"))
        }
        _ => Failure::failed(code, format!("the backup failed: {reason}")),
    }
}

fn tell(context: &mut Context, backup: &Backup) -> Result<(), Failure> {
    if context.ui.is_json() {
        return context.ui.json(backup);
    }
    context.ui.line(format_args!(
        "{}: {}; proved by a restore that took {:.1} s",
        backup.id,
        described(backup),
        backup.restore_seconds.unwrap_or_default()
    ))
}

/// What is in it, in a few words.
pub fn described(backup: &Backup) -> String {
    let (bytes, rows) = (
        backup.bytes.unwrap_or_default(),
        backup.rows.unwrap_or_default(),
    );
    format!("{rows} rows, {}", size(bytes))
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

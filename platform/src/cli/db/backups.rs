//! `hops db backup`, `backups`, `prove`, `restore` and `copy`.

use std::time::Duration;

use iterapp_schema::{AppName, ApplingName, Environment};
use jiff::SignedDuration;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::size;
use crate::api::{Asked, Backup, Database, Restore as Restoring};
use crate::cli::client::{ANSWER, Ask, Client};
use crate::cli::failure::Failure;
use crate::cli::patience::Patience;
use crate::cli::table::Table;
use crate::cli::target::{
    AppArgument, EnvironmentArguments, appling_name, environment, id, path_below,
};
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

/// Restore a backup into a new database, which takes the place of the one before
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is there is backed up first: that is the way back. The backup is then restored into a new
database and compared with what was dumped, and the pods are replaced by ones that use it; until
the last old one is gone, the app may still write to the database before. What was written since
the backup is not in it. The database before stays until `hops db drop`.

Examples:
  hops db backups -a hello -e prod
  hops db restore -a hello -e prod 4f6c… --yes")]
pub struct Restore {
    #[command(flatten)]
    of: EnvironmentArguments,
    /// The backup, as `hops db backups` shows it
    #[arg(value_parser = id)]
    backup: Uuid,
    /// Do not back up what is there: there is no way back then
    #[arg(long)]
    no_backup: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Give an environment a copy of another one's database
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Takes a backup of the first and restores it in the second, whose own database is backed up
before and stays until `hops db drop`.

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
    /// Do not back up what is there: there is no way back then
    #[arg(long)]
    no_backup: bool,
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

fn named(appling: &Option<ApplingName>) -> Option<&str> {
    appling.as_ref().map(AsRef::as_ref)
}

/// Asks for a backup of an appling's database, of the one that all share (an empty name), or of the only one.
async fn ask_for(
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
async fn wait<T: DeserializeOwned, D>(
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
async fn proved(
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
fn described(backup: &Backup) -> String {
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

impl Restore {
    /// Asks, restores and waits.
    pub async fn run(self, client: &Client, context: &mut Context) -> Result<(), Failure> {
        let Self {
            of,
            backup,
            no_backup,
            yes,
        } = self;
        let app = of.app.choose(context, client.url())?;
        let (environment, id) = (of.environment.to_string(), backup.to_string());
        let ask = Ask {
            path: &path_below(&app, &environment, &["backups", &id]),
            query: &[],
        };
        let backup: Backup = client.get(ask).await?;
        let moment = backup.taken_at.map_or_else(String::new, |at| {
            format!(" at {}, with {}", time::minute(at), described(&backup))
        });
        let question = format!(
            "{app}'s database in {environment} becomes what it was{moment}; what was written since is left behind"
        );
        super::confirmed(context, yes, &question)?;
        let target = Target {
            app: &app,
            environment: of.environment,
            appling: backup.appling.as_ref(),
        };
        let before = match no_backup {
            true => None,
            false => target.back_up(client, context).await?,
        };
        target
            .restore(client, context, (of.environment, backup.id), before)
            .await
    }
}

/// The database that is to have another one's place taken.
struct Target<'a> {
    app: &'a AppName,
    environment: Environment,
    appling: Option<&'a ApplingName>,
}

impl Target<'_> {
    /// Backs up what is there, if anything is that can be: the way back.
    async fn back_up(
        &self,
        client: &Client,
        context: &mut Context,
    ) -> Result<Option<Uuid>, Failure> {
        let (app, environment) = (self.app, self.environment.to_string());
        let ask = Ask {
            path: &path_below(app, &environment, &["databases"]),
            query: &[],
        };
        let databases: Vec<Database> = client.get(ask).await?;
        let is_it = |one: &&Database| !one.former && one.appling.as_ref() == self.appling;
        let Some(there) = databases.iter().find(is_it) else {
            return Ok(None);
        };
        let no_way_back = "without it there is no way back; --no-backup goes on all the same";
        if let Some(trouble) = &there.trouble {
            let message = format!("what is in {environment} cannot be backed up: {trouble}");
            return Err(Failure::failed("backup_failed", message).hint(no_way_back));
        }
        context
            .ui
            .note(format_args!("a backup of what is in {environment} first"));
        let appling = self.appling.map_or("", AsRef::as_ref);
        let id = ask_for(client, app, self.environment, Some(appling)).await?;
        let proved = proved(client, context, app, self.environment, id).await;
        let backup = proved.map_err(|failure| {
            let hints = failure.hint.iter().cloned().chain([no_way_back.to_owned()]);
            let hints: Vec<String> = hints.collect();
            failure.hint(hints.join("\n"))
        })?;
        context.ui.note(format_args!(
            "the way back: hops db restore -a {app} -e {environment} {}",
            backup.id
        ));
        Ok(Some(backup.id))
    }

    /// Has a backup of an environment restored in its place, and waits.
    async fn restore(
        &self,
        client: &Client,
        context: &mut Context,
        (from, backup): (Environment, Uuid),
        before: Option<Uuid>,
    ) -> Result<(), Failure> {
        let (app, to) = (self.app, self.environment);
        let (environment, id) = (from.to_string(), backup.to_string());
        let ask = Ask {
            path: &path_below(app, &environment, &["backups", &id, "restore"]),
            query: &[("environment", to.to_string())],
        };
        let asked: Asked = client.make(ask, ANSWER).await?;
        let ui = &mut context.ui;
        ui.note("restoring it into a new database, which is compared with what was dumped; Ctrl-C ends the waiting, not the restore");
        let id = asked.id.to_string();
        let path = ["apps", app.as_ref(), "restores", &id];
        let restore = wait(client, ui, &path, |_, restore: Restoring| {
            match &restore.reason {
                Some(reason) => {
                    let message = format!("not restored: {reason}");
                    Err(Failure::failed("not_restored", message))
                }
                None => Ok(restore.ended.then_some(restore)),
            }
        });
        let restore = restore.await?;
        if ui.is_json() {
            return ui.json(&json!({ "restore": restore.id, "backup_before": before }));
        }
        ui.done(format_args!(
            "restored; pods in {to} move over to the new database"
        ))?;
        ui.hint(format_args!(
            "the one before stays: hops db info and hops db drop -a {app} -e {to}"
        ));
        Ok(())
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
            no_backup,
            yes,
        } = self;
        if from == to {
            return Err(Failure::usage("a copy goes to another environment"));
        }
        let app = app.choose(context, client.url())?;
        confirmed_copy(context, &app, (from, to), yes)?;
        let id = ask_for(client, &app, from, named(&appling)).await?;
        let backup = proved(client, context, &app, from, id).await?;
        let target = Target {
            app: &app,
            environment: to,
            appling: backup.appling.as_ref(),
        };
        let before = match no_backup {
            true => None,
            false => target.back_up(client, context).await?,
        };
        target.restore(client, context, (from, id), before).await
    }
}

/// A copy over what is in prod takes more than a letter: the two are easily mixed up.
fn confirmed_copy(
    context: &mut Context,
    app: &AppName,
    (from, to): (Environment, Environment),
    yes: bool,
) -> Result<(), Failure> {
    let what = format!("{app}'s database in {to} becomes a copy of the one in {from}");
    if yes || to != Environment::Prod {
        return super::confirmed(context, yes, &what);
    }
    let question = format!("{what}; type the app's name to go on:");
    match super::typed(context, &question, "add --yes to go on")?.trim() == app.as_ref() {
        true => Ok(()),
        false => Err(Failure::failed("not_confirmed", "nothing was changed")),
    }
}

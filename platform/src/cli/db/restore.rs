//! `hops db restore` and `copy`: a backup takes the place of what is there.

use iterapp_schema::{AppName, ApplingName, Environment};
use serde_json::json;
use uuid::Uuid;

use super::backups::{ask_for, described, named, proved, wait};
use crate::api::{Asked, Backup, Database, Restore as Restoring};
use crate::cli::client::{ANSWER, Ask, Client};
use crate::cli::failure::Failure;
use crate::cli::target::{
    AppArgument, EnvironmentArguments, appling_name, environment, id, path_below,
};
use crate::cli::{Context, time};

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
        let backup = (of.environment, backup.id);
        target.restore(client, context, backup, no_backup).await
    }
}

/// The database that is to have another one's place taken.
struct Target<'a> {
    app: &'a AppName,
    environment: Environment,
    appling: Option<&'a ApplingName>,
}

impl Target<'_> {
    /// Backs up what is there, if anything is: the way back.
    async fn back_up(
        &self,
        client: &Client,
        context: &mut Context,
    ) -> Result<Option<Uuid>, Failure> {
        let (app, environment) = (self.app, self.environment.to_string());
        let databases = super::all(client, app, &environment).await?;
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

    /// Has a backup of an environment restored in its place, once that is backed up itself, and waits.
    async fn restore(
        &self,
        client: &Client,
        context: &mut Context,
        (from, backup): (Environment, Uuid),
        no_backup: bool,
    ) -> Result<(), Failure> {
        let before = match no_backup {
            true => None,
            false => self.back_up(client, context).await?,
        };
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
        target.restore(client, context, (from, id), no_backup).await
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

//! `hops status`.

use futures::{StreamExt, TryStreamExt};
use iterapp_schema::AppName;

use crate::api::{App, AppStatus, EnvironmentStatus, Release, ReleaseState, RunningAppling};

use super::Context;
use super::client::{Ask, Client};
use super::failure::Failure;
use super::harmless;
use super::release_view::{reasons, short, short_reference, subject};
use super::style::{BAD, FAINT, GOOD, STRONG, UNDERWAY, paint, release_state};
use super::table::{Cell, Table};
use super::target::AppArgument;
use super::time;
use super::ui::Ui;

/// Show what runs where
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hops status              the app of this folder, or else all apps
  hops status -a hello
  hops status --all --json")]
pub struct Status {
    #[command(flatten)]
    app: AppArgument,
    /// All apps, also in an app's folder
    #[arg(long, conflicts_with = "app")]
    all: bool,
}

impl Status {
    /// Prints one app's environments, or every app's.
    pub async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let client = context.client()?;
        let app = match self.all {
            true => None,
            false => self.app.find(context, client.url())?,
        };
        match app {
            Some(app) => one(&client, &mut context.ui, &app).await,
            None => all(&client, &mut context.ui).await,
        }
    }
}

/// What runs of an app.
pub async fn of_app(client: &Client, app: &AppName) -> Result<AppStatus, Failure> {
    let path = ["apps", app.as_ref(), "status"];
    client
        .get(Ask {
            path: &path,
            query: &[],
        })
        .await
}

async fn one(client: &Client, ui: &mut Ui, app: &AppName) -> Result<(), Failure> {
    let status = of_app(client, app).await?;
    match ui.is_json() {
        true => ui.json(&status),
        false => print(ui, &status),
    }
}

async fn all(client: &Client, ui: &mut Ui) -> Result<(), Failure> {
    let apps: Vec<App> = client
        .get(Ask {
            path: &["apps"],
            query: &[],
        })
        .await?;
    let asked = futures::stream::iter(&apps)
        .map(|app| of_app(client, &app.name))
        .buffered(8);
    let statuses: Vec<AppStatus> = asked.try_collect().await?;
    if ui.is_json() {
        return ui.json(&statuses);
    }
    if statuses.is_empty() {
        super::apps::none_yet(ui);
    }
    for (position, status) in statuses.iter().enumerate() {
        if position > 0 {
            ui.line("")?;
        }
        print(ui, status)?;
    }
    Ok(())
}

fn print(ui: &mut Ui, status: &AppStatus) -> Result<(), Failure> {
    let AppStatus { app, environments } = status;
    let branch = app
        .default_branch
        .as_deref()
        .map(|branch| format!(", default branch {branch}"));
    let from = super::apps::origin(app) + &branch.unwrap_or_default();
    ui.line(format_args!(
        "{}  {}",
        paint(STRONG, &app.name),
        paint(FAINT, harmless::text(&from))
    ))?;
    if environments.is_empty() {
        ui.line("\n  no releases yet")?;
        ui.hint(format_args!(
            "hops apps show {} says how to make the first one",
            app.name
        ));
    }
    let mut environments: Vec<&EnvironmentStatus> = environments.iter().collect();
    environments.sort_by_key(|status| status.environment);
    environments
        .into_iter()
        .try_for_each(|environment| print_environment(ui, environment))
}

fn print_environment(ui: &mut Ui, status: &EnvironmentStatus) -> Result<(), Failure> {
    let EnvironmentStatus {
        environment,
        namespace,
        release,
        applings,
    } = status;
    let name = paint(STRONG, environment);
    ui.line(format_args!(
        "\n  {name}  {}",
        paint(FAINT, harmless::text(namespace))
    ))?;
    if let Some(release) = release {
        ui.text(&release_table(release, ui).render())?;
    }
    if !applings.is_empty() {
        ui.line("")?;
        ui.text(&applings_table(applings).render())?;
    }
    match release {
        Some(release) if release.state == ReleaseState::Failed => reasons(ui, release, "    "),
        _ => Ok(()),
    }
}

fn release_table(release: &Release, ui: &Ui) -> Table {
    let mut table =
        Table::new(["RELEASE", "STATE", "REF", "COMMIT", "WHEN", "SUBJECT"]).indented(4);
    table.row([
        release.number.to_string().into(),
        release_state(release),
        short_reference(&release.reference).into(),
        short(&release.commit).into(),
        time::ago(release.created_at, ui.now()).into(),
        subject(release).into(),
    ]);
    table
}

fn applings_table(applings: &[RunningAppling]) -> Table {
    let mut table = Table::new(["APPLING", "PODS", "RELEASE", "COMMIT", "ADDRESS"]).indented(4);
    for appling in applings {
        table.row([
            named(appling).into(),
            pods(appling),
            appling.release.to_string().into(),
            short(&appling.commit).into(),
            appling.urls.join(" ").into(),
        ]);
    }
    table
}

fn named(appling: &RunningAppling) -> String {
    match &appling.emoji {
        Some(emoji) => format!("{} {emoji}", appling.name),
        None => appling.name.to_string(),
    }
}

/// Ready pods of wanted ones.
fn pods(appling: &RunningAppling) -> Cell {
    let RunningAppling {
        replicas,
        ready,
        not_ready,
        ..
    } = appling;
    let Some(ready) = ready else {
        return Cell::styled(format!("?/{replicas}"), UNDERWAY);
    };
    // Those of before serve on when the ones that replace them do not come up.
    if let Some(others @ 1..) = not_ready
        && ready >= replicas
    {
        return Cell::styled(format!("{ready}/{replicas}, {others} not ready"), UNDERWAY);
    }
    let style = match ready {
        _ if ready >= replicas => GOOD,
        0 => BAD,
        _ => UNDERWAY,
    };
    Cell::styled(format!("{ready}/{replicas}"), style)
}

//! `hops logs`.

use std::collections::VecDeque;
use std::str::FromStr;

use iterapp_schema::{AppName, ApplingName, Environment};

use crate::api::{LogLine, Release};

use super::client::{Ask, Client};
use super::failure::{Exit, Failure};
use super::follow::{Follower, until_interrupted};
use super::release_view::headline;
use super::style::release_state;
use super::target::{AppArgument, appling_name, environment};
use super::ui::Ui;
use super::{Context, log_view};

/// Show what an app's pods say, or how a release went
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hops logs -a hello                         the last lines of the pods in test
  hops logs -a hello -e prod --follow        of those in prod, as they come
  hops logs -a hello --release 12            release 12: the platform's steps and the builds
  hops logs -a hello --release latest --follow
  hops logs -a hello --build --appling web   the latest build of one appling")]
pub struct Logs {
    #[command(flatten)]
    app: AppArgument,
    /// Of this environment; test if it is not said. With --release latest: the latest there
    #[arg(short = 'e', long, value_parser = environment)]
    environment: Option<Environment>,
    /// The log of this release, instead of the pods'
    #[arg(long, value_name = "N|latest")]
    release: Option<Which>,
    /// Only the builds' output; without --release, of the latest release
    #[arg(long)]
    build: bool,
    /// Only this appling
    #[arg(long, value_parser = appling_name)]
    appling: Option<ApplingName>,
    /// Only the last lines; of pods, the last 100 of each if it is not said
    #[arg(short = 'n', long, value_name = "N")]
    tail: Option<u32>,
    /// Go on as lines come; a release's log ends with the release
    #[arg(short = 'f', long)]
    follow: bool,
    /// Say when each line was written
    #[arg(short = 't', long)]
    timestamps: bool,
}

/// Which release.
#[derive(Debug, Clone, Copy)]
enum Which {
    Latest,
    Number(i64),
}

impl FromStr for Which {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .map(Self::Number);
        match text {
            "latest" => Ok(Self::Latest),
            _ => number.ok_or("it is a release's number, or latest"),
        }
    }
}

/// So many lines of the pods when it is not said how many.
const POD_LINES: u32 = 100;

impl Logs {
    /// Prints the log.
    pub async fn run(mut self, context: &mut Context) -> Result<(), Failure> {
        let client = context.client()?;
        let app = std::mem::take(&mut self.app).choose(context, client.url())?;
        let ui = &mut context.ui;
        let which = self.release.or(self.build.then_some(Which::Latest));
        let telling = async {
            match which {
                Some(which) => self.of_release(&client, ui, &app, which).await,
                None => self.of_pods(&client, ui, &app).await,
            }
        };
        let told = until_interrupted(telling).await;
        told.unwrap_or_else(|| Err(Failure::new(Exit::Interrupted, "interrupted", "")))
    }

    async fn of_pods(&self, client: &Client, ui: &mut Ui, app: &AppName) -> Result<(), Failure> {
        let environment = self.environment.unwrap_or(Environment::Test).to_string();
        let path = ["apps", app.as_ref(), "environments", &environment, "logs"];
        let mut query = vec![("tail", self.tail.unwrap_or(POD_LINES).to_string())];
        query.extend(
            self.appling
                .as_ref()
                .map(|appling| ("appling", appling.to_string())),
        );
        if self.follow {
            query.push(("follow", "true".to_owned()));
            let tell = |ui: &mut Ui, line: &LogLine| self.print(ui, line);
            return Follower::new(client, ui, tell).pods(&path, &query).await;
        }
        let lines = read(
            client,
            Ask {
                path: &path,
                query: &query,
            },
        )
        .await?;
        if lines.is_empty() {
            ui.note(format_args!(
                "the pods of {app} in {environment} have said nothing"
            ));
            ui.hint(format_args!("hops status -a {app} shows what runs"));
        }
        lines.iter().try_for_each(|line| self.print(ui, line))
    }

    async fn of_release(
        &self,
        client: &Client,
        ui: &mut Ui,
        app: &AppName,
        which: Which,
    ) -> Result<(), Failure> {
        let release = find(client, app, self.environment, which).await?;
        if self.tail.is_some() || self.build || self.appling.is_some() {
            // Else the log's own first line says it.
            ui.note(headline(&release));
        }
        let id = release.id.to_string();
        let path = ["releases", &id, "log"];
        let lines = match self.tail {
            None if self.follow => Vec::new(),
            _ => {
                read(
                    client,
                    Ask {
                        path: &path,
                        query: &[],
                    },
                )
                .await?
            }
        };
        let wanted: VecDeque<&LogLine> = lines.iter().filter(|line| self.wants(line)).collect();
        let left_out = self
            .tail
            .map_or(0, |tail| wanted.len().saturating_sub(tail as usize));
        wanted
            .iter()
            .skip(left_out)
            .try_for_each(|line| self.print(ui, line))?;
        let release = match self.follow {
            true => self.follow_release(client, ui, &release, &lines).await?,
            false => release,
        };
        ui.note(format_args!(
            "release {}: {}",
            release.number,
            release_state(&release)
        ));
        Ok(())
    }

    async fn follow_release(
        &self,
        client: &Client,
        ui: &mut Ui,
        release: &Release,
        told: &[LogLine],
    ) -> Result<Release, Failure> {
        let tell = |ui: &mut Ui, line: &LogLine| match self.wants(line) {
            true => self.print(ui, line),
            false => Ok(()),
        };
        let mut follower = Follower::new(client, ui, tell);
        told.iter().for_each(|line| follower.skip(line));
        follower.release(release).await
    }

    fn wants(&self, line: &LogLine) -> bool {
        let appling = self.appling.is_none() || line.appling == self.appling;
        appling && (!self.build || line.source == "build")
    }

    fn print(&self, ui: &mut Ui, line: &LogLine) -> Result<(), Failure> {
        match ui.is_json() {
            true => ui.json_line(line),
            false => ui.line(log_view::shown(line, self.timestamps)),
        }
    }
}

async fn read(client: &Client, ask: Ask<'_>) -> Result<Vec<LogLine>, Failure> {
    let mut stream = client.lines(ask).await?;
    let mut lines = Vec::new();
    let broken =
        |error| Failure::failed("broken", "the log could not be read to its end").cause(error);
    while let Some(line) = stream.next().await.map_err(broken)? {
        lines.push(line);
    }
    Ok(lines)
}

async fn find(
    client: &Client,
    app: &AppName,
    environment: Option<Environment>,
    which: Which,
) -> Result<Release, Failure> {
    let number = match which {
        Which::Number(number) => number.to_string(),
        Which::Latest => return latest(client, app, environment).await,
    };
    let path = ["apps", app.as_ref(), "releases", &number];
    let release: Release = client
        .get(Ask {
            path: &path,
            query: &[],
        })
        .await?;
    match environment {
        Some(environment) if environment != release.environment => {
            let message = format!("release {number} of {app} is not to {environment}");
            Err(Failure::usage(message).cause(format!("it is to {}", release.environment)))
        }
        _ => Ok(release),
    }
}

async fn latest(
    client: &Client,
    app: &AppName,
    environment: Option<Environment>,
) -> Result<Release, Failure> {
    let path = ["apps", app.as_ref(), "releases"];
    let mut query = vec![("limit", "1".to_owned())];
    query.extend(environment.map(|environment| ("environment", environment.to_string())));
    let mut releases: Vec<Release> = client
        .get(Ask {
            path: &path,
            query: &query,
        })
        .await?;
    releases.pop().ok_or_else(|| {
        let place = environment
            .map(|environment| format!(" to {environment}"))
            .unwrap_or_default();
        Failure::failed("no_release", format!("{app} has no release{place} yet"))
            .hint(format!("hops releases -a {app}"))
    })
}

//! `hops deploy`.

use std::time::Duration;

use iterapp_schema::{AppName, Environment};

use crate::api::{CreateRelease, Release};

use super::client::{Client, FETCHING_ANSWER};
use super::failure::{Exit, Failure};
use super::follow::{Follower, until_interrupted};
use super::release_view::{ended, headline, log_command, verdict};
use super::target::{AppArgument, environment};
use super::ui::Ui;
use super::{Context, log_view, time};

/// Bring a branch, a tag or a commit to an environment
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Deploy {
    #[command(flatten)]
    app: AppArgument,
    /// Where to: prod, test, or snap0 to snap9
    #[arg(short = 'e', long, value_parser = environment)]
    environment: Environment,
    /// A branch, a tag or a commit
    #[arg(short = 'r', long = "ref", value_name = "REF")]
    reference: String,
    /// Tell how it goes, and wait until it has ended
    #[arg(long)]
    wait: bool,
    /// How long to wait; the release goes on after that
    #[arg(long, value_name = "DURATION", default_value = "30m", requires = "wait", value_parser = time::parse_duration)]
    timeout: Duration,
}

const AFTER_HELP: &str = "\
Examples:
  hops deploy -a hello -e prod -r main --wait
  hops deploy -e snap3 -r my-feature           the app is that of this folder
  hops deploy -a hello -e prod -r v1.4 --wait --timeout 10m

All applings of the app are deployed. Without --wait the command ends as soon as the release
is accepted. With it, the exit code is 0 only if every appling is live; Ctrl-C stops the
telling, not the release.";

impl Deploy {
    /// Asks for the release, and tells how it goes if that is wanted.
    pub async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let client = context.client()?;
        let app = self.app.choose(context, client.url())?;
        let environment = self.environment.to_string();
        let path = [
            "apps",
            app.as_ref(),
            "environments",
            &environment,
            "releases",
        ];
        let body = CreateRelease {
            reference: self.reference,
        };
        let release = client
            .post(&path, &body, FETCHING_ANSWER)
            .await
            .map_err(|failure| unsure(failure, &app))?;
        if !self.wait {
            return accepted(&mut context.ui, &release);
        }
        let release = wait(&client, &mut context.ui, &release, self.timeout).await?;
        if context.ui.is_json() {
            context.ui.json(&release)?;
        } else {
            ended(&mut context.ui, &release)?;
        }
        verdict(&release)
    }
}

fn accepted(ui: &mut Ui, release: &Release) -> Result<(), Failure> {
    if ui.is_json() {
        return ui.json(release);
    }
    ui.line(headline(release))?;
    let command = log_command(&release.app, release.number);
    ui.hint(format_args!("{command} --follow"));
    Ok(())
}

async fn wait(
    client: &Client,
    ui: &mut Ui,
    release: &Release,
    limit: Duration,
) -> Result<Release, Failure> {
    let tell = |ui: &mut Ui, line: &_| {
        ui.note(log_view::shown(line, false));
        Ok(())
    };
    let mut follower = Follower::new(client, ui, tell);
    let following = tokio::time::timeout(limit, follower.release(release));
    match until_interrupted(async { Ok(following.await) }).await {
        Some(Ok(Ok(ended))) => ended.map_err(|failure| goes_on(failure, release)),
        Some(Ok(Err(_))) => Err(too_long(release, limit)),
        Some(Err(failure)) => Err(failure),
        None => {
            let command = log_command(&release.app, release.number);
            ui.note(format_args!(
                "\nrelease {} goes on; to follow it again:",
                release.number
            ));
            ui.note(format_args!("  {command} --follow"));
            Err(Failure::new(Exit::Interrupted, "interrupted", ""))
        }
    }
}

fn too_long(release: &Release, limit: Duration) -> Failure {
    let limit = time::took(limit.try_into().unwrap_or_default());
    let message = format!(
        "release {} has not ended within {limit}; it goes on",
        release.number
    );
    let command = log_command(&release.app, release.number);
    Failure::failed("timeout", message).hint(format!("{command} --follow"))
}

/// A failure of following says nothing about the release.
fn goes_on(failure: Failure, release: &Release) -> Failure {
    let command = log_command(&release.app, release.number);
    let hint = failure
        .hint
        .clone()
        .map(|hint| hint + "\n")
        .unwrap_or_default();
    failure.hint(format!(
        "{hint}the release goes on without this; to follow it again:\n{command} --follow"
    ))
}

fn unsure(failure: Failure, app: &AppName) -> Failure {
    match failure.code.as_str() {
        "no_answer" => failure.hint(format!(
            "the release may have been accepted all the same: hops releases -a {app}"
        )),
        _ => failure,
    }
}

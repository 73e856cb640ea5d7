//! `hops releases`.

use iterapp_schema::Environment;

use crate::api::Release;

use super::Context;
use super::client::Ask;
use super::failure::Failure;
use super::release_view::table;
use super::target::{AppArgument, environment};

/// List an app's releases, the newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hops releases -a hello
  hops releases -a hello -e prod --limit 5
  hops releases -a hello --json")]
pub struct Releases {
    #[command(flatten)]
    app: AppArgument,
    /// Only those to this environment
    #[arg(short = 'e', long, value_parser = environment)]
    environment: Option<Environment>,
    /// At most so many, up to 200
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
}

impl Releases {
    /// Prints the list.
    pub async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let client = context.client()?;
        let app = self.app.choose(context, client.url())?;
        let mut query = vec![("limit", self.limit.to_string())];
        query.extend(
            self.environment
                .map(|environment| ("environment", environment.to_string())),
        );
        let path = ["apps", app.as_ref(), "releases"];
        let releases: Vec<Release> = client
            .get(Ask {
                path: &path,
                query: &query,
            })
            .await?;
        let ui = &mut context.ui;
        if ui.is_json() {
            return ui.json(&releases);
        }
        if releases.is_empty() {
            let environment = self
                .environment
                .map_or_else(|| "test".to_owned(), |e| e.to_string());
            ui.note("no releases yet");
            ui.hint(format_args!(
                "hops deploy -a {app} -e {environment} -r main, or push to the default branch"
            ));
        } else {
            let table = table(&releases, ui).render();
            ui.text(&table)?;
        }
        Ok(())
    }
}

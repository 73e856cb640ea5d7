//! `hops seal`: a value for `iterapp.toml` that only the platform can open.

mod rekey;

use std::path::PathBuf;

use iterapp_schema::Environment;
use serde_json::json;

use crate::api::SealingKey;
use crate::secrets::sealed::{PublicKey, Scope};

use super::Context;
use super::client::Ask;
use super::failure::Failure;
use super::login::value_from_stdin;
use super::target::{AppArgument, environment};

/// Seal a secret value for iterapp.toml, so that only the platform can open it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The value is asked for, or read from stdin; one line break at its end is left out. With
--sealing-key nobody is asked and no token is needed: `hops seal --show-key` prints the
platform's, which is no secret. The value opens for the app alone, and with -e in one of
its environments alone.

Examples:
  hops seal -a hello                       asks, and prints { encrypted = \"…\" }
  hops seal -a hello -e prod < key.pem
  hops seal -a hello --sealing-key KEY < token
  hops seal -a hello --rekey .             after the platform has got a new key")]
pub struct Seal {
    #[command(flatten)]
    app: AppArgument,
    /// For this environment alone: prod, test, or snap0 to snap9
    #[arg(short = 'e', long, value_parser = environment)]
    environment: Option<Environment>,
    /// The platform's public key, else HOPS_SEALING_KEY, else the platform is asked for it
    #[arg(long, value_name = "KEY")]
    sealing_key: Option<PublicKey>,
    /// Print the platform's public key, and seal nothing
    #[arg(long, conflicts_with_all = ["environment", "sealing_key"])]
    show_key: bool,
    /// Seal the values anew that stand in the iterapp.toml files of this repository, with the
    /// platform's newest key; everything else in the files stays as it is
    #[arg(long, value_name = "DIR", conflicts_with_all = ["environment", "sealing_key", "show_key"])]
    rekey: Option<PathBuf>,
}

impl Seal {
    /// Prints the sealed value.
    pub async fn run(self, context: &mut Context) -> Result<(), Failure> {
        if let Some(dir) = self.rekey {
            return rekey::rekey(self.app, &dir, context).await;
        }
        let given = match (context.vars)("HOPS_SEALING_KEY").filter(|key| !key.is_empty()) {
            Some(key) if self.sealing_key.is_none() => Some(key.parse().map_err(|error| {
                Failure::usage("HOPS_SEALING_KEY is not the platform's key").cause(error)
            })?),
            _ => self.sealing_key,
        };
        if self.show_key {
            let key = asked(context).await?;
            return match context.ui.is_json() {
                true => context.ui.json(&key),
                false => context.ui.line(key.key),
            };
        }
        let key: PublicKey = match given {
            Some(key) => key,
            None => asked(context).await?.key.parse().map_err(|error| {
                Failure::failed("not_understood", "the platform's key is none").cause(error)
            })?,
        };
        let app = match given {
            // Without the platform's address no git remote says which app it is.
            Some(_) => self.app.named(context)?,
            None => {
                let url = context.client()?.url().clone();
                self.app.choose(context, &url)?
            }
        };
        let value = value_from_stdin("value: ")?;
        let scope = Scope {
            app: &app,
            environment: self.environment,
        };
        let sealed = key.seal(scope, &value).map_err(|error| {
            Failure::failed("not_sealed", "the value cannot be sealed").cause(error)
        })?;
        match context.ui.is_json() {
            true => context.ui.json(&json!({ "encrypted": sealed })),
            false => context
                .ui
                .line(format_args!("{{ encrypted = \"{sealed}\" }}")),
        }
    }
}

async fn asked(context: &Context) -> Result<SealingKey, Failure> {
    let ask = Ask {
        path: &["sealing-key"],
        query: &[],
    };
    context.client()?.get(ask).await
}

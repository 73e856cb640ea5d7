//! `hops-platform sealing-keys`: looking after the key pairs, for whoever runs the platform.

use std::{io::Write, path::PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::{
    at_rest::PlatformKey,
    ring::KeyRing,
    sealed::{KeyId, PublicKey, Sealed},
};
use crate::{
    config::{Config, read_secret},
    db,
};

/// List, add and delete the key pairs that values in repositories are sealed with.
#[derive(Debug, Args)]
pub struct SealingKeys {
    /// File with the platform's key.
    #[arg(long, env = "HOPS_KEY_FILE", global = true)]
    key_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The pairs, the newest first, and how many values of releases need each.
    List,
    /// Makes another pair, which seals from now on; the others open what they sealed.
    Rotate,
    /// Forgets a pair that no release needs any more. What it sealed never opens again.
    Delete {
        /// The key's id, as `list` prints it.
        id: String,
    },
}

impl SealingKeys {
    /// Does what is asked for.
    ///
    /// # Errors
    /// When Postgres fails, the platform's key is another, or a pair is still needed.
    pub async fn run(self) -> anyhow::Result<()> {
        let pool = db::connect(&Config::database_url()?).await?;
        db::migrate(&pool).await?;
        let pairs = db::sealing_keys::all(&pool).await?;
        let needed = db::sealing_keys::in_use(&pool).await?;
        let uses = |id: KeyId| {
            let sealed = needed.iter().filter_map(|text| text.parse::<Sealed>().ok());
            sealed.filter(|sealed| sealed.key() == id).count()
        };
        let mut out = std::io::stdout().lock();
        match self.command {
            Command::List => {
                for pair in &pairs {
                    let id = PublicKey::from_bytes(&pair.public_key)?.id();
                    let (made, uses) = (pair.created_at(), uses(id));
                    writeln!(
                        out,
                        "{id}  made {made:.0}  needed by {uses} values of releases"
                    )?;
                }
            }
            Command::Rotate => {
                let file = self.key_file.context("HOPS_KEY_FILE is not set")?;
                let key = PlatformKey::parse(&read_secret(&file)?.into())?;
                // One made with another key would shut all that is sealed.
                KeyRing::load(&pool, &key).await?;
                KeyRing::rotate(&pool, &key).await?;
                let newest = KeyRing::load(&pool, &key).await?.newest()?;
                writeln!(out, "{} seals from now on: {newest}", newest.id())?;
            }
            Command::Delete { id } => {
                let of_id = |pair: &&db::sealing_keys::SealingKey| {
                    PublicKey::from_bytes(&pair.public_key)
                        .is_ok_and(|key| key.id().to_string() == id)
                };
                let pair = pairs.iter().find(of_id);
                let pair = pair.with_context(|| format!("there is no key {id}"))?;
                if pairs
                    .first()
                    .is_some_and(|newest| newest.public_key == pair.public_key)
                {
                    bail!(
                        "{id} is the newest, which seals; make another one first: hops-platform sealing-keys rotate"
                    );
                }
                let uses = uses(PublicKey::from_bytes(&pair.public_key)?.id());
                if uses > 0 {
                    bail!(
                        "{uses} values of releases that run, or can be rolled back to, are sealed with {id}; seal them anew (hops seal --rekey) and release"
                    );
                }
                db::sealing_keys::delete(&pool, &pair.public_key).await?;
                writeln!(out, "deleted {id}")?;
            }
        }
        Ok(())
    }
}

//! `hops-platform reseal`: the platform's key is changed, for whoever runs the platform.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::at_rest::PlatformKey;
use crate::{
    config::{Config, read_secret},
    db,
};

/// Seal everything that the platform holds with the first key of its key file.
///
/// To change the key: add a new one (`openssl rand -base64 32`) as the file's first line and restart the
/// platform; run this; then delete the other lines and restart it again. Where several platforms share a
/// database, add it as the last line first and restart all of them, since each must know a key before
/// another one seals with it.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Reseal {
    /// File with the platform's keys, one in a line.
    #[arg(long, env = "HOPS_KEY_FILE")]
    key_file: PathBuf,
}

impl Reseal {
    /// Does it: all or nothing.
    ///
    /// # Errors
    /// When Postgres fails, or a value opens with no key of the file.
    pub async fn run(self) -> anyhow::Result<()> {
        let key = PlatformKey::parse(&read_secret(&self.key_file)?.into())
            .with_context(|| self.key_file.display().to_string())?;
        let pool = db::connect(&Config::database_url()?).await?;
        db::migrate(&pool).await?;
        let mut tx = pool.begin().await.context("a transaction")?;
        let reseal = |value: &db::sealed::Value| key.reseal(&value.place, &value.sealed);
        let (all, written) = db::sealed::reseal_all(&mut tx, reseal).await?;
        tx.commit()
            .await
            .context("writing down the sealed values")?;
        println!(
            "{written} of {all} values were sealed with another key; all are sealed with the first one now"
        );
        Ok(())
    }
}

//! The platform's key pairs: the newest seals, each opens what it sealed.

use anyhow::Context;
use iterapp_schema::{AppName, Environment};
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;

use super::{
    at_rest::PlatformKey,
    sealed::{KeyId, OpenError, PrivateKey, PublicKey, Sealed},
};
use crate::db;

/// All key pairs, the newest first.
pub struct KeyRing(Vec<PrivateKey>);

impl KeyRing {
    /// Reads them.
    ///
    /// # Errors
    /// When Postgres fails, or the pairs do not open.
    pub async fn load(db: &PgPool, key: &PlatformKey) -> anyhow::Result<KeyRing> {
        let pairs = db::sealing_keys::all(db).await?;
        let opened = pairs.into_iter().map(|pair| {
            let id = id(&pair.public_key)?;
            let private = key.open_bytes(&place(id), &pair.private_key)?;
            PrivateKey::parse(private.expose_secret())
        });
        Ok(KeyRing(opened.collect::<anyhow::Result<_>>()?))
    }

    /// Makes the first pair, unless there is one.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn make_first(db: &PgPool, key: &PlatformKey) -> anyhow::Result<()> {
        if !db::sealing_keys::all(db).await?.is_empty() {
            return Ok(());
        }
        let (public, private) = sealed_pair(key)?;
        Ok(db::sealing_keys::insert_first(db, &public, &private).await?)
    }

    /// Makes another pair, which seals from now on.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn rotate(db: &PgPool, key: &PlatformKey) -> anyhow::Result<()> {
        let (public, private) = sealed_pair(key)?;
        Ok(db::sealing_keys::insert(db, &public, &private).await?)
    }

    /// What seals now.
    ///
    /// # Errors
    /// When there is no pair, which never happens after the platform has started.
    pub fn newest(&self) -> anyhow::Result<PublicKey> {
        let newest = self.0.first().context("there is no sealing key")?;
        Ok(newest.public())
    }

    /// Opens a value for an environment of an app.
    ///
    /// # Errors
    /// With the reason, told as what the value is or was.
    pub fn open(
        &self,
        app: &AppName,
        environment: Environment,
        text: &str,
    ) -> Result<SecretString, OpenError> {
        let sealed: Sealed = text.parse()?;
        let mut keys = self.0.iter();
        let key = keys.find(|key| key.public().id() == sealed.key());
        let key = key.ok_or(OpenError::UnknownKey(sealed.key()))?;
        key.open(app, environment, &sealed)
    }
}

fn sealed_pair(key: &PlatformKey) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let pair = PrivateKey::generate();
    let public = pair.public();
    let private = key.seal_bytes(&place(public.id()), pair.expose_secret())?;
    Ok((public.bytes().to_vec(), private))
}

fn place(id: KeyId) -> String {
    format!("sealing-key/{id}")
}

fn id(public: &[u8]) -> anyhow::Result<KeyId> {
    Ok(PublicKey::from_bytes(public)?.id())
}

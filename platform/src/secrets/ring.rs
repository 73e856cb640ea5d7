//! The platform's key pairs: the newest seals, each opens what it sealed.

use anyhow::Context;
use iterapp_schema::{AppName, Environment};
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;

use super::{
    at_rest::PlatformKey,
    sealed::{KeyId, OpenError, PrivateKey, PublicKey, Scope, Sealed},
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

    /// The key pairs, the newest first.
    pub fn keys(&self) -> impl Iterator<Item = PublicKey> {
        self.0.iter().map(PrivateKey::public)
    }

    /// The same value for the same scope, sealed with the newest key; as it is when it was that already.
    ///
    /// # Errors
    /// With the reason when it does not open.
    pub fn reseal(&self, app: &AppName, text: &str) -> Result<String, OpenError> {
        let sealed: Sealed = text.parse()?;
        let newest = self
            .newest()
            .map_err(|_| OpenError::UnknownKey(sealed.key()))?;
        if sealed.key() == newest.id() {
            return Ok(text.to_owned());
        }
        // Which environment it is for does not stand in it.
        let mut last = OpenError::Refused;
        for environment in Environment::ALL {
            match self.open(app, environment, text) {
                Ok(value) => {
                    let environment = sealed.is_for_one_environment().then_some(environment);
                    let sealed = newest.seal(Scope { app, environment }, &value);
                    return sealed.map_err(|_| OpenError::Malformed);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_anew_a_value_opens_for_the_same_and_for_nobody_else() {
        let app = AppName::parse("shop").unwrap();
        let (old, new) = (PrivateKey::generate(), PrivateKey::generate());
        let environment = Some(Environment::Snap(3));
        let scope = Scope {
            app: &app,
            environment,
        };
        let text = old.public().seal(scope, &"open sesame".into()).unwrap();
        let ring = KeyRing(vec![new, old]);
        let resealed = ring.reseal(&app, &text).unwrap();
        let parsed: Sealed = resealed.parse().unwrap();
        assert_eq!(parsed.key(), ring.newest().unwrap().id());
        let opened = ring.open(&app, Environment::Snap(3), &resealed).unwrap();
        assert_eq!(opened.expose_secret(), "open sesame");
        let elsewhere = ring.open(&app, Environment::Prod, &resealed);
        assert_eq!(elsewhere.err(), Some(OpenError::Refused));
        assert_eq!(ring.reseal(&app, &resealed).unwrap(), resealed);
        let other = AppName::parse("other").unwrap();
        assert_eq!(ring.reseal(&other, &text), Err(OpenError::Refused));
    }
}

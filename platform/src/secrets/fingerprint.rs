//! What a secret is told from another by, in names of objects: the same for the same value, and nothing to
//! anybody who has not the key.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;
use sqlx::PgPool;

use super::{at_rest::PlatformKey, hex, random};
use crate::db;

/// The place that their key is sealed for.
const PLACE: &str = "fingerprint-key";

/// Makes them, with a key of its own: that is not changed when the platform's is, and so no pod is replaced.
pub struct Fingerprints(SecretSlice<u8>);

impl Fingerprints {
    /// Reads the key, which is made when there is none yet.
    ///
    /// # Errors
    /// When Postgres fails, or the key does not open.
    pub async fn load(db: &PgPool, key: &PlatformKey) -> anyhow::Result<Fingerprints> {
        let new = key.seal_bytes(PLACE, &random::<32>())?;
        let sealed = db::sealed::fingerprint_key(db, &new).await?;
        Ok(Fingerprints(key.open_bytes(PLACE, &sealed)?))
    }

    /// Sixteen hexadecimal digits.
    ///
    /// # Panics
    /// Never: a key of any length will do.
    pub fn of(&self, value: &SecretString) -> String {
        let key = self.0.expose_secret();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
        mac.update(value.expose_secret().as_bytes());
        let digest = mac.finalize().into_bytes();
        hex(&digest[..8])
    }
}

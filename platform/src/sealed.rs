//! Secrets at rest: sealed with the platform's key before they reach Postgres.
//!
//! XChaCha20-Poly1305 with a random nonce; the place where a value belongs (such as
//! `webhook/shop`) is authenticated with it, so a sealed value cannot be moved elsewhere.

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use rand::Rng;
use secrecy::{ExposeSecret, SecretBox, SecretString};

const NONCE_LENGTH: usize = 24;

/// The platform's key.
pub struct SealingKey(SecretBox<[u8; 32]>);

impl SealingKey {
    /// Reads a key: 32 bytes in base64.
    ///
    /// # Errors
    /// When the text is anything else; the text itself is not repeated.
    pub fn parse(text: &SecretString) -> anyhow::Result<SealingKey> {
        let bytes = STANDARD
            .decode(text.expose_secret().trim())
            .context("the key is not base64")?;
        let key: [u8; 32] = bytes
            .try_into()
            .ok()
            .context("the key is not 32 bytes long")?;
        Ok(SealingKey(SecretBox::new(Box::new(key))))
    }

    /// Seals `secret` for one place.
    ///
    /// # Errors
    /// Never for secrets of a sensible length; the library's interface has one.
    pub fn seal(&self, place: &str, secret: &SecretString) -> anyhow::Result<Vec<u8>> {
        let nonce: [u8; NONCE_LENGTH] = random();
        let payload = Payload {
            msg: secret.expose_secret().as_bytes(),
            aad: place.as_bytes(),
        };
        let Ok(sealed) = self.cipher().encrypt(&XNonce::from(nonce), payload) else {
            bail!("sealing failed")
        };
        Ok([&nonce[..], &sealed[..]].concat())
    }

    /// Opens what [`SealingKey::seal`] made for the same place.
    ///
    /// # Errors
    /// When the key or the place is another, or the value was changed.
    pub fn open(&self, place: &str, sealed: &[u8]) -> anyhow::Result<SecretString> {
        let Some((nonce, message)) = sealed.split_first_chunk::<NONCE_LENGTH>() else {
            bail!("the sealed value of {place} is too short")
        };
        let payload = Payload {
            msg: message,
            aad: place.as_bytes(),
        };
        let Ok(opened) = self.cipher().decrypt(&XNonce::from(*nonce), payload) else {
            bail!(
                "the sealed value of {place} does not open: the platform's key is another one, or the value was changed"
            )
        };
        Ok(String::from_utf8(opened)
            .context("the sealed value is not text")?
            .into())
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.0.expose_secret().into())
    }
}

/// `N` random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SealingKey {
        SealingKey::parse(&STANDARD.encode([byte; 32]).into()).unwrap()
    }

    #[test]
    fn opens_with_the_same_key_and_place_only() {
        let sealed = key(1).seal("webhook/shop", &"s3cret".into()).unwrap();
        assert!(!String::from_utf8_lossy(&sealed).contains("s3cret"));
        assert_eq!(
            key(1)
                .open("webhook/shop", &sealed)
                .unwrap()
                .expose_secret(),
            "s3cret"
        );
        assert!(key(2).open("webhook/shop", &sealed).is_err());
        assert!(key(1).open("webhook/other", &sealed).is_err());
    }

    #[test]
    fn a_bad_key_is_refused_without_being_repeated() {
        let error = format!("{:#}", SealingKey::parse(&"c2hvcnQ=".into()).err().unwrap());
        assert!(error.contains("32 bytes") && !error.contains("c2hv"));
    }
}

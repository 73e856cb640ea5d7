//! What the platform holds itself: sealed with its own key before it reaches Postgres.
//!
//! XChaCha20-Poly1305 with a random nonce; the place where a value belongs (such as
//! `webhook/shop`) is authenticated with it, so a sealed value cannot be moved elsewhere.

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretBox, SecretSlice, SecretString};
use sha2::Sha256;

use super::{hex, random};

const NONCE_LENGTH: usize = 24;

/// The platform's key.
pub struct PlatformKey(SecretBox<[u8; 32]>);

impl PlatformKey {
    /// Reads a key: 32 bytes in base64.
    ///
    /// # Errors
    /// When the text is anything else; the text itself is not repeated.
    pub fn parse(text: &SecretString) -> anyhow::Result<PlatformKey> {
        let bytes = STANDARD
            .decode(text.expose_secret().trim())
            .context("the key is not base64")?;
        let key: [u8; 32] = bytes
            .try_into()
            .ok()
            .context("the key is not 32 bytes long")?;
        Ok(PlatformKey(SecretBox::new(Box::new(key))))
    }

    /// Seals `secret` for one place.
    ///
    /// # Errors
    /// Never for secrets of a sensible length; the library's interface has one.
    pub fn seal(&self, place: &str, secret: &SecretString) -> anyhow::Result<Vec<u8>> {
        self.seal_bytes(place, secret.expose_secret().as_bytes())
    }

    /// The same for a secret that is no text.
    ///
    /// # Errors
    /// As [`PlatformKey::seal`].
    pub fn seal_bytes(&self, place: &str, secret: &[u8]) -> anyhow::Result<Vec<u8>> {
        let nonce: [u8; NONCE_LENGTH] = random();
        let payload = Payload {
            msg: secret,
            aad: place.as_bytes(),
        };
        let Ok(sealed) = self.cipher().encrypt(&XNonce::from(nonce), payload) else {
            bail!("sealing failed")
        };
        Ok([&nonce[..], &sealed[..]].concat())
    }

    /// Opens what [`PlatformKey::seal`] made for the same place.
    ///
    /// # Errors
    /// When the key or the place is another, or the value was changed.
    pub fn open(&self, place: &str, sealed: &[u8]) -> anyhow::Result<SecretString> {
        let opened = self.open_bytes(place, sealed)?;
        let text = std::str::from_utf8(opened.expose_secret());
        let text = text.with_context(|| format!("the sealed value of {place} is not text"))?;
        Ok(text.into())
    }

    /// The same for a secret that is no text.
    ///
    /// # Errors
    /// As [`PlatformKey::open`].
    pub fn open_bytes(&self, place: &str, sealed: &[u8]) -> anyhow::Result<SecretSlice<u8>> {
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
        Ok(opened.into())
    }

    /// Sixteen hexadecimal digits that are the same for the same value, and tell nobody without the
    /// key anything about it.
    ///
    /// # Panics
    /// Never: a key of any length will do.
    pub fn fingerprint(&self, value: &SecretString) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret())
            .expect("a key of any length will do");
        mac.update(b"fingerprint of a secret\0");
        mac.update(value.expose_secret().as_bytes());
        let digest = mac.finalize().into_bytes();
        hex(&digest[..8])
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.0.expose_secret().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> PlatformKey {
        PlatformKey::parse(&STANDARD.encode([byte; 32]).into()).unwrap()
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
        let error = format!(
            "{:#}",
            PlatformKey::parse(&"c2hvcnQ=".into()).err().unwrap()
        );
        assert!(error.contains("32 bytes") && !error.contains("c2hv"));
    }
}

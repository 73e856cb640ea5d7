//! What the platform holds itself: sealed with its own key before it reaches Postgres.
//!
//! XChaCha20-Poly1305 with a random nonce; the place where a value belongs (such as
//! `webhook/shop`) is authenticated with it, so a sealed value cannot be moved elsewhere.
//!
//! A key file may have several keys while one takes the place of another: the first seals, each opens.

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use secrecy::{ExposeSecret, SecretBox, SecretSlice, SecretString};

use super::random;

const NONCE_LENGTH: usize = 24;

/// The platform's key, and those before it that values may still be sealed with.
pub struct PlatformKey {
    first: Key,
    older: Vec<Key>,
}

type Key = SecretBox<[u8; 32]>;

impl PlatformKey {
    /// Reads the keys: 32 bytes in base64 each, one in a line.
    ///
    /// # Errors
    /// When the text is anything else; the text itself is not repeated.
    pub fn parse(text: &SecretString) -> anyhow::Result<PlatformKey> {
        let lines = text.expose_secret().lines().map(str::trim);
        let lines = lines.zip(1..).filter(|(line, _)| !line.is_empty());
        let keys = lines.map(|(line, at)| key(line).with_context(|| format!("line {at}")));
        let mut keys: Vec<Key> = keys.collect::<anyhow::Result<_>>()?;
        if keys.is_empty() {
            bail!("there is no key in it")
        }
        Ok(PlatformKey {
            first: keys.remove(0),
            older: keys,
        })
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
        let Ok(sealed) = cipher(&self.first).encrypt(&XNonce::from(nonce), payload) else {
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
        let mut keys = std::iter::once(&self.first).chain(&self.older);
        let opened = keys.find_map(|key| open_with(key, place, sealed));
        let opened = opened.with_context(|| {
            format!(
                "the sealed value of {place} does not open: the platform's key is another one, or the value was changed"
            )
        })?;
        Ok(opened.into())
    }

    /// The same value sealed with the first key; nothing for one that is that already.
    ///
    /// # Errors
    /// As [`PlatformKey::open`].
    pub fn reseal(&self, place: &str, sealed: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
        if open_with(&self.first, place, sealed).is_some() {
            return Ok(None);
        }
        let opened = self.open_bytes(place, sealed)?;
        self.seal_bytes(place, opened.expose_secret()).map(Some)
    }
}

fn key(line: &str) -> anyhow::Result<Key> {
    let bytes = STANDARD.decode(line).ok();
    let bytes = bytes.context("the key is not base64")?;
    let key = bytes.try_into().ok();
    let key = key.context("the key is not 32 bytes long")?;
    Ok(SecretBox::new(Box::new(key)))
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.expose_secret().into())
}

fn open_with(key: &Key, place: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, message) = sealed.split_first_chunk::<NONCE_LENGTH>()?;
    let payload = Payload {
        msg: message,
        aad: place.as_bytes(),
    };
    cipher(key).decrypt(&XNonce::from(*nonce), payload).ok()
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
    fn of_several_keys_the_first_seals_and_each_opens() {
        let sealed = key(1).seal("webhook/shop", &"s3cret".into()).unwrap();
        let lines = [[2; 32], [1; 32]].map(|bytes| STANDARD.encode(bytes));
        let both = PlatformKey::parse(&format!("{}\n\n", lines.join("\n")).into()).unwrap();
        let opened = both.open("webhook/shop", &sealed).unwrap();
        assert_eq!(opened.expose_secret(), "s3cret");
        assert!(both.reseal("webhook/other", &sealed).is_err());
        let resealed = both.reseal("webhook/shop", &sealed).unwrap().unwrap();
        assert_eq!(
            key(2)
                .open("webhook/shop", &resealed)
                .unwrap()
                .expose_secret(),
            "s3cret"
        );
        assert!(key(1).open("webhook/shop", &resealed).is_err());
        assert_eq!(both.reseal("webhook/shop", &resealed).unwrap(), None);
    }

    #[test]
    fn a_bad_key_is_refused_without_being_repeated() {
        let error = format!(
            "{:#}",
            PlatformKey::parse(&"c2hvcnQ=".into()).err().unwrap()
        );
        assert!(error.contains("line 1: the key is not 32 bytes") && !error.contains("c2hv"));
        assert!(PlatformKey::parse(&"\n".into()).is_err());
    }
}

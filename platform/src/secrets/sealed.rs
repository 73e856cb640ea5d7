//! Values that stand sealed in repositories: `{ encrypted = "…" }`.
//!
//! Sealing needs the platform's public key alone, opening its private one. It is HPKE in base mode
//! (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. The text is base64url
//! without padding of
//!
//! | bytes | |
//! | --- | --- |
//! | 1 | the version of this format, 1 |
//! | 1 | 0: sealed for an app; 1: for one environment of it |
//! | 4 | which key, see [`KeyId`] |
//! | 32 | the encapsulated key |
//! | 16 and more | the value, encrypted and authenticated |
//!
//! The first six bytes are authenticated with the value, and so are app and environment, which do
//! not stand there: a value that is copied to another app does not open.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256, single_shot_open, single_shot_seal,
};
use iterapp_schema::{AppName, Environment};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256};

const VERSION: u8 = 1;
const KEY_LENGTH: usize = 32;
const HEADER_LENGTH: usize = 6;
/// What an authenticated ciphertext has beyond the text.
const TAG_LENGTH: usize = 16;

/// For whom a value is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The app.
    pub app: &'a AppName,
    /// One environment of it; nothing for all.
    pub environment: Option<Environment>,
}

impl Scope<'_> {
    /// What is authenticated besides the value. No name holds a NUL.
    fn info(self) -> Vec<u8> {
        let environment = self.environment.map(|name| name.to_string());
        let environment = environment.unwrap_or_default();
        format!("hops sealed value\0{}\0{environment}", self.app).into_bytes()
    }
}

/// The first four bytes of the SHA-256 digest of a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a value is sealed with. Everybody may know it; as text it is base64url without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; KEY_LENGTH]);

/// A text that is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a sealing key: 43 letters, digits, `-` and `_` are wanted, as the platform prints them"
)]
pub struct NoPublicKey;

impl FromStr for PublicKey {
    type Err = NoPublicKey;

    fn from_str(text: &str) -> Result<Self, NoPublicKey> {
        let bytes = URL_SAFE_NO_PAD
            .decode(text.trim())
            .map_err(|_| NoPublicKey)?;
        Self::from_bytes(&bytes)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl PublicKey {
    /// How values that were sealed with it name it.
    pub fn id(&self) -> KeyId {
        let digest = Sha256::digest(self.0);
        KeyId([digest[0], digest[1], digest[2], digest[3]])
    }

    /// The key of these bytes.
    ///
    /// # Errors
    /// When they are not 32, or none that one can seal for.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoPublicKey> {
        let key = Self(bytes.try_into().map_err(|_| NoPublicKey)?);
        key.parsed().map(|_| key)
    }

    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn parsed(&self) -> Result<<X25519HkdfSha256 as Kem>::PublicKey, NoPublicKey> {
        <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&self.0).map_err(|_| NoPublicKey)
    }

    /// Seals a value. Each time the text is another.
    ///
    /// # Errors
    /// When this key was made up to be none that one can seal for.
    pub fn seal(&self, scope: Scope<'_>, value: &SecretString) -> Result<String, NoPublicKey> {
        let mut sealed = vec![VERSION, u8::from(scope.environment.is_some())];
        sealed.extend(self.id().0);
        let (encapsulated, message) =
            single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &self.parsed()?,
                &scope.info(),
                value.expose_secret().as_bytes(),
                &sealed,
            )
            .map_err(|_| NoPublicKey)?;
        sealed.extend(encapsulated.to_bytes());
        sealed.extend(message);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }
}

/// What opens the values that its public half sealed.
pub struct PrivateKey {
    secret: SecretBox<[u8; KEY_LENGTH]>,
    public: PublicKey,
}

/// Why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was not made by `hops seal`, or a part of it is missing.
    #[error("is not a value that `hops seal` made, or a part of it is missing")]
    Malformed,
    /// It was made by a newer version of the platform's tools.
    #[error("has the form {0}, which this platform does not know")]
    Version(u8),
    /// The platform has no such key, or no more.
    #[error("was sealed with the key {0}, which this platform does not have")]
    UnknownKey(KeyId),
    /// App or environment is another one, or a letter was changed.
    #[error("was sealed for another app or environment, or a letter of it was changed")]
    Refused,
}

/// A sealed value, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    header: [u8; HEADER_LENGTH],
    encapsulated: [u8; KEY_LENGTH],
    message: Vec<u8>,
}

impl FromStr for Sealed {
    type Err = OpenError;

    fn from_str(text: &str) -> Result<Self, OpenError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| OpenError::Malformed)?;
        let (header, rest) = bytes.split_first_chunk().ok_or(OpenError::Malformed)?;
        let header: [u8; HEADER_LENGTH] = *header;
        if header[0] != VERSION {
            return Err(OpenError::Version(header[0]));
        }
        let (encapsulated, message) = rest.split_first_chunk().ok_or(OpenError::Malformed)?;
        if header[1] > 1 || message.len() < TAG_LENGTH {
            return Err(OpenError::Malformed);
        }
        Ok(Self {
            header,
            encapsulated: *encapsulated,
            message: message.to_vec(),
        })
    }
}

impl Sealed {
    /// With which key it was sealed.
    pub fn key(&self) -> KeyId {
        let [_, _, id @ ..] = self.header;
        KeyId(id)
    }

    /// Whether it opens in one environment alone.
    pub fn is_for_one_environment(&self) -> bool {
        self.header[1] == 1
    }
}

impl PrivateKey {
    /// A new pair.
    pub fn generate() -> Self {
        let (secret, public) = X25519HkdfSha256::gen_keypair();
        Self::of(secret.to_bytes().into(), public.to_bytes().into())
    }

    /// The pair of which this is the private half.
    ///
    /// # Errors
    /// When the bytes are not 32.
    pub fn parse(secret: &[u8]) -> anyhow::Result<Self> {
        let Ok(parsed) = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(secret) else {
            anyhow::bail!("a private key has {KEY_LENGTH} bytes")
        };
        let public = X25519HkdfSha256::sk_to_pk(&parsed);
        Ok(Self::of(parsed.to_bytes().into(), public.to_bytes().into()))
    }

    fn of(secret: [u8; KEY_LENGTH], public: [u8; KEY_LENGTH]) -> Self {
        Self {
            secret: SecretBox::new(Box::new(secret)),
            public: PublicKey(public),
        }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The 32 bytes, for whoever keeps them.
    pub fn expose_secret(&self) -> &[u8] {
        self.secret.expose_secret()
    }

    /// Opens a value for `app` in `environment`, whichever of the two scopes it was sealed for.
    ///
    /// # Errors
    /// When it was sealed with another key or for another scope, or was changed.
    pub fn open(
        &self,
        app: &AppName,
        environment: Environment,
        sealed: &Sealed,
    ) -> Result<SecretString, OpenError> {
        if sealed.key() != self.public.id() {
            return Err(OpenError::UnknownKey(sealed.key()));
        }
        let environment = sealed.is_for_one_environment().then_some(environment);
        let refused = |_| OpenError::Refused;
        let secret = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(self.expose_secret());
        let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&sealed.encapsulated);
        let opened = single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &secret.map_err(refused)?,
            &encapsulated.map_err(refused)?,
            &Scope { app, environment }.info(),
            &sealed.message,
            &sealed.header,
        )
        .map_err(refused)?;
        let text = String::from_utf8(opened).map_err(|_| OpenError::Malformed)?;
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROD: Environment = Environment::Prod;
    const TEST: Environment = Environment::Test;

    fn app(name: &str) -> AppName {
        AppName::parse(name).unwrap()
    }

    fn seal(key: &PrivateKey, environment: Option<Environment>) -> String {
        let app = app("shop");
        let scope = Scope {
            app: &app,
            environment,
        };
        key.public().seal(scope, &"open sesame".into()).unwrap()
    }

    fn open(
        key: &PrivateKey,
        name: &str,
        environment: Environment,
        text: &str,
    ) -> Result<String, OpenError> {
        let opened = key.open(&app(name), environment, &text.parse()?)?;
        Ok(opened.expose_secret().to_owned())
    }

    #[test]
    fn opens_for_its_app_and_for_its_environment_if_it_has_one() {
        let key = PrivateKey::generate();
        let everywhere = seal(&key, None);
        let in_prod = seal(&key, Some(PROD));
        assert_eq!(
            open(&key, "shop", PROD, &everywhere).unwrap(),
            "open sesame"
        );
        assert_eq!(
            open(&key, "shop", TEST, &everywhere).unwrap(),
            "open sesame"
        );
        assert_eq!(open(&key, "shop", PROD, &in_prod).unwrap(), "open sesame");
        assert_eq!(open(&key, "shop", TEST, &in_prod), Err(OpenError::Refused));
        assert_eq!(
            open(&key, "other", PROD, &everywhere),
            Err(OpenError::Refused)
        );
        assert_eq!(open(&key, "other", PROD, &in_prod), Err(OpenError::Refused));
    }

    #[test]
    fn no_two_are_the_same_and_none_shows_the_value() {
        let key = PrivateKey::generate();
        let (one, other) = (seal(&key, None), seal(&key, None));
        assert_ne!(one, other);
        assert!(!one.contains(&URL_SAFE_NO_PAD.encode("open sesame")));
    }

    #[test]
    fn any_changed_byte_keeps_it_shut() {
        let key = PrivateKey::generate();
        let bytes = URL_SAFE_NO_PAD.decode(seal(&key, None)).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let opened = open(&key, "shop", PROD, &URL_SAFE_NO_PAD.encode(changed));
            assert!(opened.is_err(), "byte {at}");
        }
        for length in 0..bytes.len() {
            let short = URL_SAFE_NO_PAD.encode(&bytes[..length]);
            assert!(open(&key, "shop", PROD, &short).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn another_key_says_which_one_is_missing() {
        let (one, other) = (PrivateKey::generate(), PrivateKey::generate());
        let sealed = seal(&one, None);
        let refused = open(&other, "shop", PROD, &sealed);
        assert_eq!(refused, Err(OpenError::UnknownKey(one.public().id())));
    }

    #[test]
    fn keys_survive_being_kept() {
        let key = PrivateKey::generate();
        let kept = PrivateKey::parse(key.expose_secret()).unwrap();
        assert_eq!(kept.public(), key.public());
        assert_eq!(
            open(&kept, "shop", PROD, &seal(&key, None)).unwrap(),
            "open sesame"
        );
        let public: PublicKey = key.public().to_string().parse().unwrap();
        assert_eq!(public, key.public());
        assert_eq!("hunter22".parse::<PublicKey>(), Err(NoPublicKey));
    }
}

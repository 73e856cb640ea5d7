//! Values that do not stand in the file as they are.

use schemars::JsonSchema;
use toml::de::DeValue;

use super::section::{Read, inline_schema, sections};
use super::values::Text;
use crate::EnvValue;
use crate::diagnostic::Code;
use crate::file::{Fault, File};
use crate::parse::{Table, Value};
use crate::{credential, validate};

sections! {
    /// A value that was sealed with `hops seal`: only the platform can open it.
    pub struct Encrypted {
        /// What `hops seal` printed.
        #[schemars(extend("pattern" = "^[A-Za-z0-9_-]+$"))]
        encrypted: Sealed,
    }

    /// A value from a Kubernetes Secret of the app's namespace.
    pub struct SecretKey {
        /// The Secret's name.
        #[schemars(extend("examples" = ["firebase"]))]
        secret: SecretName,
        /// The key in it.
        #[schemars(extend("examples" = ["private_key"]))]
        key: SecretKeyName,
    }
}

/// Texts of this file alone.
macro_rules! texts {
    ($($(#[$meta:meta])* $name:ident = $check:path;)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
        pub struct $name(pub String);

        impl Text for $name {
            fn check(text: &str) -> Result<Self, Fault> {
                $check(text).map(Self)
            }
        }
    )+};
}

texts! {
    /// URL-safe base64 without padding.
    Sealed = validate::sealed;
    /// The name of a Kubernetes Secret.
    SecretName = validate::secret_name;
    /// A key of a Kubernetes Secret.
    SecretKeyName = validate::secret_key;
}

/// Whether a table is meant as a secret value.
pub fn is_meant(table: &Table) -> bool {
    table.contains_key("encrypted") || table.contains_key("secret")
}

/// Reads a table as a secret value. `name` is what it is the value of.
pub fn read(name: &str, value: &Value, file: &mut File) -> Option<EnvValue> {
    let table = value.get_ref().as_table()?;
    if table.contains_key("encrypted") {
        let encrypted = Encrypted::read(name, value, file)?.encrypted?.value.0;
        return Some(EnvValue::Encrypted { encrypted });
    }
    let keys = SecretKey::read(name, value, file)?;
    if !table.contains_key("secret") || !table.contains_key("key") {
        let message = format!("`{name}`: a secret of the namespace needs `secret` and `key`");
        let fault = Fault::new(Code::MissingKey, message).hint(format!(
            "write `{name} = {{ secret = \"name\", key = \"key\" }}`"
        ));
        file.report(value.span(), fault);
    }
    let (secret, key) = (keys.secret?.value.0, keys.key?.value.0);
    Some(EnvValue::Secret { secret, key })
}

/// A secret value, in a place where nothing else can stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretValue(pub EnvValue);

impl Read for SecretValue {
    fn read(key: &str, value: &Value, file: &mut File) -> Option<Self> {
        if Self::fits(value.get_ref()) {
            return read(key, value, file).map(Self);
        }
        let message = format!(
            "`{key}` must be `{{ encrypted = \"…\" }}`: whoever reads the repository reads this file"
        );
        file.report(value.span(), Fault::new(Code::OpenSecret, message)
            .hint("seal the value with `hops seal`, and change it where it is used: it stands in git's history now"));
        None
    }

    fn fits(value: &DeValue) -> bool {
        value.is_table()
    }
}

/// A header's value: a text, or a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderValue(pub EnvValue);

impl Read for HeaderValue {
    fn read(key: &str, value: &Value, file: &mut File) -> Option<Self> {
        if value.get_ref().as_table().is_some() {
            return read(key, value, file).map(Self);
        }
        let text = file.string(key, value)?;
        let text = file.checked(value, text, validate::header_value)?;
        credential::warn(key, value, file);
        Some(Self(EnvValue::Text(text)))
    }

    fn fits(value: &DeValue) -> bool {
        value.is_str() || value.is_table()
    }
}

/// A file's content: a text, or a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileValue(pub EnvValue);

impl Read for FileValue {
    fn read(key: &str, value: &Value, file: &mut File) -> Option<Self> {
        if value.get_ref().as_table().is_some() {
            return read(key, value, file).map(Self);
        }
        let text = file.string(key, value)?;
        credential::warn(key, value, file);
        Some(Self(EnvValue::Text(text.to_owned())))
    }

    fn fits(value: &DeValue) -> bool {
        value.is_str() || value.is_table()
    }
}

/// The schema of a union of a text, if it may be one, and the two forms of secrets.
macro_rules! unions {
    ($($name:ident = [$($type:ty),+];)+) => {$(
        inline_schema!($name, generator => schemars::json_schema!({
            "anyOf": [$(generator.subschema_for::<$type>()),+],
        }));
    )+};
}

unions! {
    SecretValue = [Encrypted, SecretKey];
    HeaderValue = [String, Encrypted, SecretKey];
    FileValue = [String, Encrypted, SecretKey];
    EnvValue = [String, f64, bool, Encrypted, SecretKey];
}

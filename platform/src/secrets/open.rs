//! The secret values that an environment needs, opened: those that stand sealed in `iterapp.toml`, those
//! that were given to the platform by hand, and those of the namespace's own Secrets.

use std::{collections::BTreeMap, fmt};

use iterapp_schema::{AppName, EnvValue, Environment};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::ring::KeyRing;
use crate::{db, platform::Platform, release::spec, rollout::secrets};

/// Where a secret value comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// It stands in the file, sealed.
    Sealed(String),
    /// A key of a secret of the environment.
    Named {
        /// The secret's name.
        secret: String,
        /// The key in it.
        key: String,
    },
}

impl Source {
    /// The source of a value; nothing for one that stands in the file as it is.
    pub fn of(value: &EnvValue) -> Option<Source> {
        match value {
            EnvValue::Encrypted { encrypted } => Some(Source::Sealed(encrypted.clone())),
            EnvValue::Secret { secret, key } => Some(Source::Named {
                secret: secret.clone(),
                key: key.clone(),
            }),
            EnvValue::Text(_) | EnvValue::Integer(_) | EnvValue::Boolean(_) => None,
        }
    }
}

/// A secret value, opened.
#[derive(Clone)]
pub struct OpenedValue {
    /// The value.
    pub value: SecretString,
    /// The same for the same value, and no help to whoever wants to know it.
    pub fingerprint: String,
    /// Whether a Secret of the namespace holds it that is not the platform's.
    pub is_in_namespace: bool,
}

/// Secret values by their sources. A source that is missing could not be opened.
#[derive(Clone, Default)]
pub struct Opened(BTreeMap<Source, OpenedValue>);

impl Opened {
    /// What a value is, if it is a secret that was opened.
    pub fn get(&self, value: &EnvValue) -> Option<&OpenedValue> {
        self.0.get(&Source::of(value)?)
    }

    /// These values, as if each were its own fingerprint: for plans and tests.
    pub fn placeholders(values: impl IntoIterator<Item = (Source, String)>) -> Opened {
        let opened = |(source, value): (Source, String)| {
            let opened = OpenedValue {
                fingerprint: value.clone(),
                value: value.into(),
                is_in_namespace: false,
            };
            (source, opened)
        };
        Opened(values.into_iter().map(opened).collect())
    }

    /// All values.
    pub fn values(&self) -> impl Iterator<Item = &SecretString> {
        self.0.values().map(|opened| &opened.value)
    }
}

/// Says which there are, never what they are.
impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl PartialEq for Opened {
    fn eq(&self, other: &Self) -> bool {
        let told = |opened: &Opened| -> Vec<(Source, String)> {
            let values = opened.0.iter();
            values
                .map(|(source, value)| (source.clone(), value.fingerprint.clone()))
                .collect()
        };
        told(self) == told(other)
    }
}

impl Eq for Opened {}

/// A value that does not open, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shut {
    /// Where it was to come from.
    pub source: Source,
    /// Why it does not, to be read after "the value" or "the secret".
    pub reason: String,
}

/// Opens values for an environment; those that are not secret are passed over.
///
/// # Errors
/// When Postgres or Kubernetes fails. That a value does not open is no error.
pub async fn open(
    platform: &Platform,
    app: &AppName,
    environment: Environment,
    values: impl IntoIterator<Item = &EnvValue>,
) -> anyhow::Result<(Opened, Vec<Shut>)> {
    let sources = values.into_iter().filter_map(Source::of);
    let sources: std::collections::BTreeSet<Source> = sources.collect();
    let mut opened = Opened::default();
    let mut shut = Vec::new();
    if sources.is_empty() {
        return Ok((opened, shut));
    }
    let ring = KeyRing::load(&platform.db, &platform.key).await?;
    let held = Held::load(platform, app, environment).await?;
    for source in sources {
        let found = match &source {
            Source::Sealed(text) => ring
                .open(app, environment, text)
                .map(|value| (value, false))
                .map_err(|error| error.to_string()),
            Source::Named { secret, key } => match held.get(platform, secret, key)? {
                Some(value) => Ok((value, false)),
                None => in_namespace(platform, app, environment, secret, key)
                    .await?
                    .map(|value| (value, true))
                    .map_err(|reason| held.has_others(secret, key).unwrap_or(reason)),
            },
        };
        match found {
            Ok((value, is_in_namespace)) => {
                let fingerprint = platform.fingerprints.of(&value);
                let value = OpenedValue {
                    value,
                    fingerprint,
                    is_in_namespace,
                };
                opened.0.insert(source, value);
            }
            Err(reason) => shut.push(Shut { source, reason }),
        }
    }
    Ok((opened, shut))
}

/// Secrets that were given to the platform by hand.
struct Held {
    environment: Option<Uuid>,
    values: BTreeMap<(String, String), Vec<u8>>,
}

impl Held {
    async fn load(
        platform: &Platform,
        app: &AppName,
        environment: Environment,
    ) -> anyhow::Result<Held> {
        let Some(id) = db::environments::find(&platform.db, app, environment).await? else {
            return Ok(Held {
                environment: None,
                values: BTreeMap::new(),
            });
        };
        let rows = db::secrets::of_environment(&platform.db, id).await?;
        let values = rows.into_iter().map(|row| ((row.name, row.key), row.value));
        Ok(Held {
            environment: Some(id),
            values: values.collect(),
        })
    }

    /// What to say of a key that was not given where others of the same secret were.
    fn has_others(&self, name: &str, key: &str) -> Option<String> {
        let of_name = self.values.keys().filter(|(secret, _)| secret == name);
        let keys: Vec<String> = of_name.map(|(_, key)| format!("`{key}`")).collect();
        let keys = (!keys.is_empty()).then(|| keys.join(", "))?;
        Some(format!("has no key `{key}`; it has {keys}"))
    }

    fn get(
        &self,
        platform: &Platform,
        name: &str,
        key: &str,
    ) -> anyhow::Result<Option<SecretString>> {
        let value = self.values.get(&(name.to_owned(), key.to_owned()));
        let opened = self
            .environment
            .zip(value)
            .map(|(environment, value)| platform.key.open(&place(environment, name, key), value));
        opened.transpose()
    }
}

/// The place that a secret of an environment is sealed for.
pub fn place(environment: Uuid, name: &str, key: &str) -> String {
    format!("secret/{environment}/{name}/{key}")
}

/// The value of a Secret that the platform has not made.
async fn in_namespace(
    platform: &Platform,
    app: &AppName,
    environment: Environment,
    name: &str,
    key: &str,
) -> anyhow::Result<Result<SecretString, String>> {
    let namespace = spec::namespace(app, environment);
    let found = secrets::read(&platform.cluster, &namespace, name).await?;
    let set = format!("hops secrets set -a {app} -e {environment} {name} {key}");
    let Some(mut data) = found else {
        return Ok(Err(format!(
            "does not exist in `{environment}`; set it with `{set}`"
        )));
    };
    let Some(value) = data.remove(key) else {
        return Ok(Err(format!(
            "exists in `{environment}`, but has no key `{key}`; set it with `{set}`"
        )));
    };
    let text = String::from_utf8(value.expose_secret().to_vec());
    Ok(text
        .map(SecretString::from)
        .map_err(|_| format!("has a key `{key}` that is not text, as variables and headers are")))
}

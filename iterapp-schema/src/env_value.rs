//! Values of environment variables, and the tables they are written in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Environment;

/// A variable's value as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EnvValue {
    /// `LOG = "info"`
    Text(String),
    /// `LIMIT = 5`
    Integer(i64),
    /// `DEBUG = true`
    Boolean(bool),
    /// `TOKEN = { encrypted = "…" }`: sealed, so that only the platform can read it.
    Encrypted {
        /// URL-safe base64 without padding.
        encrypted: String,
    },
    /// `TOKEN = { secret = "name", key = "k" }`: the key of a Kubernetes Secret of the namespace.
    Secret {
        /// The Secret's name.
        secret: String,
        /// The key in it.
        key: String,
    },
}

impl EnvValue {
    /// As the container sees it: integers in decimal, booleans as `true` and `false`; nothing for a
    /// value that does not stand in the file.
    #[must_use]
    pub fn plain(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Integer(number) => Some(number.to_string()),
            Self::Boolean(truth) => Some(truth.to_string()),
            Self::Encrypted { .. } | Self::Secret { .. } => None,
        }
    }
}

/// Variables by name.
pub type EnvTable = BTreeMap<String, EnvValue>;

/// All `[env.…]` tables of one appling.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Env {
    /// `[env.common]`: in every environment.
    pub common: EnvTable,
    /// `[env.<environment>]`: in that one, instead of the same name in `common`.
    pub environments: BTreeMap<Environment, EnvTable>,
}

impl Env {
    /// The variables of one environment: the common ones, overridden by its own, whichever table
    /// stands first in the file.
    #[must_use]
    pub fn merged(&self, environment: Environment) -> BTreeMap<&str, &EnvValue> {
        let own = self.environments.get(&environment).into_iter().flatten();
        self.common
            .iter()
            .chain(own)
            .map(|(name, value)| (name.as_str(), value))
            .collect()
    }
}

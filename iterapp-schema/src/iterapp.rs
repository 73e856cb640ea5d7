//! The model: what an app's files ask for, with every default filled in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AppName, ApplingName, Env, Environment};

/// What the files of one commit of an app ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iterapp {
    /// Where a push of the default branch goes.
    pub default_environment: Environment,
    /// At least one, in the order in which the root file lists them.
    pub applings: Vec<Appling>,
}

impl Iterapp {
    /// The names under which an appling is reachable inside its namespace, the documented one first:
    /// `{appling}` for an app's only appling, else `{app}-{appling}`, and `{appling}` as well.
    ///
    /// [`crate::assemble`] has seen to it that no two applings of an app share one.
    #[must_use]
    pub fn service_names(&self, app: &AppName, appling: &ApplingName) -> Vec<String> {
        service_names(app, appling, self.applings.len())
    }
}

pub(crate) fn service_names(app: &AppName, appling: &ApplingName, applings: usize) -> Vec<String> {
    let plain = appling.to_string();
    if applings == 1 {
        vec![plain]
    } else {
        vec![format!("{app}-{appling}"), plain]
    }
}

/// One deployable container of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appling {
    /// Unique in its app.
    pub name: ApplingName,
    /// Its folder's path from the repository's root, `""` for the root itself.
    pub folder: String,
    /// The Dockerfile's path from the repository's root, which is the build context too.
    pub dockerfile: String,
    /// The port on which the container answers HTTP.
    pub port: u16,
    /// The path that answers 200 when the container can take requests.
    pub readiness_path: String,
    /// The path that answers 200 as long as the container need not be restarted, if asked for.
    pub liveness_path: Option<String>,
    /// How many pods; 0 pauses the appling.
    pub replicas: u32,
    /// Hosts of its own in `prod`, in small letters.
    pub domains: Vec<String>,
    /// Its environment variables.
    pub env: Env,
}

impl Appling {
    /// The port when the file names none.
    pub const DEFAULT_PORT: u16 = 3000;
    /// The readiness path when the file names none.
    pub const DEFAULT_READINESS_PATH: &str = "/health";
    /// The number of pods when the file names none.
    pub const DEFAULT_REPLICAS: u32 = 2;

    /// The variables of one environment as the container gets them.
    #[must_use]
    pub fn env_for(&self, environment: Environment) -> BTreeMap<String, String> {
        let merged = self.env.merged(environment);
        merged
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_string()))
            .collect()
    }
}

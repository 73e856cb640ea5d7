//! The model: what an app's files ask for, with every default filled in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AppName, ApplingName, Env, EnvValue, Environment};

/// What the files of one commit of an app ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iterapp {
    /// Where a push of the default branch goes.
    pub default_environment: Environment,
    /// At least one, in the order in which the root file lists them.
    pub applings: Vec<Appling>,
    /// The database that the app's applings share, if the root file asks for one.
    pub postgres: Option<Postgres>,
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
    /// One grapheme cluster that stands beside the name wherever people read it.
    pub emoji: Option<String>,
    /// Its folder's path from the repository's root, `""` for the root itself.
    pub folder: String,
    /// How its image is built. The same image runs in every environment.
    pub build: Build,
    /// Its environment variables.
    pub env: Env,
    /// The database that is its own, if it asks for one.
    pub postgres: Option<Postgres>,
    /// How it runs where no override says otherwise.
    pub run: Run,
    /// How it runs in the environments that have a table `[override.<environment>]`, complete.
    pub overrides: BTreeMap<Environment, Run>,
}

impl Appling {
    /// The variables of one environment as they were written.
    #[must_use]
    pub fn env_for(&self, environment: Environment) -> BTreeMap<&str, &EnvValue> {
        self.env.merged(environment)
    }

    /// Every value that it is built, or runs in an environment, with: secret or not.
    pub fn values_in(&self, environment: Environment) -> impl Iterator<Item = &EnvValue> {
        let run = self.run_in(environment);
        let headers = run.cronjobs.values().filter_map(|job| match &job.action {
            CronAction::Call { headers, .. } => Some(headers.values()),
            CronAction::Run { .. } => None,
        });
        let env = self.env_for(environment).into_values();
        let files = run.files.values().chain(self.build.secrets.values());
        env.chain(files).chain(headers.flatten())
    }

    /// How it runs in one environment.
    #[must_use]
    pub fn run_in(&self, environment: Environment) -> &Run {
        self.overrides.get(&environment).unwrap_or(&self.run)
    }
}

/// How an image is built. Its context is always the repository's root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The Dockerfile's path from the repository's root.
    pub dockerfile: String,
    /// The stage to build; the last one when there is none.
    pub target: Option<String>,
    /// Build arguments, besides the platform's own.
    pub args: BTreeMap<String, String>,
    /// Globs of paths from the repository's root; without any, every release builds.
    pub watch: Vec<String>,
    /// Secrets by the id under which the Dockerfile mounts them.
    pub secrets: BTreeMap<String, EnvValue>,
}

impl Build {
    /// A build of this Dockerfile without any settings.
    #[must_use]
    pub fn of(dockerfile: String) -> Self {
        Self {
            dockerfile,
            target: None,
            args: BTreeMap::new(),
            watch: Vec::new(),
            secrets: BTreeMap::new(),
        }
    }
}

/// A database per environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postgres {
    /// Extensions that the database is to have.
    pub extensions: Vec<String>,
    /// How the SQL proxy shares connections to the server.
    pub pooling: Pooling,
    /// A database that is somewhere else; else the platform makes one.
    pub external: Option<External>,
}

/// How a SQL proxy shares connections to the server among those of an app.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// One for each, as long as it lasts.
    #[default]
    Session,
    /// One for the time of a transaction.
    Transaction,
}

/// A database that the platform has not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    /// The secret of the environment whose key `url` is its address.
    pub secret: String,
    /// Whether it is reached through a SQL proxy.
    pub proxy: bool,
}

impl External {
    /// The key of the secret that has the address.
    pub const KEY: &str = "url";

    /// The value that has the address.
    #[must_use]
    pub fn address(&self) -> EnvValue {
        EnvValue::Secret {
            secret: self.secret.clone(),
            key: Self::KEY.to_owned(),
        }
    }
}

/// How an appling runs in an environment. Kept with releases as JSON, so that a field that is added
/// needs a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// How it is asked over HTTP; nothing for a worker, which is not.
    pub http: Option<Http>,
    /// How many pods.
    pub scale: Scale,
    /// The arguments of the image's entrypoint, instead of the image's own.
    pub command: Option<Vec<String>>,
    /// Likewise, of the Job that runs before a release's pods are replaced.
    pub release_command: Option<Vec<String>>,
    /// Seconds from SIGTERM until a pod is killed.
    pub grace_period: u32,
    /// Labels that a node must have, all of them, to run the pods.
    pub node_selector: BTreeMap<String, String>,
    /// What a pod is sure to get.
    pub requests: Resources,
    /// What a pod may use at most.
    pub limits: Resources,
    /// Files of the container that are not its image's, by their full paths.
    pub files: BTreeMap<String, EnvValue>,
    /// Work on a schedule, by name.
    pub cronjobs: BTreeMap<String, CronJob>,
    /// With whom its pods may speak; nothing for everybody.
    pub isolation: Option<Isolation>,
    /// Switches of `[experimental]` that mean nothing to the platform itself.
    pub experimental: BTreeMap<String, String>,
}

impl Run {
    /// The number of pods when the file names none.
    pub const DEFAULT_REPLICAS: u32 = 2;
    /// The grace period when the file names none, in seconds.
    pub const DEFAULT_GRACE_PERIOD: u32 = 30;
}

impl Default for Run {
    fn default() -> Self {
        Self {
            http: Some(Http::default()),
            scale: Scale::default(),
            command: None,
            release_command: None,
            grace_period: Self::DEFAULT_GRACE_PERIOD,
            node_selector: BTreeMap::new(),
            requests: Resources::default(),
            limits: Resources::default(),
            files: BTreeMap::new(),
            cronjobs: BTreeMap::new(),
            isolation: None,
            experimental: BTreeMap::new(),
        }
    }
}

/// How an appling is asked over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    /// The port on which the container answers.
    pub port: u16,
    /// The path that answers 200 when the container can take requests.
    pub readiness_path: String,
    /// The path that answers 200 as long as the container need not be restarted, if asked for.
    pub liveness_path: Option<String>,
    /// How the world reaches it; nothing when only the cluster does.
    pub ingress: Option<Ingress>,
}

impl Http {
    /// The port when the file names none.
    pub const DEFAULT_PORT: u16 = 3000;
    /// The readiness path when the file names none.
    pub const DEFAULT_READINESS_PATH: &str = "/health";
}

impl Default for Http {
    fn default() -> Self {
        Self {
            port: Self::DEFAULT_PORT,
            readiness_path: Self::DEFAULT_READINESS_PATH.to_owned(),
            liveness_path: None,
            ingress: Some(Ingress::default()),
        }
    }
}

/// How the world reaches an appling.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingress {
    /// Hosts of its own in `prod`, in small letters.
    pub domains: Vec<String>,
    /// Whether the other form of each domain, with or without `www.`, redirects to it.
    pub from_to_www_redirect: bool,
    /// What of its hosts is its; everything when there are none.
    pub paths: Vec<IngressPath>,
}

/// Requests whose path is this prefix or lies below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngressPath {
    /// Begins with `/`; no `/` at its end, but for the root.
    pub prefix: String,
    /// What the container sees instead of the prefix.
    pub rewrite: Option<String>,
}

/// How many pods an appling has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// This many; 0 pauses the appling.
    Fixed(u32),
    /// As many as its load needs.
    Auto(Autoscale),
}

impl Default for Scale {
    fn default() -> Self {
        Self::Fixed(Run::DEFAULT_REPLICAS)
    }
}

/// Between how many pods, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Autoscale {
    /// At least 1.
    pub min: u32,
    /// At least `min`.
    pub max: u32,
    /// The CPU that pods are to use on average, in percent of what they request.
    pub cpu: u32,
}

impl Autoscale {
    /// The average use of CPU when the file names none, in percent.
    pub const DEFAULT_CPU: u32 = 80;
}

/// Amounts in Kubernetes' notation (`250m`, `98Mi`), as the author wrote them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// In cores.
    pub cpu: Option<String>,
    /// In bytes.
    pub memory: Option<String>,
}

/// Work on a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronJob {
    /// Five fields of cron, in UTC, or a macro such as `@daily`.
    pub schedule: String,
    /// What happens then.
    pub action: CronAction,
    /// What happens when the last run has not ended by then.
    pub concurrency: Concurrency,
}

/// What a cron job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CronAction {
    /// Asks the appling for a path.
    Call {
        /// Begins with `/`.
        path: String,
        /// Headers of the request, by name.
        headers: BTreeMap<String, EnvValue>,
    },
    /// Runs the appling's image with this command.
    Run {
        /// The arguments of the image's entrypoint.
        command: Vec<String>,
    },
}

/// What becomes of a run when the one before has not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Concurrency {
    /// Both run.
    Allow,
    /// It is left out.
    #[default]
    Forbid,
    /// The one before is ended.
    Replace,
}

/// A wall around an appling: its namespace, the ingress and these apps get through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    /// Apps of the same environment whose pods may speak with it, and it with them.
    pub allow_apps: Vec<AppName>,
}

//! What a release wants of one appling, kept with the release and never changed afterwards.

use builder_client::Redactor;
use iterapp_schema::{
    AppName, ApplingName, CronAction, EnvTable, EnvValue, Environment, Http, Ingress, Pooling, Run,
    Scale,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    database::connection::{Address, Databases},
    secrets::open::Opened,
};

/// Everything the platform needs to know about an appling at one commit in one environment,
/// except its image: plain values, made by `release::plan`, stored with the release as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplingSpec {
    /// The appling's name, a DNS label.
    pub name: ApplingName,
    /// One emoji that stands beside the name wherever people read it.
    #[serde(default)]
    pub emoji: Option<String>,
    /// The commit (40 hex digits) that the appling was built from.
    pub commit: String,
    /// How it runs, with the environment's overrides.
    pub run: Run,
    /// Hosts that the ingress routes to this appling; the platform's own host first. None for one
    /// that the world does not reach.
    pub hosts: Vec<String>,
    /// Names of the appling's Services; the documented name first. None for a worker.
    pub service_names: Vec<String>,
    /// The author's variables, `[env.<environment>]` already merged over `[env.common]`: texts, and
    /// where secret values come from.
    pub env: EnvTable,
    /// Its database, or its part in the one that all share.
    #[serde(default)]
    pub database: Option<Database>,
}

/// The database that an appling is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Whether the applings of the app share it.
    pub shared: bool,
    /// Extensions that it is to have.
    pub extensions: Vec<String>,
    /// How the SQL proxy shares connections to the server.
    pub pooling: Pooling,
    /// One that is somewhere else.
    pub external: Option<ExternalDatabase>,
}

/// A database that the platform has not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalDatabase {
    /// The secret that has its address.
    pub address: EnvValue,
    /// Whether it is reached through the SQL proxy.
    pub proxy: bool,
}

impl ApplingSpec {
    /// How it is asked over HTTP; nothing for a worker.
    pub fn http(&self) -> Option<&Http> {
        self.run.http.as_ref()
    }

    /// Every value that the appling is configured with, secret or not.
    pub fn values(&self) -> impl Iterator<Item = &EnvValue> {
        let actions = self.run.cronjobs.values().map(|job| &job.action);
        let headers = actions.filter_map(|action| match action {
            CronAction::Call { headers, .. } => Some(headers.values()),
            CronAction::Run { .. } => None,
        });
        let files = self.run.files.values();
        let address = self.external_database().map(|external| &external.address);
        self.env
            .values()
            .chain(files)
            .chain(headers.flatten())
            .chain(address)
    }

    /// The database somewhere else that it is connected to, if it is.
    pub fn external_database(&self) -> Option<&ExternalDatabase> {
        self.database.as_ref()?.external.as_ref()
    }

    /// Whose the platform's database is that it is connected to: its own, or everybody's; nothing when it
    /// has none.
    pub fn database_owner(&self) -> Option<Option<&ApplingName>> {
        let database = self.database.as_ref()?;
        match (&database.external, database.shared) {
            (Some(_), _) => None,
            (None, true) => Some(None),
            (None, false) => Some(Some(&self.name)),
        }
    }

    /// The number of pods that is wanted where the Deployment has this one now: an autoscaler's
    /// choice counts, nobody else's does.
    pub fn replicas_given(&self, now: Option<u32>) -> u32 {
        match self.run.scale {
            Scale::Fixed(replicas) => replicas,
            Scale::Auto(_) => now.unwrap_or(0).max(self.replicas()),
        }
    }

    /// How the world reaches it, if it does.
    pub fn ingress(&self) -> Option<&Ingress> {
        self.http()?.ingress.as_ref()
    }

    /// The author's own hosts: those after the platform's.
    pub fn domains(&self) -> &[String] {
        self.hosts.get(1..).unwrap_or_default()
    }

    /// The other form of each domain, with or without `www.`, that is to redirect to it; none for
    /// a domain whose other form is the appling's too.
    pub fn redirects(&self) -> Vec<Redirect> {
        if !self.ingress().is_some_and(|i| i.from_to_www_redirect) {
            return Vec::new();
        }
        let redirects = self.domains().iter().map(|domain| Redirect {
            from: match domain.strip_prefix("www.") {
                Some(apex) => apex.to_owned(),
                None => format!("www.{domain}"),
            },
            to: domain.clone(),
        });
        redirects
            .filter(|redirect| !self.hosts.contains(&redirect.from))
            .collect()
    }

    /// The hosts that its app has to claim: its domains, and what redirects to them.
    pub fn claims(&self) -> Vec<String> {
        let redirected = self.redirects().into_iter().map(|redirect| redirect.from);
        self.domains().iter().cloned().chain(redirected).collect()
    }

    /// The number of pods that is wanted at least.
    pub fn replicas(&self) -> u32 {
        match &self.run.scale {
            Scale::Fixed(replicas) => *replicas,
            Scale::Auto(autoscale) => autoscale.min,
        }
    }
}

/// A host that is only there to lead to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// Where requests come to.
    pub from: String,
    /// Where they are sent.
    pub to: String,
}

/// A spec with the image that was built for it: what can be rolled out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// What the release wants.
    pub spec: ApplingSpec,
    /// Image reference by digest, `registry/app/appling@sha256:…`.
    pub image: String,
}

/// What one environment of one app is to look like now: the newest good version of each appling,
/// or the candidate on trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedEnvironment {
    /// The app.
    pub app: AppName,
    /// The environment.
    pub environment: Environment,
    /// One version per appling, each appling once.
    pub versions: Vec<Version>,
    /// The newest good version of each appling that has one: a candidate's cron jobs wait until it
    /// is good.
    pub good: Vec<Version>,
    /// Release commands that are to run, or run; no two that may run are of the same appling.
    pub commands: Vec<ReleaseCommand>,
    /// The secret values of all of these.
    pub opened: Opened,
    /// Their databases.
    pub databases: Databases,
}

/// The release command of one appling of one release: it runs once, before the appling's pods are
/// replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseCommand {
    /// The release.
    pub id: Uuid,
    /// The release's number.
    pub release: i64,
    /// Whose image, environment and `release_command` it runs with.
    pub version: Version,
    /// Whether it may run. Its Job is made before that, without a pod.
    pub started: bool,
}

impl WantedEnvironment {
    /// An environment in which nothing is on trial.
    pub fn settled(app: AppName, environment: Environment, versions: Vec<Version>) -> Self {
        Self {
            app,
            environment,
            good: versions.clone(),
            versions,
            commands: Vec::new(),
            opened: Opened::default(),
            databases: Databases::default(),
        }
    }

    /// What is wanted of each version of each appling.
    pub fn specs(&self) -> impl Iterator<Item = &ApplingSpec> {
        let versions = self.versions.iter().chain(&self.good);
        let commands = self.commands.iter().map(|command| &command.version);
        versions.chain(commands).map(|version| &version.spec)
    }

    /// Every value that anything in the environment is configured with, secret or not.
    pub fn values(&self) -> impl Iterator<Item = &EnvValue> {
        self.specs().flat_map(ApplingSpec::values)
    }

    /// Blots out the secrets of all of these.
    pub fn redactor(&self) -> Redactor {
        let secrets = self.secrets();
        Redactor::new(secrets.iter().map(|value| value.expose_secret().as_bytes()))
    }

    /// The secrets of all of these.
    pub fn secrets(&self) -> Vec<SecretString> {
        let passwords = self.databases.0.values().map(|one| one.password.clone());
        let external = self.specs().filter_map(ApplingSpec::external_database);
        let addresses = external.filter_map(|external| {
            let opened = self.opened.get(&external.address)?;
            Some(Address::parse(&opened.value).ok()?.connection("").password)
        });
        let opened = self.opened.values().cloned();
        opened.chain(passwords).chain(addresses).collect()
    }

    /// The namespace `apps-{app}-{environment}` that holds everything of this environment.
    pub fn namespace(&self) -> String {
        namespace(&self.app, self.environment)
    }
}

/// The namespace of an app's environment.
pub fn namespace(app: &AppName, environment: Environment) -> String {
    format!("apps-{app}-{environment}")
}

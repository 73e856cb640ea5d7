//! The platform's settings: every one an environment variable (or the flag of the same name),
//! none of them a secret itself; secrets come from files.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow};
use builder_client::{Daemon, Tls};
use clap::Args;
use ipnet::IpNet;
use iterapp_schema::{Environment, Resources};
use serde::de::DeserializeOwned;
use url::Url;

use crate::{
    registry::RegistryAuth,
    rollout::{
        cluster::{
            CALLER_IMAGE, CLOUD_SQL_PROXY_IMAGE, Defaults, IngressFlavour, IngressSource,
            PGBOUNCER_IMAGE, RegistryCredentials, Settings,
        },
        desired::amount,
    },
    secrets::at_rest::PlatformKey,
    tokens::Tokens,
};

/// Settings of `hops-platform serve`, `server` and `controller`.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address to listen on.
    #[arg(long, env = "HOPS_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// The platform's address as users reach it.
    #[arg(long, env = "HOPS_PUBLIC_URL", default_value = "http://127.0.0.1:8080")]
    pub public_url: Url,
    /// Folder for the git repositories.
    #[arg(long, env = "HOPS_DATA_DIR")]
    pub data_dir: PathBuf,
    /// File with the API's token.
    #[arg(long, env = "HOPS_TOKEN_FILE")]
    pub token_file: PathBuf,
    /// TOML file with more tokens: `[tokens.NAME]`, `token_file` and `scopes` (`data`: into the apps'
    /// databases, which the token above may go too).
    #[arg(long, env = "HOPS_TOKENS")]
    pub tokens: Option<PathBuf>,
    /// File with the key that seals secrets: 32 bytes in base64. More lines are keys before it, which open.
    #[arg(long, env = "HOPS_KEY_FILE")]
    pub key_file: PathBuf,
    /// Name of this installation; objects in Kubernetes carry it, and only those are touched.
    #[arg(long, env = "HOPS_INSTANCE", default_value = "hops")]
    pub instance: String,
    /// Addresses of the buildkitd daemons, `unix:///path` or `tcp://host:port`, by commas.
    #[arg(long, env = "HOPS_BUILDKIT", value_delimiter = ',', required = true)]
    pub buildkit: Vec<String>,
    /// Folder with `ca.pem`, `cert.pem` and `key.pem` for buildkitd over TLS.
    #[arg(long, env = "HOPS_BUILDKIT_TLS_DIR")]
    pub buildkit_tls_dir: Option<PathBuf>,
    /// Registry that images are pushed to, `host[:port][/path]`.
    #[arg(long, env = "HOPS_REGISTRY")]
    pub registry: String,
    /// Speak plain HTTP to the registry.
    #[arg(long, env = "HOPS_REGISTRY_INSECURE", default_value_t = false)]
    pub registry_insecure: bool,
    /// Docker configuration file (`config.json`) with credentials for registries: the platform's
    /// own, and those of private base images.
    #[arg(long, env = "HOPS_REGISTRY_AUTH_FILE")]
    pub registry_auth_file: Option<PathBuf>,
    /// Domain below which every app gets its hosts.
    #[arg(long, env = "HOPS_DOMAIN", default_value = "localhost")]
    pub domain: String,
    /// Scheme and port with which apps are reached from outside; the host is replaced.
    #[arg(long, env = "HOPS_INGRESS_URL", default_value = "http://localhost")]
    pub ingress_url: Url,
    /// Class of the Ingress objects.
    #[arg(long, env = "HOPS_INGRESS_CLASS", default_value = "nginx")]
    pub ingress_class: String,
    /// What serves that class: `ingress-nginx`, or `traefik` (3.6, with its providers
    /// kubernetesIngressNGINX and kubernetesCRD).
    #[arg(
        long,
        env = "HOPS_INGRESS_FLAVOUR",
        value_enum,
        default_value = "ingress-nginx"
    )]
    pub ingress_flavour: IngressFlavour,
    /// Namespaces, or networks in CIDR notation, by commas, from which the ingress controller's
    /// requests come: isolated applings let them in.
    #[arg(
        long,
        env = "HOPS_INGRESS_FROM",
        value_delimiter = ',',
        default_value = "ingress-nginx"
    )]
    pub ingress_from: Vec<IngressSource>,
    /// Image with `curl`, which makes the requests of cron jobs.
    #[arg(long, env = "HOPS_CALLER_IMAGE", default_value = CALLER_IMAGE)]
    pub caller_image: String,
    /// TOML file with the Postgres servers on which apps' databases are made.
    #[arg(long, env = "HOPS_POSTGRES_SERVERS")]
    pub postgres_servers: Option<PathBuf>,
    /// Image with PgBouncer, the SQL proxy that stands in the pods of applings with a database.
    #[arg(long, env = "HOPS_PGBOUNCER_IMAGE", default_value = PGBOUNCER_IMAGE)]
    pub pgbouncer_image: String,
    /// Image of Google's Cloud SQL Auth Proxy, for servers that are instances of Cloud SQL.
    #[arg(long, env = "HOPS_CLOUD_SQL_PROXY_IMAGE", default_value = CLOUD_SQL_PROXY_IMAGE)]
    pub cloud_sql_proxy_image: String,
    /// Where backups of databases are kept: `file:///folder`, or `s3://bucket/prefix` (any store that
    /// speaks S3, with AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY).
    #[arg(long, env = "HOPS_BACKUP_URL")]
    pub backup_url: Option<Url>,
    /// Hours between scheduled backups of a database; without it, none are scheduled.
    #[arg(long, env = "HOPS_BACKUP_EVERY", value_parser = hours)]
    pub backup_every: Option<Duration>,
    /// Environments with scheduled backups, by commas.
    #[arg(
        long,
        env = "HOPS_BACKUP_ENVIRONMENTS",
        value_delimiter = ',',
        default_value = "prod"
    )]
    pub backup_environments: Vec<Environment>,
    /// Hours that a backup is kept. The newest one that was proved is kept however old it is.
    #[arg(long, env = "HOPS_BACKUP_KEEP", default_value = "720", value_parser = hours)]
    pub backup_keep: Duration,
    /// Private networks in which a forge may be, in CIDR notation, by commas. Every other
    /// loopback, link-local or private address is refused as a repository's address.
    #[arg(long, env = "HOPS_FORGE_ALLOW_PRIVATE", value_delimiter = ',')]
    pub forge_allow_private: Vec<IpNet>,
    /// Builds at the same time, per controller.
    #[arg(long, env = "HOPS_BUILD_CONCURRENCY", default_value_t = 4)]
    pub build_concurrency: usize,
    /// Seconds until a build is given up.
    #[arg(long, env = "HOPS_BUILD_DEADLINE", default_value = "1800", value_parser = seconds)]
    pub build_deadline: Duration,
    /// Seconds until a candidate that does not become ready is taken back.
    #[arg(long, env = "HOPS_ROLLOUT_DEADLINE", default_value = "180", value_parser = seconds)]
    pub rollout_deadline: Duration,
    /// CPU that an appling requests when its `iterapp.toml` names none, in Kubernetes' notation
    /// (`100m`). Without one, only autoscaled applings request any.
    #[arg(long, env = "HOPS_DEFAULT_CPU_REQUEST", value_parser = quantity)]
    pub default_cpu_request: Option<String>,
    /// Memory that an appling requests when its `iterapp.toml` names none (`128Mi`).
    #[arg(long, env = "HOPS_DEFAULT_MEMORY_REQUEST", value_parser = quantity)]
    pub default_memory_request: Option<String>,
    /// CPU that an appling may use at most when its `iterapp.toml` names no limit.
    #[arg(long, env = "HOPS_DEFAULT_CPU_LIMIT", value_parser = quantity)]
    pub default_cpu_limit: Option<String>,
    /// Memory that an appling may use at most when its `iterapp.toml` names no limit.
    #[arg(long, env = "HOPS_DEFAULT_MEMORY_LIMIT", value_parser = quantity)]
    pub default_memory_limit: Option<String>,
    /// Seconds until a release command is ended, and counts as failed.
    #[arg(long, env = "HOPS_RELEASE_COMMAND_DEADLINE", default_value = "3600", value_parser = seconds)]
    pub release_command_deadline: Duration,
    /// Largest pack that a `git push` may send, in bytes.
    #[arg(long, env = "HOPS_MAX_PACK_BYTES", default_value_t = 1 << 30)]
    pub max_pack_bytes: u64,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("a number of seconds from 1 to 86400 is wanted".to_owned()),
    }
}

fn hours(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(hours @ 1..=100_000) => Ok(Duration::from_secs(hours * 3600)),
        _ => Err("a number of hours from 1 is wanted".to_owned()),
    }
}

fn quantity(text: &str) -> Result<String, String> {
    match amount(text) {
        Some(amount) if amount > 0.0 => Ok(text.to_owned()),
        _ => Err("a quantity in Kubernetes' notation is wanted: 100m, 0.5, 128Mi".to_owned()),
    }
}

impl Config {
    /// The database's address, from `DATABASE_URL`.
    ///
    /// # Errors
    /// When the variable is missing.
    pub fn database_url() -> anyhow::Result<String> {
        std::env::var("DATABASE_URL")
            .context("DATABASE_URL is not set: postgres://user:password@host:port/database")
    }

    /// Who may come in.
    ///
    /// # Errors
    /// When a file cannot be read or holds no token worth the name.
    pub fn tokens(&self) -> anyhow::Result<Tokens> {
        Tokens::read(&self.token_file, self.tokens.as_deref())
    }

    /// The key that seals secrets.
    ///
    /// # Errors
    /// When the file cannot be read or holds no key.
    pub fn key(&self) -> anyhow::Result<PlatformKey> {
        PlatformKey::parse(&read_secret(&self.key_file)?.into())
            .with_context(|| self.key_file.display().to_string())
    }

    /// How the cluster is used.
    pub fn cluster_settings(&self, registry_auth: &RegistryAuth) -> Settings {
        let login = registry_auth
            .for_reference(&self.registry)
            .map(|credential| RegistryCredentials {
                registry: self
                    .registry
                    .split('/')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
                username: credential.username.clone(),
                password: credential.password.clone(),
            });
        Settings {
            ingress_class: self.ingress_class.clone(),
            ingress_flavour: self.ingress_flavour,
            ingress_sources: self.ingress_from.clone(),
            caller_image: self.caller_image.clone(),
            pgbouncer_image: self.pgbouncer_image.clone(),
            cloud_sql_proxy_image: self.cloud_sql_proxy_image.clone(),
            release_command_deadline: self.release_command_deadline,
            pull_secret: login,
            defaults: Defaults {
                requests: Resources {
                    cpu: self.default_cpu_request.clone(),
                    memory: self.default_memory_request.clone(),
                },
                limits: Resources {
                    cpu: self.default_cpu_limit.clone(),
                    memory: self.default_memory_limit.clone(),
                },
            },
            ..Settings::new(self.instance.clone())
        }
    }

    /// The BuildKit daemons, with their certificates.
    ///
    /// # Errors
    /// When an address or a certificate's file is wrong.
    pub fn daemons(&self) -> anyhow::Result<Vec<Daemon>> {
        let tls = self.buildkit_tls_dir.as_deref().map(read_tls).transpose()?;
        let parse = |address: &String| {
            let daemon = Daemon::parse(address.trim())?;
            let tls = tls.clone().filter(|_| daemon.address.starts_with("tcp:"));
            Ok(Daemon { tls, ..daemon })
        };
        self.buildkit.iter().map(parse).collect()
    }

    /// The address at which a host is reached from outside.
    pub fn app_url(&self, host: &str) -> String {
        let mut url = self.ingress_url.clone();
        match url.set_host(Some(host)) {
            Ok(()) => url.to_string(),
            Err(_) => format!("{}://{host}/", self.ingress_url.scheme()),
        }
    }
}

fn read_tls(folder: &Path) -> anyhow::Result<Tls> {
    let read = |name: &str| {
        let file = folder.join(name);
        std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    };
    Ok(Tls {
        ca: read("ca.pem")?,
        cert: read("cert.pem")?,
        key: read("key.pem")?.into(),
        server_name: None,
    })
}

pub(crate) fn read_secret(file: &Path) -> anyhow::Result<String> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.trim().to_owned())
}

/// Reads a file of settings.
///
/// # Errors
/// With the line of the first mistake, and not with what stands there: it may be a secret in a wrong place.
pub(crate) fn read_toml<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.unwrap_or_default().matches('\n').count() + 1;
        let told = error.message();
        let of_names = ["unknown field", "missing field", "duplicate"];
        if of_names.iter().any(|of| told.starts_with(of)) {
            return anyhow!("line {line}: {told}");
        }
        // Other mistakes begin with the value.
        match told.rsplit_once(", expected ") {
            Some((_, wanted)) => anyhow!("line {line}: expected {wanted}"),
            None => anyhow!("line {line}: this is not what is wanted here"),
        }
    })
}

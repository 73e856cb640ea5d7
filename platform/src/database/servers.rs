//! The servers on which databases are made: a TOML file that the platform is told of.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use ipnet::IpNet;
use iterapp_schema::Environment;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sqlx::{
    ConnectOptions, Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::{
    net::TcpStream,
    runtime::Handle,
    sync::{Semaphore, SemaphorePermit},
    task::spawn_blocking,
    time::timeout,
};

use super::connection::Tls;
use crate::config::{read_secret, read_toml};

/// How long a server may take to let the platform in. It is many short steps on both sides, each of which
/// waits for its turn where much else runs.
const CONNECT: Duration = Duration::from_secs(10);

/// The servers, by name.
#[derive(Debug, Default)]
pub struct Servers(BTreeMap<String, Server>);

/// Who to be on a server.
#[derive(Debug, Clone)]
pub struct Account {
    /// The role.
    pub role: String,
    /// Its password.
    pub password: SecretString,
}

/// A Postgres server for the apps' databases.
#[derive(Debug)]
pub struct Server {
    /// Its name in the settings.
    pub name: String,
    /// Where it is: as pods reach it, and the platform.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How one makes sure that it is the right one.
    pub tls: Tls,
    /// The platform's account there. It may make databases and roles and need not be a superuser.
    user: String,
    password: SecretString,
    /// The database that the platform connects to when it makes others.
    maintenance_database: String,
    ca_file: Option<PathBuf>,
    environments: Vec<Environment>,
    /// Extensions that applings may ask for.
    pub extensions: Vec<String>,
    /// Connections that a database takes at most.
    pub connection_limit: u32,
    /// Connections that the SQL proxy of one pod opens at most.
    pub pool_size: u32,
    /// How long a statement of an appling may take; no limit without one.
    pub statement_timeout: Option<Duration>,
    /// An instance of Google's Cloud SQL, `project:region:instance`: pods reach it through Google's
    /// proxy, which stands beside ours.
    pub cloud_sql_instance: Option<String>,
    /// The addresses that pods reach it by, for the walls around isolated applings.
    pub networks: Vec<IpNet>,
    turns: Semaphore,
}

/// Of the platform's own connections to its Postgres, so many may wait for one server at the same time: one
/// that does not answer is not to keep the platform from everything else.
const TURNS: usize = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    servers: BTreeMap<String, Section>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    host: String,
    #[serde(default = "postgres_port")]
    port: u16,
    user: String,
    password_file: PathBuf,
    #[serde(default = "postgres_database")]
    maintenance_database: String,
    tls: Option<TlsMode>,
    ca_file: Option<PathBuf>,
    /// Those whose databases are made here; all that no other server names, when there are none.
    #[serde(default)]
    environments: Vec<Environment>,
    #[serde(default)]
    extensions: Vec<String>,
    #[serde(default = "connection_limit")]
    connection_limit: u32,
    #[serde(default = "pool_size")]
    pool_size: u32,
    statement_timeout_seconds: Option<u64>,
    cloud_sql_instance: Option<String>,
    #[serde(default)]
    networks: Vec<IpNet>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum TlsMode {
    /// Its certificate must be by the authority of `ca_file`, and for `host`.
    VerifyFull,
    /// Encrypted, whoever it is.
    Require,
    /// Not at all: for a server on a network that nobody else is on.
    Disable,
}

fn postgres_port() -> u16 {
    5432
}

fn postgres_database() -> String {
    "postgres".to_owned()
}

fn connection_limit() -> u32 {
    100
}

fn pool_size() -> u32 {
    10
}

impl Servers {
    /// Reads the file of settings; no servers without one.
    ///
    /// # Errors
    /// When it, or a file that it names, cannot be read or is wrong.
    pub fn read(file: Option<&Path>) -> anyhow::Result<Servers> {
        let Some(file) = file else {
            return Ok(Servers::default());
        };
        let what = || file.display().to_string();
        let text = std::fs::read_to_string(file).with_context(what)?;
        let File { servers } = read_toml(&text).with_context(what)?;
        let read = |(name, section): (String, Section)| {
            let server = Server::of(&name, section);
            let server = server.with_context(|| format!("{}: [servers.{name}]", file.display()));
            server.map(|server| (name, server))
        };
        let servers = servers.into_iter().map(read);
        Ok(Servers(servers.collect::<anyhow::Result<_>>()?))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The server of this name.
    pub fn get(&self, name: &str) -> Option<&Server> {
        self.0.get(name)
    }

    /// Where new databases of an environment are made: the first server that names it, else the first
    /// that names none.
    pub fn of_environment(&self, environment: Environment) -> Option<&Server> {
        let names = |server: &&Server| server.environments.contains(&environment);
        let for_all = |server: &&Server| server.environments.is_empty();
        let mut servers = self.0.values();
        servers
            .clone()
            .find(names)
            .or_else(|| servers.find(for_all))
    }
}

impl Server {
    fn of(name: &str, section: Section) -> anyhow::Result<Server> {
        let mode = section.tls.unwrap_or(match section.ca_file {
            Some(_) => TlsMode::VerifyFull,
            None => TlsMode::Require,
        });
        let tls = match (mode, &section.ca_file) {
            (TlsMode::VerifyFull, Some(file)) => {
                let ca = std::fs::read_to_string(file);
                Tls::Verify(ca.with_context(|| file.display().to_string())?)
            }
            (TlsMode::VerifyFull, None) => bail!("tls = \"verify-full\" needs a `ca_file`"),
            (TlsMode::Require, _) => Tls::Require,
            (TlsMode::Disable, _) => Tls::Off,
        };
        if section.pool_size == 0 || section.pool_size > section.connection_limit {
            bail!("`pool_size` is at least 1, and at most `connection_limit`");
        }
        Ok(Server {
            name: name.to_owned(),
            host: section.host,
            port: section.port,
            tls,
            user: section.user,
            password: read_secret(&section.password_file)?.into(),
            maintenance_database: section.maintenance_database,
            ca_file: section.ca_file,
            environments: section.environments,
            extensions: section.extensions,
            connection_limit: section.connection_limit,
            pool_size: section.pool_size,
            statement_timeout: section.statement_timeout_seconds.map(Duration::from_secs),
            cloud_sql_instance: section.cloud_sql_instance,
            networks: section.networks,
            turns: Semaphore::new(TURNS),
        })
    }

    /// What databases here are limited to, as a text that is another one when that is.
    pub fn limits(&self) -> String {
        let timeout = self.statement_timeout.unwrap_or_default().as_millis();
        format!("{} connections, {timeout} ms", self.connection_limit)
    }

    /// Whether an appling may ask for an extension.
    pub fn allows(&self, extension: &str) -> bool {
        self.extensions.iter().any(|allowed| allowed == extension)
    }

    /// Waits for a turn: to be had before a transaction on the platform's own Postgres in which this server is
    /// asked.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.turns.acquire().await.ok()
    }

    /// A connection of the platform's account, to the database that is there anyway. It never connects to
    /// an app's: whoever owns a database decides what a function's name means there, and what a trigger
    /// does, and would have the platform's rights with it.
    ///
    /// # Errors
    /// When the server does not answer or does not let the platform in.
    pub async fn connect(&self) -> sqlx::Result<PgConnection> {
        let own = Account {
            role: self.user.clone(),
            password: self.password.clone(),
        };
        // Others may be let into that database, and even make functions there: none of theirs is ours.
        let options = self.options(&own, &self.maintenance_database);
        connected(options.options([("search_path", "pg_catalog")])).await
    }

    /// A connection to an app's database, as one of that database's own logins.
    ///
    /// # Errors
    /// As [`Server::connect`].
    pub async fn connect_as(&self, who: &Account, database: &str) -> sqlx::Result<PgConnection> {
        connected(self.options(who, database)).await
    }

    /// A connection on which nothing was said yet: for somebody else to talk on, TLS and all.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn dial(&self) -> std::io::Result<TcpStream> {
        let address = (self.host.as_str(), self.port);
        let connected = timeout(CONNECT, TcpStream::connect(address)).await;
        let stream = connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// How one makes sure of it, in libpq's words.
    pub fn sslmode(&self) -> &'static str {
        match self.tls {
            Tls::Verify(_) => "verify-full",
            Tls::Prefer => "prefer",
            Tls::Require => "require",
            Tls::Off => "disable",
        }
    }

    /// What tells Postgres' own programs where it is, and who to be there (libpq, Environment
    /// Variables). The password is among it.
    pub fn variables(&self, who: &Account) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("PGHOST", self.host.clone()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", who.role.clone()),
            ("PGPASSWORD", who.password.expose_secret().to_owned()),
            ("PGSSLMODE", self.sslmode().to_owned()),
            ("PGAPPNAME", "hops-platform".to_owned()),
            ("PGCONNECT_TIMEOUT", CONNECT.as_secs().to_string()),
        ];
        let ca = self.ca_file.as_ref();
        variables.extend(ca.map(|file| ("PGSSLROOTCERT", file.display().to_string())));
        variables
    }

    fn options(&self, who: &Account, database: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(&who.role)
            .password(who.password.expose_secret())
            .database(database)
            .application_name("hops-platform")
            .ssl_mode(match self.tls {
                Tls::Verify(_) => PgSslMode::VerifyFull,
                Tls::Prefer => PgSslMode::Prefer,
                Tls::Require => PgSslMode::Require,
                Tls::Off => PgSslMode::Disable,
            })
            .options([("statement_timeout", "60s"), ("lock_timeout", "10s")])
            // What a login is let in with stands in no log.
            .disable_statement_logging();
        match &self.ca_file {
            Some(file) => options.ssl_root_cert(file),
            None => options,
        }
    }
}

/// On a thread of its own: sqlx reads all of the system's certificates and hashes the password 4096 times.
/// It lets whatever is ready go first after every fifth, which took seconds where much was to be done.
async fn connected(options: PgConnectOptions) -> sqlx::Result<PgConnection> {
    let runtime = Handle::current();
    let connecting = async move {
        let mut connection = options.connect().await?;
        connection.ping().await?;
        Ok(connection)
    };
    let in_time = async { timeout(CONNECT, connecting).await };
    let connected = spawn_blocking(move || runtime.block_on(in_time)).await;
    match connected {
        Ok(Ok(connected)) => connected,
        Ok(Err(_)) => Err(sqlx::Error::PoolTimedOut),
        Err(_) => Err(sqlx::Error::WorkerCrashed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &str) -> anyhow::Result<Servers> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("password", "hunter22\n"), ("ca", "(certificate)")] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let settings = settings.replace("DIR", folder.path().to_str().unwrap());
        std::fs::write(folder.path().join("servers.toml"), settings).unwrap();
        Servers::read(Some(&folder.path().join("servers.toml")))
    }

    #[test]
    fn an_environment_has_its_own_server_or_the_one_for_all() {
        let servers = read(
            "[servers.big]\nhost = 'a'\nuser = 'hops'\npassword_file = 'DIR/password'\nenvironments = ['prod']\nca_file = 'DIR/ca'\n\
             [servers.small]\nhost = 'b'\nuser = 'hops'\npassword_file = 'DIR/password'\ntls = 'disable'\n",
        )
        .unwrap();
        let of = |environment| servers.of_environment(environment).unwrap();
        assert_eq!(of(Environment::Prod).name, "big");
        assert_eq!(
            of(Environment::Prod).tls,
            Tls::Verify("(certificate)".to_owned())
        );
        assert_eq!(of(Environment::Snap(3)).name, "small");
        assert_eq!(of(Environment::Test).tls, Tls::Off);
        assert!(!format!("{servers:?}").contains("hunter22"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let told = |settings: &str| format!("{:#}", read(settings).err().unwrap());
        let base = "[servers.a]\nhost = 'a'\nuser = 'hops'\npassword_file = 'DIR/password'\n";
        assert!(told(&format!("{base}hots = 1\n")).contains("hots"));
        let verify = told(&format!("{base}tls = 'verify-full'\n"));
        assert!(
            verify.contains("[servers.a]") && verify.contains("ca_file"),
            "{verify}"
        );
        assert!(told(&base.replace("DIR/password", "DIR/none")).contains("none"));
    }
}

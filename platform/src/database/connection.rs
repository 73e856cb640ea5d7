//! How applings reach a database: through the SQL proxy in their pods, which has the password, or by the
//! address of one that is somewhere else.

use std::{collections::BTreeMap, fmt};

use ipnet::IpNet;
use iterapp_schema::{ApplingName, Pooling};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;

use crate::secrets::hex;

/// How one makes sure that a server is the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    Off,
    /// Encrypted where the server can.
    Prefer,
    /// Encrypted, whoever it is.
    Require,
    /// By an authority's certificate (PEM), and for the server's name.
    Verify(String),
}

/// What the SQL proxy connects with.
#[derive(Clone)]
pub struct Connection {
    /// Where the server is.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// Who to be there.
    pub login: String,
    /// That one's password.
    pub password: SecretString,
    /// The same for the same password, and no help to whoever wants to know it.
    pub fingerprint: String,
    /// How the server is made sure of.
    pub tls: Tls,
    /// Connections that one proxy opens at most.
    pub pool_size: u32,
    /// Google's proxy stands before the server, for this instance.
    pub cloud_sql_instance: Option<String>,
    /// The addresses that pods reach it by, where whoever runs the platform has said them.
    pub networks: Vec<IpNet>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            port,
            database,
            login,
            ..
        } = self;
        write!(f, "{login}@{host}:{port}/{database}")
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        let told = |one: &Self| (one.fingerprint.clone(), format!("{one:?}"), one.pool_size);
        told(self) == told(other) && self.tls == other.tls && self.networks == other.networks
    }
}

impl Eq for Connection {}

/// The platform's databases of an environment, by whose they are: an appling's, or everybody's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Databases(pub BTreeMap<Option<ApplingName>, Connection>);

/// Where the SQL proxy listens: in the pod's own loopback, as HOPS has it.
pub const PROXY_HOST: &str = "127.0.0.1";
/// Its port.
pub const PROXY_PORT: u16 = 5432;
/// What applings give the proxy as a password: it asks for none, but drivers want to have one.
pub const NO_PASSWORD: &str = "sql-proxy";

/// The variables that lead an appling to the proxy. None of them is secret.
pub fn variables(connection: &Connection) -> BTreeMap<String, String> {
    let name = &connection.database;
    of_parts(PROXY_HOST, PROXY_PORT, name, NO_PASSWORD, name)
}

fn of_parts(
    host: &str,
    port: u16,
    user: &str,
    password: &str,
    database: &str,
) -> BTreeMap<String, String> {
    let mut url = Url::parse("postgres://host").expect("an address");
    // Each escapes what the address would take for something else.
    let _ = url.set_host(Some(host));
    let _ = url.set_port(Some(port));
    let _ = url.set_username(user);
    let _ = url.set_password(Some(password));
    url.set_path(database);
    let mut variables = BTreeMap::from([("DATABASE_URL".to_owned(), url.to_string())]);
    for (name, value) in [
        ("PGHOST", host),
        ("PGPORT", &port.to_string()),
        ("PGUSER", user),
        ("PGPASSWORD", password),
        ("PGDATABASE", database),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables
}

/// The address of a database that is somewhere else.
#[derive(Clone)]
pub struct Address {
    url: Url,
    host: String,
    port: u16,
    user: String,
    password: SecretString,
    database: String,
}

/// What is wrong with a text that is to be an address; the text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no address of a Postgres database; it looks like postgres://user:password@host:5432/database, and in a password `@` is %40, `:` %3A, `/` %2F, `?` %3F, `#` %23 and `%` %25"
)]
pub struct NoAddress;

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// When it lacks a host, a user or a database, or is none.
    pub fn parse(text: &SecretString) -> Result<Address, NoAddress> {
        let url = Url::parse(text.expose_secret().trim()).map_err(|_| NoAddress)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(NoAddress);
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or(NoAddress)?.to_owned();
        let user = decoded(url.username())?;
        let password = decoded(url.password().unwrap_or_default())?;
        let database = decoded(url.path().trim_start_matches('/'))?;
        if user.is_empty() || database.is_empty() {
            return Err(NoAddress);
        }
        Ok(Address {
            port: url.port().unwrap_or(5432),
            host,
            user,
            password: password.into(),
            database,
            url,
        })
    }

    /// The same variables as with a proxy; the address as it was written.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = of_parts(
            &self.host,
            self.port,
            &self.user,
            self.password.expose_secret(),
            &self.database,
        );
        variables.insert("DATABASE_URL".to_owned(), self.url.to_string());
        let mode = self.parameter("sslmode");
        variables.extend(mode.map(|mode| ("PGSSLMODE".to_owned(), mode)));
        variables
    }

    /// What a proxy connects with.
    pub fn connection(&self, fingerprint: &str) -> Connection {
        let tls = match self.parameter("sslmode").as_deref() {
            Some("disable") => Tls::Off,
            None | Some("allow" | "prefer") => Tls::Prefer,
            Some(_) => Tls::Require,
        };
        Connection {
            host: self.host.clone(),
            port: self.port,
            database: self.database.clone(),
            login: self.user.clone(),
            password: self.password.clone(),
            fingerprint: fingerprint.to_owned(),
            tls,
            pool_size: EXTERNAL_POOL_SIZE,
            cloud_sql_instance: None,
            networks: Vec::new(),
        }
    }

    /// Whether it asks for the server's certificate to be checked, which the proxy cannot: it has no
    /// authority to check it by.
    pub fn is_verified(&self) -> bool {
        self.parameter("sslmode")
            .is_some_and(|mode| mode.starts_with("verify-"))
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = self.url.query_pairs();
        let found = pairs.find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned())
    }
}

/// Connections that one proxy opens at most to a database of which the platform knows nothing.
const EXTERNAL_POOL_SIZE: u32 = 10;

/// A part of an address without its escapes. What would begin another line of the proxy's files is
/// refused.
fn decoded(part: &str) -> Result<String, NoAddress> {
    let decoded = percent_encoding::percent_decode_str(part).decode_utf8();
    let decoded = decoded.map_err(|_| NoAddress)?.into_owned();
    match decoded.contains(char::is_control) {
        true => Err(NoAddress),
        false => Ok(decoded),
    }
}

/// The files of PgBouncer, which is the SQL proxy, by name.
///
/// Whatever database is asked for, it is the appling's. It listens on loopback, lets everybody in (there is nobody but the appling), and is whoever owns the
/// database on the server. It goes on while the server is away, and tries again every second. See
/// <https://www.pgbouncer.org/config.html>.
pub fn pgbouncer(connection: &Connection, pooling: Pooling) -> BTreeMap<String, String> {
    let mode = match pooling {
        Pooling::Session => "session",
        Pooling::Transaction => "transaction",
    };
    let (host, port, tls) = match &connection.cloud_sql_instance {
        Some(_) => (PROXY_HOST, CLOUD_SQL_PORT, &Tls::Off),
        None => (connection.host.as_str(), connection.port, &connection.tls),
    };
    let tls = match tls {
        Tls::Off => "server_tls_sslmode = disable".to_owned(),
        Tls::Prefer => "server_tls_sslmode = prefer".to_owned(),
        Tls::Require => "server_tls_sslmode = require".to_owned(),
        Tls::Verify(_) => {
            format!("server_tls_sslmode = verify-full\nserver_tls_ca_file = {FOLDER}/{CA}")
        }
    };
    let database = &connection.database;
    let settings = format!(
        "[databases]\n\
         * = host={} port={port} dbname={} user={}\n\
         [pgbouncer]\n\
         listen_addr = {PROXY_HOST}\n\
         listen_port = {PROXY_PORT}\n\
         unix_socket_dir = {SOCKET_FOLDER}\n\
         auth_type = trust\n\
         auth_file = {FOLDER}/{USERS}\n\
         pool_mode = {mode}\n\
         default_pool_size = {}\n\
         max_client_conn = 2000\n\
         {tls}\n\
         server_login_retry = 1\n\
         server_connect_timeout = 5\n\
         server_reset_query = {RESET}\n\
         server_idle_timeout = 60\n\
         tcp_keepalive = 1\n\
         tcp_keepidle = 30\n\
         ignore_startup_parameters = extra_float_digits\n\
         log_connections = 0\n\
         log_disconnections = 0\n\
         log_stats = 0\n",
        quoted(host),
        quoted(database),
        quoted(&connection.login),
        connection.pool_size,
    );
    let user = |name: &str, password: &str| {
        let doubled = |text: &str| text.replace('"', "\"\"");
        format!("\"{}\" \"{}\"\n", doubled(name), doubled(password))
    };
    let mut users = user(&connection.login, connection.password.expose_secret());
    if connection.login != *database {
        users += &user(database, "");
    }
    let mut files = BTreeMap::from([(SETTINGS.to_owned(), settings), (USERS.to_owned(), users)]);
    if let Tls::Verify(authority) = &connection.tls {
        files.insert(CA.to_owned(), authority.clone());
    }
    files
}

/// How a connection to the server is put back, with session pooling, before another session gets it: all that `DISCARD ALL`
/// does, and the role that the login has by itself. Postgres before its releases of November 2024 forgets that at
/// `DISCARD ALL`, and what the session made then would be the login's and not the owner's.
/// <https://www.postgresql.org/docs/current/sql-discard.html>
const RESET: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; DEALLOCATE ALL; UNLISTEN *; \
    SELECT pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES";

/// Where the proxy finds its files.
pub const FOLDER: &str = "/etc/sql-proxy";
/// The one that it is started with.
pub const SETTINGS: &str = "pgbouncer.ini";
/// Who may log in, and with what.
pub const USERS: &str = "users.txt";
/// The authority of the server's certificate.
pub const CA: &str = "ca.crt";
/// Where the proxy makes a socket once it listens.
pub const SOCKET_FOLDER: &str = "/tmp";
/// Where Google's proxy listens, for ours alone.
pub const CLOUD_SQL_PORT: u16 = 5433;

/// A value in a connection string of PgBouncer.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Sixteen hexadecimal digits that stand for what a proxy connects with.
pub fn content(connection: &Connection, pooling: Pooling) -> String {
    let mut told = pgbouncer(connection, pooling);
    told.remove(USERS);
    let digest = Sha256::digest(format!(
        "{told:?}{}{}",
        connection.login, connection.fingerprint
    ));
    hex(&digest[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection {
            host: "db.example.com".to_owned(),
            port: 5432,
            database: "shop_test_1a2b3c4d".to_owned(),
            login: "shop_test_1a2b3c4d_a".to_owned(),
            password: "geheim\"'\\".into(),
            fingerprint: "0123".to_owned(),
            tls: Tls::Verify("(certificate)".to_owned()),
            pool_size: 10,
            cloud_sql_instance: None,
            networks: Vec::new(),
        }
    }

    #[test]
    fn the_proxys_files() {
        let files = pgbouncer(&connection(), Pooling::Session);
        let all: Vec<String> = files
            .iter()
            .map(|(name, text)| format!("== {name}\n{text}"))
            .collect();
        insta::assert_snapshot!(all.concat());
        let shared = &pgbouncer(&connection(), Pooling::Transaction)[SETTINGS];
        assert_eq!(
            shared.replace("pool_mode = transaction", "pool_mode = session"),
            files[SETTINGS]
        );
        assert_ne!(*shared, files[SETTINGS]);
        assert!(!format!("{:?}", connection()).contains("geheim"));
    }

    #[test]
    fn an_address_becomes_the_same_variables() {
        let address = |text: &str| Address::parse(&text.into());
        let parsed = address("postgresql://me:p%40ss%2Fw@db.example.com/shop%20db?sslmode=require");
        let variables = parsed.unwrap().variables();
        let told: Vec<_> = variables.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            told,
            [
                "DATABASE_URL=postgresql://me:p%40ss%2Fw@db.example.com/shop%20db?sslmode=require",
                "PGDATABASE=shop db",
                "PGHOST=db.example.com",
                "PGPASSWORD=p@ss/w",
                "PGPORT=5432",
                "PGSSLMODE=require",
                "PGUSER=me",
            ]
        );
        for wrong in [
            "",
            "shop",
            "mysql://me:x@db/shop",
            "postgres://db/shop",
            "postgres://me:x@db",
            "postgres://me:x%0a@db/shop",
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_applings_get_is_not_secret() {
        let told = format!("{:?}", variables(&connection()));
        assert!(!told.contains("geheim") && !told.contains("example.com"));
        assert_eq!(
            variables(&connection())["DATABASE_URL"],
            "postgres://shop_test_1a2b3c4d:sql-proxy@127.0.0.1:5432/shop_test_1a2b3c4d"
        );
    }
}

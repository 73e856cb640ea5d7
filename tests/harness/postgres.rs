//! Postgres servers of the apps: the stack's, and ones that a test may stop.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sqlx::{PgPool, postgres::PgPoolOptions};

use crate::{App, Kube, record, setting};

/// A pool of the superuser on a database of the stack's server for apps.
///
/// # Panics
/// When it does not answer.
pub async fn superuser(database: &str) -> PgPool {
    let url = setting("HOPS_LOCAL_POSTGRES_APPS").replace("/postgres?", &format!("/{database}?"));
    pool(&url).await
}

/// Drops the databases that a platform has made on the stack's server, with their roles: all, or those of
/// an app. Tidying up; what stays is in nobody's way.
pub(crate) fn drop_databases(platform: &str, app: Option<&str>) {
    let psql = |url: &str, sql: &str| {
        let mut command = Command::new("psql");
        command.args(["-X", "-At", "-q", "-d", url, "-c", sql]);
        command.stdin(Stdio::null()).stderr(Stdio::null()).output()
    };
    let of_app = app.map_or_else(String::new, |app| format!("and e.app = '{app}'"));
    let names = format!(
        "select d.name from (select environment, server, name from databases
           union all select environment, server, name from former_databases) d
         join environments e on e.id = d.environment where d.server = 'main' {of_app}"
    );
    let Ok(names) = psql(platform, &names) else {
        return;
    };
    let Ok(superuser) = std::env::var("HOPS_LOCAL_POSTGRES_APPS") else {
        return;
    };
    for name in String::from_utf8_lossy(&names.stdout).lines() {
        let drop = format!("drop database if exists {name} with (force)");
        let _ = psql(&superuser, &drop);
        let roles = format!("drop role if exists {name}_a, {name}_b, {name}_r, {name}");
        let _ = psql(&superuser, &roles);
    }
}

async fn pool(url: &str) -> PgPool {
    let options = PgPoolOptions::new().max_connections(2);
    options.connect(url).await.expect("a Postgres of the apps")
}

/// Where this machine is for pods.
///
/// # Panics
/// When the stack is not running.
pub fn node_address() -> String {
    let registry = setting("HOPS_REGISTRY");
    let address = registry.split(':').next();
    address.expect("an address").to_owned()
}

/// A file of the proxies of an app in test: of each of its databases and passwords that pods have.
///
/// # Panics
/// When a proxy has no such file.
pub fn proxy_files(app: &App<'_>, file: &str) -> Vec<String> {
    let namespace = app.namespace("test");
    let names = Kube::names("secrets", &namespace);
    let of_proxies = names.iter().filter(|name| name.contains("-database-"));
    let text = |name: &String| {
        let secret = Kube::get("secret", name, &namespace);
        let text = secret["data"][file].as_str().expect("the file");
        String::from_utf8(STANDARD.decode(text).expect("base64")).expect("text")
    };
    of_proxies.map(text).collect()
}

/// The logins that pods in test have, and their passwords, as only the proxies have them.
///
/// # Panics
/// When a proxy has none.
pub fn proxy_logins(app: &App<'_>) -> Vec<(String, String)> {
    let login = |users: String| {
        let mut words = users.split('"').skip(1).step_by(2).map(str::to_owned);
        let mut word = || words.next().expect("a word");
        let (login, password) = (word(), word());
        record::is_secret(&password);
        (login, password)
    };
    let files = proxy_files(app, "users.txt");
    files.into_iter().map(login).collect()
}

/// The only one of them.
///
/// # Panics
/// When no pod has a proxy.
pub fn proxy_login(app: &App<'_>) -> (String, String) {
    proxy_logins(app).pop().expect("a login")
}

/// The password of the superuser of a test's own server.
const PASSWORD: &str = "for-tests-alone";

/// A server of a test's own, at the address at which pods reach this machine. It ends with this.
pub struct PostgresServer {
    folder: tempfile::TempDir,
    port: u16,
    host: String,
    running: Mutex<Option<Child>>,
}

impl PostgresServer {
    /// Makes one, and starts it.
    ///
    /// # Panics
    /// When Debian's Postgres is not there, or does not start.
    pub fn start() -> PostgresServer {
        let host = node_address();
        let folder = tempfile::Builder::new().prefix("hops-postgres-").tempdir();
        let folder = folder.expect("a folder for a Postgres");
        let free = TcpListener::bind((host.as_str(), 0)).expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let server = PostgresServer {
            folder,
            port,
            host,
            running: Mutex::default(),
        };
        server.make();
        server.run();
        server
    }

    fn make(&self) {
        let owned = Command::new("chown")
            .arg("postgres")
            .arg(self.folder.path())
            .status();
        assert!(owned.expect("chown").success());
        record::is_secret(PASSWORD);
        std::fs::write(self.folder.path().join("password"), PASSWORD).expect("a file");
        let made = as_postgres("initdb")
            .args([
                "--username=postgres",
                "--auth-host=scram-sha-256",
                "--auth-local=trust",
                "--no-sync",
            ])
            .arg(format!(
                "--pwfile={}",
                self.folder.path().join("password").display()
            ))
            .arg("--pgdata")
            .arg(self.data())
            .output()
            .expect("initdb");
        assert!(made.status.success(), "{made:?}");
        let rule = "host all all 10.0.0.0/8 scram-sha-256\n";
        let file = self.data().join("pg_hba.conf");
        let rules = std::fs::read_to_string(&file).expect("the rules") + rule;
        std::fs::write(file, rules).expect("the rules");
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it, again after [`PostgresServer::stop`], and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub fn run(&self) {
        let child = as_postgres("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()])
            .args(["-c", &format!("listen_addresses={}", self.host)])
            .args([
                "-c",
                &format!("unix_socket_directories={}", self.folder.path().display()),
            ])
            .args(["-c", "max_connections=60", "-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres");
        *self.running.lock().expect("the process") = Some(child);
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.answers() {
            assert!(Instant::now() < deadline, "a Postgres does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn answers(&self) -> bool {
        let asked = Command::new("pg_isready")
            .args(["-q", "-h", &self.host, "-p", &self.port.to_string()])
            .status();
        asked.expect("pg_isready").success()
    }

    /// Ends it at once, as a restart of its machine would: nobody's connection is waited for.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn stop(&self) {
        if let Some(mut child) = self.running.lock().expect("the process").take() {
            // Fast shutdown, see pg_ctl.
            let id = child.id().to_string();
            let _ = Command::new("kill").args(["-INT", &id]).status();
            child.wait().expect("the end of a Postgres");
        }
    }

    /// A file of settings by which a platform makes its databases here.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn settings(&self, more: &str) -> PathBuf {
        let password = self.folder.path().join("password");
        let text = format!(
            "[servers.own]\nhost = \"{}\"\nport = {}\nuser = \"postgres\"\npassword_file = \"{}\"\ntls = \"disable\"\n{more}",
            self.host,
            self.port,
            password.display()
        );
        let file = self.folder.path().join("servers.toml");
        std::fs::write(&file, text).expect("writing settings");
        file
    }

    /// A pool of its superuser.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn superuser(&self, database: &str) -> PgPool {
        let folder = self.folder.path().display();
        let port = self.port;
        pool(&format!(
            "postgres:///{database}?host={folder}&port={port}&user=postgres"
        ))
        .await
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A program of Debian's Postgres, which refuses to be root's, and ends with this process.
fn as_postgres(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
            "--pdeathsig=KILL",
            "--",
        ])
        .arg(program_file(program))
        .current_dir("/");
    command
}

fn program_file(program: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("Debian's Postgres");
    let folders = versions.flatten().map(|version| version.path().join("bin"));
    let mut found: Vec<PathBuf> = folders
        .map(|folder| folder.join(program))
        .filter(|file| Path::new(file).exists())
        .collect();
    found.sort();
    found
        .pop()
        .unwrap_or_else(|| panic!("Debian's Postgres has no {program}"))
}

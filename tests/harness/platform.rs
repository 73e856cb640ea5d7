//! A platform under test: processes of `hops-platform` with a database, an instance name and a
//! data folder of their own.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use uuid::Uuid;

use crate::{App, Kube, postgres, record, setting};

/// What a process of the platform does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Server and controller.
    Serve,
    /// The server alone.
    Server,
    /// A controller alone.
    Controller,
}

impl Role {
    fn command(self) -> &'static str {
        match self {
            Role::Serve => "serve",
            Role::Server => "server",
            Role::Controller => "controller",
        }
    }
}

/// How a platform under test differs from others.
#[derive(Debug, Clone)]
pub struct Options {
    /// The processes to start.
    pub roles: Vec<Role>,
    /// Seconds until a candidate that does not become ready is taken back.
    pub rollout_deadline: u64,
    /// More environment variables.
    pub variables: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            roles: vec![Role::Serve],
            rollout_deadline: 60,
            variables: Vec::new(),
        }
    }
}

impl Options {
    /// Those of a platform that makes databases where a file of settings says.
    pub fn of_servers(settings: &Path) -> Options {
        let name = "HOPS_POSTGRES_SERVERS".to_owned();
        Options {
            variables: vec![(name, settings.display().to_string())],
            ..Options::default()
        }
    }
}

/// A running platform. Its processes end with the thread that started it, or when dropped.
pub struct Platform {
    /// The API's address, without a slash at the end.
    pub url: String,
    /// The API's token.
    pub token: String,
    /// Address of its database.
    pub database_url: String,
    /// Its name in the label of its objects.
    pub instance: String,
    /// Where its processes write their logs.
    pub log: PathBuf,
    options: Options,
    port: u16,
    folder: tempfile::TempDir,
    processes: Mutex<Vec<(Role, Child)>>,
}

impl Platform {
    /// Starts a platform and waits until it answers.
    ///
    /// # Panics
    /// When it does not start within half a minute; its log is shown then.
    pub fn start(options: Options) -> Platform {
        let id = Uuid::now_v7().simple().to_string();
        let instance = format!("it-{}", &id[20..]);
        let folder = tempfile::tempdir().expect("a folder for the platform");
        let log = std::env::temp_dir().join(format!("hops-{instance}.log"));
        let port = free_port();
        let token = format!("token-{id}");
        std::fs::write(folder.path().join("token"), &token).expect("writing the token");
        record::is_secret(&token);
        let key = std::fs::read_to_string(setting("HOPS_KEY_FILE")).expect("the platform's key");
        record::is_secret(key.trim());
        record::is_at(&log, folder.path());
        let platform = Platform {
            url: format!("http://127.0.0.1:{port}"),
            token,
            database_url: create_database(&instance),
            instance,
            log,
            port,
            folder,
            processes: Mutex::default(),
            options,
        };
        for role in platform.options.roles.clone() {
            platform.spawn(role);
        }
        platform.wait_until_it_answers();
        platform
    }

    /// Starts one more process.
    ///
    /// # Panics
    /// When the program is not there.
    pub fn spawn(&self, role: Role) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .expect("opening the log");
        let mut command = Command::new("setpriv");
        // A test that is killed must not leave a platform behind.
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(setting("HOPS_PLATFORM_PROGRAM"))
            .arg(role.command());
        command
            .env("DATABASE_URL", &self.database_url)
            .env("HOPS_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("HOPS_PUBLIC_URL", &self.url)
            .env("HOPS_DATA_DIR", self.folder.path())
            .env("HOPS_TOKEN_FILE", self.folder.path().join("token"))
            .env("HOPS_KEY_FILE", setting("HOPS_KEY_FILE"))
            .env("HOPS_INSTANCE", &self.instance)
            .env("HOPS_BUILDKIT", setting("BUILDKIT_HOST"))
            .env("HOPS_REGISTRY", setting("HOPS_REGISTRY"))
            .env("HOPS_REGISTRY_INSECURE", "true")
            .env("HOPS_DOMAIN", "localhost")
            .env("HOPS_INGRESS_URL", setting("HOPS_INGRESS_URL"))
            .env("HOPS_FORGE_ALLOW_PRIVATE", "127.0.0.1/32")
            .env(
                "HOPS_ROLLOUT_DEADLINE",
                self.options.rollout_deadline.to_string(),
            )
            .env("KUBECONFIG", setting("HOPS_PLATFORM_KUBECONFIG"))
            .env("RUST_LOG", "info")
            .envs(self.options.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log twice"))
            .stderr(log);
        let child = command.spawn().expect("starting hops-platform");
        self.processes
            .lock()
            .expect("the list of processes")
            .push((role, child));
    }

    /// Ends the newest process of this role by signal 9; `false` when there is none.
    ///
    /// # Panics
    /// When the process cannot be waited for.
    pub fn kill(&self, role: Role) -> bool {
        let mut processes = self.processes.lock().expect("the list of processes");
        let Some(index) = processes.iter().rposition(|(other, _)| *other == role) else {
            return false;
        };
        let (_, mut child) = processes.remove(index);
        child.kill().expect("killing a process of ours");
        child.wait().expect("waiting for a process of ours");
        true
    }

    /// The ids of the processes of this role, the oldest first.
    ///
    /// # Panics
    /// When another thread did.
    pub fn processes(&self, role: Role) -> Vec<u32> {
        let processes = self.processes.lock().expect("the list of processes");
        let of_role = processes.iter().filter(|(other, _)| *other == role);
        of_role.map(|(_, child)| child.id()).collect()
    }

    /// Ends one process of ours by signal 9.
    ///
    /// # Panics
    /// When there is none of this id.
    pub fn kill_process(&self, id: u32) {
        let mut processes = self.processes.lock().expect("the list of processes");
        let index = processes.iter().position(|(_, child)| child.id() == id);
        let (_, mut child) = processes.remove(index.expect("a process of ours"));
        child.kill().expect("killing a process of ours");
        child.wait().expect("waiting for a process of ours");
    }

    /// Sends a signal to one process of ours: `STOP`, `CONT`.
    ///
    /// # Panics
    /// When there is none of this id.
    pub fn signal(&self, id: u32, signal: &str) {
        let mut processes = self.processes.lock().expect("the list of processes");
        let ours = processes.iter_mut().find(|(_, child)| child.id() == id);
        let (_, child) = ours.expect("a process of ours");
        let ended = child.try_wait().expect("asking for a process of ours");
        assert!(
            ended.is_none(),
            "the process has ended by itself: {ended:?}"
        );
        let sent = Command::new("kill")
            .args([format!("-{signal}"), id.to_string()])
            .status();
        assert!(sent.expect("kill").success());
    }

    /// An app of a name that no other test uses, pushed to the platform.
    pub async fn app(&self, prefix: &str) -> App<'_> {
        App::create(self, &unique(prefix), None).await
    }

    /// An app with a forge.
    pub async fn app_of(&self, prefix: &str, repository: &str) -> App<'_> {
        App::create(self, &unique(prefix), Some(repository)).await
    }

    /// Where it keeps its data: git repositories among it.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A pool on the platform's database.
    ///
    /// # Panics
    /// When Postgres does not answer.
    pub async fn database(&self) -> sqlx::PgPool {
        sqlx::postgres::PgPoolOptions::new()
            .max_connections(2)
            .connect(&self.database_url)
            .await
            .expect("the platform's database")
    }

    /// What a command of `hops-platform` prints that its operator runs.
    ///
    /// # Panics
    /// When it fails.
    pub fn administer(&self, arguments: &[&str]) -> String {
        let ran = self.try_administer(arguments);
        ran.unwrap_or_else(|told| panic!("hops-platform {arguments:?}: {told}"))
    }

    /// The same; what it told when it failed.
    ///
    /// # Errors
    /// When it fails.
    ///
    /// # Panics
    /// When the program is not there.
    pub fn try_administer(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(setting("HOPS_PLATFORM_PROGRAM"))
            .args(arguments)
            .env("DATABASE_URL", &self.database_url)
            .env("HOPS_KEY_FILE", setting("HOPS_KEY_FILE"))
            .env("RUST_LOG", "warn")
            .envs(self.options.variables.iter().cloned())
            .stdin(Stdio::null())
            .output()
            .expect("hops-platform");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stderr)),
        }
    }

    /// Everything in its database: a dump as text, and after it the bytes of its binary values.
    ///
    /// # Panics
    /// When `pg_dump` fails.
    pub fn dump_database(&self) -> Vec<u8> {
        let output = Command::new("pg_dump")
            .args(["--no-owner", "--dbname", &self.database_url])
            .stdin(Stdio::null())
            .output()
            .expect("pg_dump");
        assert!(output.status.success(), "{output:?}");
        let mut all = output.stdout;
        let text = String::from_utf8_lossy(&all).into_owned();
        for value in text.split("\\\\x").skip(1) {
            let digits: Vec<u8> = value.bytes().take_while(u8::is_ascii_hexdigit).collect();
            let pairs = digits
                .chunks_exact(2)
                .map(|pair| String::from_utf8_lossy(pair).into_owned());
            all.extend(pairs.filter_map(|pair| u8::from_str_radix(&pair, 16).ok()));
            all.push(b'\n');
        }
        all
    }

    /// Returns when its port is open, if one of its processes has one.
    ///
    /// # Panics
    /// When that takes too long.
    pub fn wait_until_it_answers(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if !self
                .options
                .roles
                .iter()
                .any(|role| *role != Role::Controller)
            {
                return;
            }
            let log = || std::fs::read_to_string(&self.log).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "the platform does not start:\n{}",
                log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        for (_, child) in self
            .processes
            .lock()
            .expect("the list of processes")
            .iter_mut()
        {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        record::keep_folder(self.folder.path());
        Kube::delete_namespaces(&format!("hops.dev/instance={}", self.instance));
        postgres::drop_databases(&self.database_url, None);
    }
}

/// A name that no other test uses.
pub fn unique(prefix: &str) -> String {
    let id = Uuid::new_v4().simple().to_string();
    format!("{prefix}-{}", &id[..5])
}

/// A port that nobody else gets by chance before it is listened on: none of those that the kernel gives out.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Another run of the tests has others.
    let first = 21_000 + u16::try_from(std::process::id() % 8_000).unwrap_or_default();
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A database of its own on the stack's Postgres.
fn create_database(name: &str) -> String {
    let (server, _) = setting("DATABASE_URL")
        .rsplit_once('/')
        .map(|(server, name)| (server.to_owned(), name.to_owned()))
        .expect("DATABASE_URL");
    let name = name.replace('-', "_");
    let done = Command::new("psql")
        .arg("--quiet")
        .arg("--command")
        .arg(format!("create database {name}"))
        .env("PGDATABASE", "postgres")
        .envs(pg_variables(&server))
        .output()
        .expect("psql");
    assert!(
        done.status.success(),
        "creating a database: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    format!("{server}/{name}")
}

/// libpq's variables for `postgres://user:password@host:port`; a password is no process argument.
fn pg_variables(server: &str) -> Vec<(&'static str, String)> {
    let rest = server.trim_start_matches("postgres://");
    let (user, address) = rest.rsplit_once('@').expect("user@host");
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let (host, port) = address.split_once(':').unwrap_or((address, "5432"));
    vec![
        ("PGUSER", user.to_owned()),
        ("PGPASSWORD", password.to_owned()),
        ("PGHOST", host.to_owned()),
        ("PGPORT", port.to_owned()),
    ]
}

/// Deletes all that a platform knows of an app, so that nothing of it is healed any more.
pub(crate) fn forget(platform: &Platform, app: &str) {
    let (server, database) = platform
        .database_url
        .rsplit_once('/')
        .expect("DATABASE_URL");
    postgres::drop_databases(&platform.database_url, Some(app));
    let of = format!("(select id from environments where app = '{app}')");
    let statements = format!(
        "delete from restores where environment in {of}; delete from backups where environment in {of};
         delete from database_grants where environment in {of};
         delete from former_databases where environment in {of}; delete from databases where environment in {of};
         delete from secrets where environment in {of};
         delete from verdicts where release in (select id from releases where app = '{app}');
         delete from releases where app = '{app}'; delete from builds where app = '{app}';
         delete from pushes where app = '{app}'; delete from hosts where app = '{app}';
         delete from environments where app = '{app}'; delete from apps where name = '{app}'"
    );
    // Tidying up; a test says nothing by it.
    let _ = Command::new("psql")
        .args(["--quiet", "--single-transaction", "--command", &statements])
        .env("PGDATABASE", database)
        .envs(pg_variables(server))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

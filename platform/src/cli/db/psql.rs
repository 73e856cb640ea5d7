//! `hops db psql`: Postgres' own terminal, through the platform. Nobody's machine needs a way to the
//! database's server, and nobody knows a password for longer than an hour.

use std::io::Write;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures::FutureExt;
use iterapp_schema::{AppName, ApplingName};
use tempfile::NamedTempFile;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use uuid::Uuid;

use super::grants::{self, until};
use crate::api::{Access, Granted, TUNNEL};
use crate::cli::Context;
use crate::cli::client::{Ask, Client};
use crate::cli::failure::{Exit, Failure};
use crate::cli::target::{EnvironmentArguments, appling_name, path_below};

/// How long until one tries to take a connection again.
const AGAIN: Duration = Duration::from_millis(100);

/// Open psql on a database, through the platform
#[derive(Debug, clap::Args)]
#[command(after_help = "\
psql runs here, and must be installed; its connection goes through the platform, with a login
of its own that ends with it. It may read only, unless --write says otherwise. Who asked for
it, and when, is kept: hops db grants. The token needs the scope `data`.

What follows -- are psql's own arguments, and its exit code is this command's.

Examples:
  hops db psql -a hello -e prod
  hops db psql -a hello -e test --write
  hops db psql -a hello -e prod -- -c 'select count(*) from users'
  hops db psql -a hello -e prod -- -c '\\copy users to users.csv csv header'")]
pub struct Psql {
    #[command(flatten)]
    of: EnvironmentArguments,
    /// Of several databases, that of this appling
    #[arg(long, value_parser = appling_name)]
    appling: Option<ApplingName>,
    /// Also change what is in it
    #[arg(long)]
    write: bool,
    /// Until then at the latest the platform ends it, at most 168h
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = grants::parse_lasting)]
    lasting: Duration,
    /// For psql itself
    #[arg(last = true, value_name = "PSQL ARGUMENTS")]
    arguments: Vec<String>,
}

impl Psql {
    pub async fn run(self, client: &Client, context: &mut Context) -> Result<(), Failure> {
        let app = self.of.app.choose(context, client.url())?;
        let environment = self.of.environment.to_string();
        // Before anybody is let in for nothing.
        has_psql().await?;
        let access = match self.write {
            true => Access::Write,
            false => Access::Read,
        };
        let asked = grants::lasting(self.appling, access, self.lasting);
        // From here on a login may be there, which is to be taken back whatever happens.
        let unheard = |error| Failure::failed("psql", "signals cannot be heard").cause(error);
        let mut signals = Signals::listen().map_err(unheard)?;
        let granted = grants::ask(client, &app, &environment, &asked).await?;
        let may = match access {
            Access::Read => "you may read",
            Access::Write => "you may change",
        };
        context.ui.note(format_args!(
            "{may} {} until {}",
            granted.grant.database,
            until(granted.grant.expires_at)
        ));
        let tunnels = Tunnels {
            client,
            app: &app,
            environment: &environment,
            grant: granted.grant.id,
        };
        let ended = match signals.came() {
            true => Err(Failure::new(Exit::Interrupted, "interrupted", "")),
            false => {
                let arguments = &self.arguments;
                tunnels
                    .psql(&granted, arguments, &mut signals, context)
                    .await
            }
        };
        let revoked = grants::revoke(client, &app, &environment, granted.grant.id).await;
        if revoked.is_err() {
            let when = until(granted.grant.expires_at);
            let note = format!("the login could not be taken back, and ends by itself at {when}");
            context.ui.note(note);
        }
        match ended?.code() {
            Some(0) => Ok(()),
            code => {
                let code = code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
                Err(Failure::new(Exit::Program(code), "psql", ""))
            }
        }
    }
}

async fn has_psql() -> Result<(), Failure> {
    let asked = Command::new("psql")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    asked.await.map(drop).map_err(|error| {
        Failure::failed("psql", "psql does not run on this machine")
            .cause(error)
            .hint("install Postgres' client programs: apt-get install postgresql-client, or brew install libpq")
    })
}

/// Connections of psql's through the platform: one for itself, and one for each thing that it cancels.
struct Tunnels<'a> {
    client: &'a Client,
    app: &'a AppName,
    environment: &'a str,
    grant: Uuid,
}

impl Tunnels<'_> {
    async fn psql(
        &self,
        granted: &Granted,
        arguments: &[String],
        signals: &mut Signals,
        context: &mut Context,
    ) -> Result<ExitStatus, Failure> {
        let wrong = |error| Failure::failed("psql", "psql could not be started").cause(error);
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(wrong)?;
        let port = listener.local_addr().map_err(wrong)?.port();
        let mut ca = NamedTempFile::new().map_err(wrong)?;
        let pem = granted.ca.as_deref().unwrap_or_default();
        ca.write_all(pem.as_bytes()).map_err(wrong)?;
        let mut child = Command::new("psql")
            .args(arguments)
            .env_remove("PGSERVICE")
            .envs(variables(granted, port, ca.path()))
            .kill_on_drop(true)
            .spawn()
            .map_err(wrong)?;
        let (broken, mut failures) = tokio::sync::mpsc::unbounded_channel();
        let ended = tokio::select! {
            ended = signals.end_of(&mut child) => ended.map_err(wrong),
            never = self.serve(&listener, &broken) => match never {},
        };
        while let Ok(failure) = failures.try_recv() {
            context.ui.failure(&failure);
        }
        ended
    }

    /// Takes psql's connections for ever; why one could not go on is told once psql has ended.
    async fn serve(
        &self,
        listener: &TcpListener,
        broken: &tokio::sync::mpsc::UnboundedSender<Failure>,
    ) -> std::convert::Infallible {
        use futures::stream::{FuturesUnordered, StreamExt};
        let mut open = FuturesUnordered::new();
        loop {
            tokio::select! {
                Ok((connection, _)) = listener.accept() => open.push(self.pass(connection)),
                Some(passed) = open.next() => if let Err(failure) = passed {
                    let _ = broken.send(failure);
                },
                // None is open, and none could be taken just now.
                else => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    async fn pass(&self, mut here: TcpStream) -> Result<(), Failure> {
        let id = self.grant.to_string();
        let ask = Ask {
            path: &path_below(self.app, self.environment, &["grants", &id, "tunnel"]),
            query: &[],
        };
        let mut there = self.client.upgrade(ask, TUNNEL).await?;
        // An end without a goodbye is psql's to tell.
        let _ = copy_bidirectional(&mut here, &mut there).await;
        Ok(())
    }
}

/// Where psql finds the database (libpq, Environment Variables): by an address here, and by the server's
/// own name and certificate, since TLS goes through to the server. The file has the certificate's authority.
fn variables(granted: &Granted, port: u16, ca: &Path) -> Vec<(&'static str, String)> {
    let Granted { grant, .. } = granted;
    let mut variables = vec![
        ("PGHOST", granted.host.clone()),
        ("PGHOSTADDR", "127.0.0.1".to_owned()),
        ("PGPORT", port.to_string()),
        ("PGUSER", grant.role.clone()),
        ("PGPASSWORD", granted.password.clone()),
        ("PGDATABASE", grant.database.clone()),
        ("PGSSLMODE", granted.sslmode.clone()),
        ("PGGSSENCMODE", "disable".to_owned()),
        ("PGAPPNAME", "hops db psql".to_owned()),
    ];
    if granted.ca.is_some() {
        variables.push(("PGSSLROOTCERT", ca.display().to_string()));
    }
    variables
}

/// What would end this program, heard instead.
struct Signals {
    interrupted: Signal,
    terminated: Signal,
    hung_up: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupted: signal(SignalKind::interrupt())?,
            terminated: signal(SignalKind::terminate())?,
            hung_up: signal(SignalKind::hangup())?,
        })
    }

    /// Whether one has come by now.
    fn came(&mut self) -> bool {
        let all = [
            &mut self.interrupted,
            &mut self.terminated,
            &mut self.hung_up,
        ];
        all.into_iter()
            .any(|signal| signal.recv().now_or_never().is_some())
    }

    /// Waits for the end of psql. Ctrl-C is for what it runs, and not for us.
    async fn end_of(&mut self, child: &mut Child) -> std::io::Result<ExitStatus> {
        loop {
            tokio::select! {
                ended = child.wait() => return ended,
                _ = self.interrupted.recv() => {}
                _ = self.terminated.recv() => child.start_kill()?,
                _ = self.hung_up.recv() => child.start_kill()?,
            }
        }
    }
}

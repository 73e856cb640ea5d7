//! Smart HTTP, the way `git push` and `git clone` speak to the platform: the `git` program does the
//! work, this passes bytes.
//!
//! Protocol: <https://git-scm.com/docs/http-protocol> and <https://git-scm.com/docs/protocol-v2>.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::Context;
use axum::body::{Body, Bytes};
use futures::{Stream, StreamExt};
use iterapp_schema::AppName;
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};
use tokio_util::io::ReaderStream;

use super::{
    hook,
    program::{git, output},
    store::Store,
};

/// How long one exchange may take in all: a large pack on a slow line, and a release that is told.
const EXCHANGE_DEADLINE: Duration = Duration::from_secs(2 * 3600);
/// How long a client may be silent while it sends.
const SILENCE_DEADLINE: Duration = Duration::from_secs(120);

/// The two services of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `git fetch` and `git clone`.
    UploadPack,
    /// `git push`.
    ReceivePack,
}

impl Service {
    /// Reads `git-upload-pack` or `git-receive-pack`.
    pub fn parse(text: &str) -> Option<Service> {
        match text {
            "git-upload-pack" => Some(Service::UploadPack),
            "git-receive-pack" => Some(Service::ReceivePack),
            _ => None,
        }
    }

    /// The name in addresses and content types.
    pub fn name(self) -> &'static str {
        match self {
            Service::UploadPack => "git-upload-pack",
            Service::ReceivePack => "git-receive-pack",
        }
    }

    fn command(self) -> &'static str {
        match self {
            Service::UploadPack => "upload-pack",
            Service::ReceivePack => "receive-pack",
        }
    }
}

/// Where the hook of a push finds the server.
#[derive(Clone)]
pub struct HookAddress {
    /// The server's address for hooks, without the app.
    pub url: String,
    /// The token for it.
    pub token: SecretString,
    /// This program, which is the hook as well: its path when it was started, since the file may be
    /// replaced while it runs.
    pub program: PathBuf,
}

/// The first answer of an exchange: which refs there are.
///
/// # Errors
/// When git fails.
pub async fn advertise(
    store: &Store,
    app: &AppName,
    service: Service,
    protocol: Option<&str>,
) -> anyhow::Result<Vec<u8>> {
    let mut command = command(store, app, service, protocol, &["--http-backend-info-refs"]);
    command.stderr(Stdio::piped());
    let advertised = output_bytes(command).await?;
    let mut answer = Vec::new();
    if !protocol.is_some_and(|protocol| protocol.contains("version=2"))
        || service == Service::ReceivePack
    {
        let line = format!("# service={}\n", service.name());
        answer.extend_from_slice(format!("{:04x}{line}0000", line.len() + 4).as_bytes());
    }
    answer.extend_from_slice(&advertised);
    Ok(answer)
}

async fn output_bytes(mut command: Command) -> anyhow::Result<Vec<u8>> {
    let output = timeout(Duration::from_secs(30), command.output())
        .await
        .context("git did not answer")??;
    anyhow::ensure!(
        output.status.success(),
        "git: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(output.stdout)
}

fn command(
    store: &Store,
    app: &AppName,
    service: Service,
    protocol: Option<&str>,
    options: &[&str],
) -> Command {
    let mut command = git([service.command(), "--stateless-rpc"]);
    command.args(options).arg("--").arg(store.path(app));
    // Anything else would be a way to set an environment variable's content from outside.
    if let Some(protocol @ ("version=1" | "version=2")) = protocol {
        command.env("GIT_PROTOCOL", protocol);
    }
    command
}

/// The second exchange: bytes in, bytes out. Git goes on when the client goes away after its last
/// byte, so that a push that was sent whole is stored whole.
///
/// # Errors
/// When git cannot be started.
pub fn exchange<S, E>(
    store: &Store,
    app: &AppName,
    service: Service,
    protocol: Option<&str>,
    hook: &HookAddress,
    request: S,
) -> anyhow::Result<Body>
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    let mut command = command(store, app, service, protocol, &[]);
    command
        .env(hook::URL, format!("{}/{app}", hook.url))
        .env(hook::TOKEN, hook.token.expose_secret())
        .env(hook::PROGRAM, &hook.program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().context("git cannot be started")?;
    let stdin = child.stdin.take().context("git has no standard input")?;
    let stdout = child.stdout.take().context("git has no standard output")?;
    let (answer, to_client) = tokio::io::duplex(64 * 1024);
    tokio::spawn(run(child, stdin, stdout, request, answer));
    Ok(Body::from_stream(ReaderStream::new(to_client)))
}

async fn run<S, E>(
    mut child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    request: S,
    answer: tokio::io::DuplexStream,
) where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    let both = async { tokio::join!(feed(stdin, request), drain(stdout, answer)) };
    if timeout(EXCHANGE_DEADLINE, both).await.is_err() {
        tracing::warn!("a git exchange took too long and was ended");
        let _ = child.start_kill();
    }
    match child.wait().await {
        Ok(status) if status.success() => {}
        Ok(status) => tracing::info!(%status, "git ended an exchange"),
        Err(error) => tracing::warn!(%error, "waiting for git"),
    }
}

async fn feed<S, E>(mut stdin: ChildStdin, mut request: S)
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    // Git sees the end of its input when `stdin` is dropped, and refuses a pack that is cut short.
    while let Ok(Some(Ok(bytes))) = timeout(SILENCE_DEADLINE, request.next()).await {
        if stdin.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Passes git's answer on. A client that is gone must not stop git: the rest is read all the same.
async fn drain(mut stdout: ChildStdout, mut answer: tokio::io::DuplexStream) {
    let mut buffer = vec![0; 32 * 1024];
    let mut listening = true;
    while let Ok(read @ 1..) = stdout.read(&mut buffer).await {
        listening = listening && answer.write_all(&buffer[..read]).await.is_ok();
    }
}

/// Points `HEAD` at the app's default branch, so that clones check it out.
///
/// # Errors
/// When git fails.
pub async fn set_head(store: &Store, app: &AppName, branch: &str) -> anyhow::Result<()> {
    let mut command = git(["symbolic-ref", "HEAD"]);
    command
        .arg(format!("refs/heads/{branch}"))
        .current_dir(store.path(app));
    output(command, Duration::from_secs(10)).await.map(drop)
}

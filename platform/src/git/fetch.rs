//! Fetching from a forge: with deadlines, without prompts, secrets only by environment and files.

use std::{io::Write, time::Duration};

use anyhow::Context;
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use tokio::process::Command;

use super::{
    address::{Address, Transport},
    program::{configure, git, output},
    store::Store,
};
use iterapp_schema::AppName;

const FETCH_DEADLINE: Duration = Duration::from_secs(150);
const ASK_DEADLINE: Duration = Duration::from_secs(30);

/// Who to be at the forge.
#[derive(Default)]
pub struct Credentials {
    /// For http(s).
    pub token: Option<SecretString>,
    /// Private half of a deploy key, for ssh.
    pub deploy_key: Option<SecretString>,
    /// Lines of `known_hosts`, for ssh.
    pub known_hosts: Option<String>,
}

/// A key file and its neighbour; gone when dropped.
struct KeyFiles(tempfile::TempDir);

/// Brings the app's repository up to the forge's branches and tags; returns the forge's default
/// branch, if it says one.
///
/// # Errors
/// With git's words, when the forge cannot be reached or refuses.
pub async fn fetch(
    store: &Store,
    app: &AppName,
    address: &Address,
    credentials: &Credentials,
    private: &[IpNet],
) -> anyhow::Result<Option<String>> {
    let remote = Remote::prepare(address, credentials, private).await?;
    let _lock = store.lock(app).await?;
    let default = remote.default_branch().await?;
    let mut command = remote.git([
        "fetch",
        "--prune",
        "--no-tags",
        "--force",
        "--no-write-fetch-head",
        "--no-auto-maintenance",
    ]);
    command
        .current_dir(store.path(app))
        .args(["--", &address.url]);
    command.args(["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]);
    let fetched = output(command, FETCH_DEADLINE).await;
    fetched.map_err(|error| {
        remote
            .explained(error)
            .context(format!("fetching {}", address.url))
    })?;
    Ok(default)
}

struct Remote<'a> {
    address: &'a Address,
    settings: Vec<(String, String)>,
    ssh: Option<String>,
    token: Option<&'a SecretString>,
    /// Kept until the commands have ended.
    _files: Option<KeyFiles>,
}

impl<'a> Remote<'a> {
    async fn prepare(
        address: &'a Address,
        credentials: &'a Credentials,
        private: &[IpNet],
    ) -> anyhow::Result<Remote<'a>> {
        let connect_to = address.allowed(private).await?;
        let mut settings = vec![
            ("protocol.allow".to_owned(), "never".to_owned()),
            // A redirect may lead anywhere.
            ("http.followRedirects".to_owned(), "false".to_owned()),
            ("http.lowSpeedLimit".to_owned(), "1000".to_owned()),
            ("http.lowSpeedTime".to_owned(), "30".to_owned()),
            ("fetch.fsckObjects".to_owned(), "true".to_owned()),
            ("credential.helper".to_owned(), String::new()),
        ];
        let mut remote = Remote {
            address,
            settings: Vec::new(),
            ssh: None,
            token: None,
            _files: None,
        };
        match address.transport {
            Transport::Http => {
                for scheme in ["http", "https"] {
                    settings.push((format!("protocol.{scheme}.allow"), "always".to_owned()));
                }
                // The very address that was checked.
                let resolve = format!("{}:{}:{}", address.host, address.port, connect_to.ip());
                settings.push(("http.curloptResolve".to_owned(), resolve));
                remote.token = credentials.token.as_ref();
            }
            Transport::Ssh => {
                settings.push(("protocol.ssh.allow".to_owned(), "always".to_owned()));
                let files = KeyFiles::write(credentials)?;
                remote.ssh =
                    Some(files.ssh_command(&connect_to.ip().to_string(), &known_as(address)));
                remote._files = Some(files);
            }
        }
        remote.settings = settings;
        Ok(remote)
    }

    fn git<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = git(arguments);
        let mut settings: Vec<(&str, &str)> = self
            .settings
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        let header = self.token.map(|token| {
            use base64::{Engine, engine::general_purpose::STANDARD};
            format!(
                "Authorization: Basic {}",
                STANDARD.encode(format!("x-access-token:{}", token.expose_secret()))
            )
        });
        if let Some(header) = &header {
            settings.push(("http.extraHeader", header));
        }
        configure(&mut command, &settings);
        if let Some(ssh) = &self.ssh {
            command
                .env("GIT_SSH_COMMAND", ssh)
                .env("GIT_SSH_VARIANT", "ssh");
        }
        command
    }

    /// Git asks for a user when the forge does not let it in; what it then says is about a
    /// terminal, and helps nobody.
    fn explained(&self, error: anyhow::Error) -> anyhow::Error {
        if !error.to_string().contains("terminal prompts disabled") {
            return error;
        }
        anyhow::anyhow!(match self.token {
            Some(_) => "the forge does not accept the app's token",
            None => "the forge wants a token: the repository is private, or there is none",
        })
    }

    /// What `HEAD` of the forge's repository names.
    async fn default_branch(&self) -> anyhow::Result<Option<String>> {
        let mut command = self.git(["ls-remote", "--symref", "--exit-code"]);
        command.args(["--", &self.address.url, "HEAD"]);
        let told = output(command, ASK_DEADLINE).await;
        let text = match told {
            Ok(text) => text,
            // An empty repository has no HEAD to tell of (exit code 2, without a word).
            Err(error) if error.to_string().contains("without a word") => return Ok(None),
            Err(error) => {
                let error = self.explained(error);
                return Err(error.context(format!("asking {}", self.address.url)));
            }
        };
        Ok(text.lines().find_map(|line| {
            let target = line.strip_prefix("ref: refs/heads/")?;
            Some(target.split('\t').next().unwrap_or(target).to_owned())
        }))
    }
}

impl KeyFiles {
    fn write(credentials: &Credentials) -> anyhow::Result<KeyFiles> {
        let folder = tempfile::Builder::new().prefix("hops-ssh-").tempdir()?;
        let known_hosts = credentials.known_hosts.as_deref().unwrap_or_default();
        std::fs::write(folder.path().join("known_hosts"), known_hosts)?;
        if let Some(key) = &credentials.deploy_key {
            write_private(&folder.path().join("key"), key)?;
        }
        Ok(KeyFiles(folder))
    }

    /// Our own words only: the folder's name is ours and has no character that a shell minds; the
    /// host was checked, and is a plain name by then.
    fn ssh_command(&self, connect_to: &str, known_as: &str) -> String {
        let folder = self.0.path().display();
        format!(
            "ssh -F /dev/null -i {folder}/key -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \
             -o StrictHostKeyChecking=yes -o UserKnownHostsFile={folder}/known_hosts -o GlobalKnownHostsFile=/dev/null \
             -o ConnectTimeout=15 -o ServerAliveInterval=10 -o HostName={connect_to} -o HostKeyAlias={known_as}"
        )
    }
}

/// The name under which `known_hosts` has the host, as `ssh-keyscan` writes it.
fn known_as(address: &Address) -> String {
    if address.port == 22 {
        address.host.clone()
    } else {
        format!("[{}]:{}", address.host, address.port)
    }
}

fn write_private(path: &std::path::Path, secret: &SecretString) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(secret.expose_secret().as_bytes())?;
    Ok(())
}

/// A new deploy key: its private half, and its public half for the forge.
///
/// # Errors
/// When `ssh-keygen` fails.
pub async fn make_deploy_key(app: &AppName) -> anyhow::Result<(SecretString, String)> {
    let folder = tempfile::Builder::new().prefix("hops-ssh-").tempdir()?;
    let key = folder.path().join("key");
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", "ed25519", "-N", "", "-C"])
        .arg(format!("hops-{app}"))
        .arg("-f")
        .arg(&key);
    command
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    output(command, Duration::from_secs(10))
        .await
        .context("making a deploy key with ssh-keygen")?;
    let private = std::fs::read_to_string(&key)?;
    let public = std::fs::read_to_string(key.with_extension("pub"))?;
    Ok((private.into(), public.trim().to_owned()))
}

//! The local stack as these tests see it.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use builder_client::{
    AuthorError, BuildError, BuildEvent, BuildRequest, Builder, Built, Context, ContextError,
    Daemon, Entry, Folder, PlatformError,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, UnixListener, UnixStream},
    sync::mpsc,
    task::JoinSet,
};

/// A value that the local stack sets.
pub fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: start deploy/local/run, then eval \"$(deploy/local/env)\"")
    })
}

pub fn daemon() -> Daemon {
    Daemon::parse(&setting("BUILDKIT_HOST")).unwrap()
}

pub fn builder() -> Builder {
    Builder::new(vec![daemon()])
}

/// Text that nothing built before has.
pub fn unique() -> String {
    let nanos = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    format!("{nanos}{}", std::process::id())
}

/// A context on disk. It lasts as long as the last request for it.
pub struct Files(Arc<Kept>);

struct Kept {
    dir: TempDir,
    folder: Folder,
}

impl Context for Kept {
    fn entries(&self, folder: &str) -> Result<Vec<Entry>, ContextError> {
        self.folder.entries(folder)
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, ContextError> {
        self.folder.read(path)
    }
}

impl Files {
    pub fn new(dockerfile: &str) -> Files {
        let dir = TempDir::new().unwrap();
        let folder = Folder::new(dir.path());
        Files(Arc::new(Kept { dir, folder })).with("Dockerfile", dockerfile)
    }

    pub fn with(self, path: &str, content: impl AsRef<[u8]>) -> Files {
        let path = self.path(path);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self
    }

    pub fn executable(self, path: &str) -> Files {
        let path = self.path(path);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        self
    }

    pub fn link(self, path: &str, target: &str) -> Files {
        symlink(target, self.path(path)).unwrap();
        self
    }

    pub fn without(self, path: &str) -> Files {
        fs::remove_file(self.path(path)).unwrap();
        self
    }

    pub fn request(&self) -> BuildRequest {
        request(self.0.clone())
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        let path = self.0.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        path
    }
}

pub fn request(context: Arc<dyn Context>) -> BuildRequest {
    BuildRequest {
        affinity: "tests".to_owned(),
        context,
        dockerfile: "Dockerfile".to_owned(),
        build_args: BTreeMap::new(),
        target: None,
        platform: "linux/amd64".to_owned(),
        image: format!("{}/t/builder-client:{}", setting("HOPS_REGISTRY"), unique()),
        insecure_registry: true,
        credentials: BTreeMap::new(),
        secrets: BTreeMap::new(),
        started: SystemTime::now(),
        no_cache: false,
    }
}

/// What came of a build.
pub struct Outcome {
    pub result: Result<Built, BuildError>,
    pub events: Vec<BuildEvent>,
}

pub async fn build(request: BuildRequest) -> Outcome {
    build_with(&builder(), request).await
}

/// Builds with a channel for one event, so that the telling is always held back.
pub async fn build_with(builder: &Builder, request: BuildRequest) -> Outcome {
    let (sender, mut receiver) = mpsc::channel(1);
    let collect = tokio::spawn(async move {
        let mut events = Vec::new();
        while let Some(event) = receiver.recv().await {
            events.push(event);
        }
        events
    });
    let build = builder.build(request, sender);
    let result = tokio::time::timeout(Duration::from_secs(120), build).await;
    let result = result.expect("a build takes at most two minutes");
    Outcome {
        result,
        events: collect.await.unwrap(),
    }
}

impl Outcome {
    #[track_caller]
    pub fn built(self) -> Built {
        let lines = self.lines();
        self.result
            .unwrap_or_else(|error| panic!("{error:?}\n{}", lines.join("\n")))
    }

    #[track_caller]
    pub fn author(&self) -> &AuthorError {
        match &self.result {
            Err(BuildError::Author(error)) => error,
            other => panic!("not the author's error: {other:?}"),
        }
    }

    #[track_caller]
    pub fn platform(&self) -> &PlatformError {
        match &self.result {
            Err(BuildError::Platform(error)) => error,
            other => panic!("not the platform's error: {other:?}"),
        }
    }

    /// What the steps wrote.
    pub fn lines(&self) -> Vec<String> {
        let line = |event: &BuildEvent| match event {
            BuildEvent::Log { line, .. } => Some(line.clone()),
            _ => None,
        };
        self.events.iter().filter_map(line).collect()
    }

    /// The names of the steps that were cached.
    pub fn cached(&self) -> Vec<String> {
        let name = |event: &BuildEvent| match event {
            BuildEvent::Cached { name, .. } => Some(name.clone()),
            _ => None,
        };
        self.events.iter().filter_map(name).collect()
    }
}

/// The configuration of a pushed image, from the registry.
pub fn image_config(image: &str, built: &Built) -> Value {
    let name = image.split_once('/').unwrap().1.rsplit_once(':').unwrap().0;
    let manifest = registry(&format!("/v2/{name}/manifests/{}", built.digest));
    let config = manifest["config"]["digest"].as_str().unwrap().to_owned();
    assert_eq!(built.config_digest.as_deref(), Some(config.as_str()));
    registry(&format!("/v2/{name}/blobs/{config}"))
}

fn registry(path: &str) -> Value {
    let host = setting("HOPS_REGISTRY");
    let mut stream = TcpStream::connect(&host).unwrap();
    let accept = "application/vnd.oci.image.manifest.v1+json, */*";
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{path}: {head}");
    serde_json::from_str(body).unwrap()
}

/// Whether a process with this among its arguments runs anywhere on the machine.
pub fn runs(argument: &str) -> bool {
    let argument = format!("\0{argument}\0");
    let cmdline = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("cmdline")).ok();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(cmdline)
        .any(|cmdline| cmdline.contains(&argument))
}

/// Waits until something is so.
pub async fn until(what: &str, within: Duration, mut so: impl FnMut() -> bool) -> Duration {
    let begin = Instant::now();
    while !so() {
        assert!(
            begin.elapsed() < within,
            "{what} took longer than {within:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begin.elapsed()
}

/// A way to the daemon that can be cut.
pub struct Bridge {
    pub daemon: Daemon,
    task: tokio::task::JoinHandle<()>,
    _folder: TempDir,
}

impl Bridge {
    pub fn new() -> Bridge {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let address = setting("BUILDKIT_HOST");
        let target = address.strip_prefix("unix://").unwrap().to_owned();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut ours, _)) = listener.accept().await {
                let mut theirs = UnixStream::connect(&target).await.unwrap();
                connections
                    .spawn(async move { copy_bidirectional(&mut ours, &mut theirs).await.ok() });
            }
        });
        let daemon = Daemon::parse(&format!("unix://{}", path.display())).unwrap();
        Bridge {
            daemon,
            task,
            _folder: folder,
        }
    }

    pub fn cut(&self) {
        self.task.abort();
    }
}

/// The registry behind a door: whoever does not bring `authorization` is sent away with a 401. Gives
/// the door's address.
pub async fn guarded_registry(authorization: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((visitor, _)) = listener.accept().await {
            tokio::spawn(let_in(visitor, authorization));
        }
    });
    address
}

/// One request for each connection, so that each has to show its authorization.
async fn let_in(mut visitor: tokio::net::TcpStream, authorization: &str) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = visitor.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    if !head.contains(&format!("Authorization: {authorization}\r\n")) {
        let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"\r\n\
            Content-Length: 0\r\nConnection: close\r\n\r\n";
        visitor.write_all(answer.as_bytes()).await.ok();
        return;
    }
    let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let mut registry = tokio::net::TcpStream::connect(setting("HOPS_REGISTRY"))
        .await
        .unwrap();
    registry.write_all(head.as_bytes()).await.unwrap();
    copy_bidirectional(&mut visitor, &mut registry).await.ok();
}

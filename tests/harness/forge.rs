//! A forge: a real repository behind git's own smart HTTP server on loopback, as github.com is
//! one, and the webhooks that it would send.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use tokio::{io::AsyncWriteExt, process::Command, task::JoinHandle};
use uuid::Uuid;

use crate::{App, Repo, web::client};

/// A repository that is served over HTTP. It ends with the test.
pub struct Forge {
    /// Its address.
    pub url: String,
    root: tempfile::TempDir,
    server: JoinHandle<()>,
    requests: Arc<AtomicUsize>,
    away: Arc<AtomicBool>,
}

/// What the server holds.
#[derive(Clone)]
struct Served {
    root: PathBuf,
    /// The password that is asked for, if one is.
    password: Option<String>,
    /// How often anything was asked for.
    requests: Arc<AtomicUsize>,
    /// Whether it is out of order.
    away: Arc<AtomicBool>,
}

impl Forge {
    /// Serves an empty repository to everybody.
    pub async fn open() -> Forge {
        Forge::start(None).await
    }

    /// Serves an empty repository to those who know the password.
    pub async fn private(password: &str) -> Forge {
        Forge::start(Some(password.to_owned())).await
    }

    async fn start(password: Option<String>) -> Forge {
        let root = tempfile::tempdir().expect("a folder");
        let bare = root.path().join("app.git");
        let made = Command::new("git")
            .args(["init", "--quiet", "--bare", "--initial-branch=main"])
            .arg(&bare)
            .status()
            .await;
        assert!(made.expect("git").success());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let url = format!(
            "http://{}/app.git",
            listener.local_addr().expect("its address")
        );
        let requests = Arc::default();
        let away = Arc::default();
        let served = Served {
            root: root.path().to_owned(),
            password,
            requests: Arc::clone(&requests),
            away: Arc::clone(&away),
        };
        let router = Router::new().fallback(answer).with_state(served);
        let server =
            tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
        Forge {
            url,
            root,
            server,
            requests,
            away,
        }
    }

    /// Makes it answer nothing but 503, or answer again.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// How many requests came so far, refused ones included.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Brings a work folder's `HEAD` to a branch, as a push to the forge does.
    pub async fn receive(&self, repo: &Repo, branch: &str) {
        let bare = self.root.path().join("app.git");
        let bare = bare.to_str().expect("a path of text");
        repo.git(&[
            "push",
            "--quiet",
            "--force",
            bare,
            &format!("HEAD:refs/heads/{branch}"),
        ])
        .await;
    }

    /// Sends the webhook of a push, signed with the app's secret; returns the status.
    pub async fn announce(&self, app: &App<'_>, branch: &str) -> u16 {
        let body = json!({ "ref": format!("refs/heads/{branch}"), "deleted": false }).to_string();
        Delivery::push(&body).send(app).await
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// One delivery of a webhook.
#[derive(Clone)]
pub struct Delivery {
    /// `X-GitHub-Event`.
    pub event: String,
    /// `X-GitHub-Delivery`.
    pub id: String,
    /// The body.
    pub body: String,
    /// The secret to sign with; the app's own when there is none.
    pub secret: Option<String>,
    /// Whether it is signed at all.
    pub signed: bool,
}

impl Delivery {
    /// The delivery of a push.
    pub fn push(body: &str) -> Delivery {
        Delivery {
            event: "push".to_owned(),
            id: Uuid::new_v4().to_string(),
            body: body.to_owned(),
            secret: None,
            signed: true,
        }
    }

    /// Sends it to the app's address and returns the status.
    ///
    /// # Panics
    /// When the platform does not answer.
    pub async fn send(&self, app: &App<'_>) -> u16 {
        let webhook = app.api(&format!("/api/apps/{}/webhook", app.name)).await;
        let secret = self
            .secret
            .clone()
            .or_else(|| webhook["secret"].as_str().map(str::to_owned))
            .expect("a secret");
        let url = webhook["url"].as_str().expect("an address");
        self.send_to(url, &secret).await.0
    }

    /// Sends it to an address, signed with a secret; returns the status and the answer's body.
    ///
    /// # Panics
    /// When the platform does not answer.
    pub async fn send_to(&self, url: &str, secret: &str) -> (u16, String) {
        let mut request = client()
            .post(url)
            .header("x-github-event", &self.event)
            .header("x-github-delivery", &self.id);
        if self.signed {
            request = request.header("x-hub-signature-256", sign(secret, &self.body));
        }
        let answer = request.body(self.body.clone()).send().await;
        let answer = answer.expect("the webhook's address");
        let status = answer.status().as_u16();
        (status, answer.text().await.unwrap_or_default())
    }
}

/// The value of `X-Hub-Signature-256`.
pub fn sign(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(body.as_bytes());
    let digits = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    format!("sha256={digits}")
}

/// Hands a request to `git http-backend`, which speaks CGI
/// (<https://git-scm.com/docs/git-http-backend>).
async fn answer(State(served): State<Served>, request: Request) -> Response {
    served.requests.fetch_add(1, Ordering::SeqCst);
    if served.away.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if served
        .password
        .as_deref()
        .is_some_and(|password| !knows(request.headers(), password))
    {
        return (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Basic realm=\"forge\"")],
        )
            .into_response();
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20)
        .await
        .expect("the request's body");
    let text = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &served.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", text("content-type"))
        .env("HTTP_CONTENT_ENCODING", text("content-encoding"))
        .env("GIT_PROTOCOL", text("git-protocol"))
        .env("CONTENT_LENGTH", body.len().to_string());
    from_cgi(&run(command, body).await)
}

async fn run(mut command: Command, body: Bytes) -> Vec<u8> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git http-backend");
    let mut stdin = child.stdin.take().expect("its input");
    let feed = async move {
        // It may have read enough before the end.
        let _ = stdin.write_all(&body).await;
    };
    tokio::join!(feed, child.wait_with_output())
        .1
        .expect("its output")
        .stdout
}

fn from_cgi(output: &[u8]) -> Response {
    let end = output
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("an empty line after the headers");
    let head = String::from_utf8_lossy(&output[..end]);
    let headers: Vec<(&str, &str)> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .collect();
    let value = |name: &str| {
        headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| (*value).to_owned())
    };
    let status = value("status")
        .and_then(|status| status.get(..3)?.parse().ok())
        .unwrap_or(200);
    let status = StatusCode::from_u16(status).expect("a status");
    (
        status,
        [(
            header::CONTENT_TYPE,
            value("content-type").unwrap_or_default(),
        )],
        output[end + 4..].to_vec(),
    )
        .into_response()
}

fn knows(headers: &HeaderMap, password: &str) -> bool {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Basic "));
    let given = given
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .unwrap_or_default();
    String::from_utf8_lossy(&given)
        .split_once(':')
        .is_some_and(|(_, given)| given == password)
}

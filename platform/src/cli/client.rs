//! The platform over HTTP: every call has a deadline, every failure a sentence.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONNECTION, HeaderValue, LOCATION, UPGRADE};
use reqwest::{Method, Response, StatusCode, Upgraded};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::{Host, Url};

use crate::api::ApiError;

use super::config::{Connection, Source};
use super::failure::{Exit, Failure};
use super::lines::{Lines, deepest};

const CONNECT: Duration = Duration::from_secs(5);
/// For most answers.
pub const ANSWER: Duration = Duration::from_secs(30);
/// For answers before which the platform may have to fetch a repository; it gives up first.
pub const FETCHING_ANSWER: Duration = Duration::from_secs(250);
const KEEPALIVE: Duration = Duration::from_secs(15);

/// A connection to the platform.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    connection: Connection,
}

/// What to ask for: segments of the path behind `/api`, and the query.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Segments of the path; each is escaped.
    pub path: &'a [&'a str],
    /// Names and values.
    pub query: &'a [(&'a str, String)],
}

impl Client {
    /// A client for the platform. Nothing is sent yet.
    pub fn new(connection: Connection) -> Result<Self, Failure> {
        // The second time it is installed already, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("hops/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .tcp_keepalive(KEEPALIVE)
            .redirect(reqwest::redirect::Policy::none());
        if connection.url.scheme() == "http" {
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(&connection.url) {
            builder = builder.no_proxy();
        }
        let what = "cannot set up the connection";
        let http = builder
            .build()
            .map_err(|error| Failure::failed("client", what).caused_by(&error))?;
        Ok(Self { http, connection })
    }

    /// The platform's address.
    pub fn url(&self) -> &Url {
        &self.connection.url
    }

    /// Reads something.
    pub async fn get<T: DeserializeOwned>(&self, ask: Ask<'_>) -> Result<T, Failure> {
        self.get_within(ask, ANSWER).await
    }

    /// Reads something for which the platform may need so long.
    pub async fn get_within<T: DeserializeOwned>(
        &self,
        ask: Ask<'_>,
        limit: Duration,
    ) -> Result<T, Failure> {
        self.call(self.request(Method::GET, ask), limit).await
    }

    /// Makes something. It is sent once and never again by itself.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
        limit: Duration,
    ) -> Result<T, Failure> {
        let ask = Ask { path, query: &[] };
        let request = self.request(Method::POST, ask).json(body);
        self.call(request, limit).await
    }

    /// Makes something that takes no body. It is sent once and never again by itself.
    pub async fn make<T: DeserializeOwned>(
        &self,
        ask: Ask<'_>,
        limit: Duration,
    ) -> Result<T, Failure> {
        self.call(self.request(Method::POST, ask), limit).await
    }

    /// Replaces something. It is sent once and never again by itself.
    pub async fn put<T: DeserializeOwned>(
        &self,
        ask: Ask<'_>,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let request = self.request(Method::PUT, ask).json(body);
        self.call(request, ANSWER).await
    }

    /// Replaces something, or deletes it without a body. Nothing is answered.
    pub async fn change(
        &self,
        method: Method,
        ask: Ask<'_>,
        body: Option<&impl Serialize>,
    ) -> Result<(), Failure> {
        let request = self.request(method, ask);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.timeout(ANSWER).send().await;
        let answer = answer.map_err(|error| self.not_sent(&error))?;
        self.accepted(answer).await.map(drop)
    }

    /// Reads newline-delimited log lines; there is no limit to how long they come.
    pub async fn lines(&self, ask: Ask<'_>) -> Result<Lines, Failure> {
        let answer = self.begun(self.request(Method::GET, ask)).await?;
        Ok(Lines::new(self.accepted(answer).await?))
    }

    /// Asks for a connection that another protocol goes on with.
    pub async fn upgrade(&self, ask: Ask<'_>, protocol: &str) -> Result<Upgraded, Failure> {
        let request = self.request(Method::GET, ask);
        let request = request
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, protocol);
        let answer = self.begun(request).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            self.accepted(answer).await?;
            return Err(self.not_understood());
        }
        let upgraded = answer.upgrade().await;
        upgraded.map_err(|error| self.not_sent(&error))
    }

    /// An answer whose beginning has a deadline, and the rest has none.
    async fn begun(&self, request: reqwest::RequestBuilder) -> Result<Response, Failure> {
        let answer = tokio::time::timeout(ANSWER, request.send()).await;
        let answer = answer.map_err(|_| self.unanswered())?;
        answer.map_err(|error| self.not_sent(&error))
    }

    fn request(&self, method: Method, ask: Ask<'_>) -> reqwest::RequestBuilder {
        let mut url = self.connection.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("api").extend(ask.path);
        }
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(ask.query);
        }
        let bearer = format!("Bearer {}", self.connection.token.expose_secret());
        let request = self
            .http
            .request(method, url)
            .header(ACCEPT, "application/json");
        match HeaderValue::try_from(bearer) {
            Ok(mut value) => {
                value.set_sensitive(true);
                request.header(AUTHORIZATION, value)
            }
            Err(_) => request,
        }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
        limit: Duration,
    ) -> Result<T, Failure> {
        let answer = request.timeout(limit).send().await;
        let answer = answer.map_err(|error| self.not_sent(&error))?;
        let answer = self.accepted(answer).await?;
        let body = answer
            .bytes()
            .await
            .map_err(|error| self.not_sent(&error))?;
        serde_json::from_slice(&body).map_err(|error| self.not_understood().cause(error))
    }

    /// The answer, if the platform did as asked.
    async fn accepted(&self, answer: Response) -> Result<Response, Failure> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let location = answer
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        if let (true, Some(location)) = (status.is_redirection(), location) {
            return Err(self.redirected(location));
        }
        let body = answer.bytes().await.unwrap_or_default();
        Err(self.refused(status, serde_json::from_slice(&body).ok()))
    }

    fn refused(&self, status: StatusCode, error: Option<ApiError>) -> Failure {
        let Some(error) = error else {
            return self.refused_by_a_stranger(status);
        };
        if status == StatusCode::UNAUTHORIZED {
            return self.wrong_token();
        }
        let mut failure =
            Failure::failed(&error.code, error.message).temporary(status.is_server_error());
        failure.hint = error.hint;
        failure
    }

    /// An answer that is not in the platform's form comes from a proxy before it, or from some
    /// other server.
    fn refused_by_a_stranger(&self, status: StatusCode) -> Failure {
        match status {
            StatusCode::UNAUTHORIZED => self.wrong_token(),
            _ if status.is_server_error() => {
                self.unreachable().cause(format!("it answered {status}"))
            }
            _ => self.not_understood().cause(format!("it answered {status}")),
        }
    }

    fn wrong_token(&self) -> Failure {
        let Connection {
            url, token_from, ..
        } = &self.connection;
        let message = format!("the platform at {} does not accept this token", shown(url));
        let hint = match token_from {
            Source::File(_) => format!("hops login {} writes a new one", shown(url)),
            _ => "set HOPS_TOKEN to a token of this platform".to_owned(),
        };
        Failure::failed("unauthorized", message)
            .cause(format!("the token is from {token_from}"))
            .hint(hint)
    }

    fn redirected(&self, location: &str) -> Failure {
        let message = format!(
            "the platform is not at {} itself",
            shown(&self.connection.url)
        );
        Failure::failed("redirected", message)
            .cause(format!("it points to {location}"))
            .hint(format!(
                "put the right address into {}",
                self.connection.url_from
            ))
    }

    fn not_understood(&self) -> Failure {
        let message = format!(
            "{} does not answer like the platform",
            shown(&self.connection.url)
        );
        Failure::failed("not_understood", message).hint(format!(
            "is {} right, and is `hops` as new as the platform?",
            self.connection.url_from
        ))
    }

    fn not_sent(&self, error: &reqwest::Error) -> Failure {
        let failure = self.unreachable();
        if error.is_connect() && error.is_timeout() {
            return failure.cause("there was no connection within 5 s");
        }
        if error.is_timeout() {
            return self.unanswered();
        }
        // The errors above only repeat the address, or say that it is about connecting.
        failure.cause(deepest(error))
    }

    /// It is not known whether the request was received.
    fn unanswered(&self) -> Failure {
        let failure = self.unreachable().cause("it did not answer in time");
        Failure {
            code: "no_answer".to_owned(),
            ..failure
        }
    }

    fn unreachable(&self) -> Failure {
        let Connection { url, url_from, .. } = &self.connection;
        let message = format!("cannot reach the platform at {}", shown(url));
        Failure::new(Exit::Unreachable, "unreachable", message)
            .temporary(true)
            .hint(format!("is it running? The address is from {url_from}"))
    }
}

/// An address as people write it.
pub fn shown(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// Whether an address is this machine's own.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

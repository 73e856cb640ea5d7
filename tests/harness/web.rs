//! Requests from outside, through the ingress.

use std::time::Duration;

use serde_json::Value;

use crate::setting;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status, 0 when nothing came back at all.
    pub status: u16,
    /// The body.
    pub body: String,
    /// The headers, names in small letters.
    pub headers: Vec<(String, String)>,
}

impl Answer {
    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// One header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }
}

/// `GET http://{host}{path}` at the ingress, over a fresh connection, without following redirects.
pub async fn get(host: &str, path: &str) -> Answer {
    get_with(&client(), host, path).await
}

/// The same with a client of one's own, for its kept-alive connections.
pub async fn get_with(client: &reqwest::Client, host: &str, path: &str) -> Answer {
    send(client.get(at_ingress(path)).header("host", host)).await
}

/// `POST` of a text at the ingress.
pub async fn post(host: &str, path: &str, text: &str) -> Answer {
    let request = client().post(at_ingress(path)).header("host", host);
    send(request.body(text.to_owned())).await
}

fn at_ingress(path: &str) -> String {
    let ingress = setting("HOPS_INGRESS_URL");
    let ingress = ingress
        .trim_end_matches('/')
        .replace("localhost", "127.0.0.1");
    format!("{ingress}{path}")
}

/// `GET` of an address, not through the ingress.
pub(crate) async fn get_url(url: &str) -> Answer {
    send(client().get(url)).await
}

async fn send(request: reqwest::RequestBuilder) -> Answer {
    match request.send().await {
        Ok(answer) => read(answer).await,
        Err(error) => Answer {
            status: 0,
            body: format!("{error:?}"),
            headers: Vec::new(),
        },
    }
}

async fn read(answer: reqwest::Response) -> Answer {
    let status = answer.status().as_u16();
    let text = |value: &reqwest::header::HeaderValue| {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    };
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect();
    match answer.text().await {
        Ok(body) => Answer {
            status,
            body,
            headers,
        },
        Err(error) => Answer {
            status: 0,
            body: format!("{error:?}"),
            headers,
        },
    }
}

/// A client that waits at most 20 s and follows nothing.
pub fn client() -> reqwest::Client {
    builder().build().expect("a client can be built")
}

/// The same with a connection for every request.
pub(crate) fn fresh_client() -> reqwest::Client {
    let builder = builder().pool_max_idle_per_host(0);
    builder.build().expect("a client can be built")
}

fn builder() -> reqwest::ClientBuilder {
    // Fails only when it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .redirect(reqwest::redirect::Policy::none())
}

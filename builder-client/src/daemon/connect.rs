//! One channel to one daemon.

use std::time::Duration;

use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret;
use tokio::net::UnixStream;
use tonic::transport::{
    Certificate, Channel, ClientTlsConfig, Endpoint as Transport, Error, Identity, Uri,
};

use super::{Daemon, Endpoint, Tls};

const CONNECT: Duration = Duration::from_secs(3);

/// Shorter intervals make the daemon close the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(20);

/// A failing build returns its Dockerfile, base64 in base64, in the trailers.
const LONGEST_HEADERS: u32 = 4 << 20;

/// A channel that connects when it is first used.
///
/// # Errors
/// A text for people: the address or a certificate cannot be understood.
pub(super) fn connect(daemon: &Daemon) -> Result<Channel, String> {
    match Endpoint::parse(&daemon.address).map_err(|e| e.to_string())? {
        Endpoint::Unix(path) => Ok(unix(path)),
        Endpoint::Tcp { host, port } => {
            tcp(&host, port, daemon.tls.as_ref()).map_err(|e| crate::error::chain(&e))
        }
    }
}

fn unix(path: String) -> Channel {
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    // The name is what the daemon reads in the requests; nothing resolves it.
    settings(Transport::from_static("http://localhost")).connect_with_connector_lazy(connector)
}

fn tcp(host: &str, port: u16, tls: Option<&Tls>) -> Result<Channel, Error> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let mut transport = settings(Transport::from_shared(format!("{scheme}://{host}:{port}"))?);
    if let Some(tls) = tls {
        let mut config = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&tls.ca))
            .identity(Identity::from_pem(&tls.cert, tls.key.expose_secret()));
        if let Some(name) = &tls.server_name {
            config = config.domain_name(name);
        }
        transport = transport.tls_config(config)?;
    }
    Ok(transport.connect_lazy())
}

fn settings(transport: Transport) -> Transport {
    transport
        .connect_timeout(CONNECT)
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_ANSWER)
        .http2_max_header_list_size(LONGEST_HEADERS)
}

//! The session: the daemon asks, we answer.
//!
//! BuildKit's `Control.Session` is a stream of bytes over which the *daemon* speaks gRPC to a server
//! of ours: for files of the context, for who we are at a registry, for secrets, and whether we are
//! still there. The stream ends with this value, and with it everything the daemon can ask.

mod auth;
mod context;
mod health;
mod options;
mod secrets;
mod transfer;

use std::{io, sync::Arc, time::Duration};

use bollard_buildkit_proto::{
    health::health_server::HealthServer,
    moby::{
        buildkit::{
            secrets::v1::secrets_server::SecretsServer,
            v1::{BytesMessage, control_client::ControlClient},
        },
        filesync::{packet::file_sync_server::FileSyncServer, v1::auth_server::AuthServer},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf},
    sync::mpsc,
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::{
    Request, Status, Streaming,
    metadata::{MetadataMap, MetadataValue},
    transport::{Channel, Server},
};

use crate::{BuildRequest, random_id};
pub(crate) use context::{Failure, Files};

/// How long the daemon may take to open a session.
const OPEN: Duration = Duration::from_secs(10);

/// One message of the outer stream, and what is kept between it and the inner server.
const CHUNK: usize = 32 * 1024;
const WAITING_CHUNKS: usize = 8;

/// Ignore patterns and followed paths come as headers.
const LONGEST_HEADERS: u32 = 4 << 20;

/// What the daemon is told that we answer; it asks for nothing else.
const METHODS: [&str; 6] = [
    "/grpc.health.v1.Health/Check",
    "/moby.filesync.v1.FileSync/DiffCopy",
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.filesync.v1.Auth/FetchToken",
    "/moby.filesync.v1.Auth/GetTokenAuthority",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
];

/// An open session. Dropping it ends it.
pub(crate) struct Session {
    /// How a solve names it.
    pub(crate) id: String,
    _tasks: [AbortOnDropHandle<()>; 3],
}

impl Session {
    /// Opens a session that answers for what the request holds.
    ///
    /// # Errors
    /// The daemon's, or `DeadlineExceeded`.
    pub(crate) async fn open(
        channel: Channel,
        request: &BuildRequest,
        files: Arc<Files>,
    ) -> Result<Session, Status> {
        let id = random_id();
        let (ours, theirs) = tokio::io::duplex(CHUNK * WAITING_CHUNKS);
        let server = AbortOnDropHandle::new(tokio::spawn(serve(theirs, request.clone(), files)));
        let (reader, writer) = tokio::io::split(ours);
        let (outgoing, messages) = mpsc::channel(WAITING_CHUNKS);
        // Before the call, since the daemon answers it only when it has read something.
        let reading = AbortOnDropHandle::new(tokio::spawn(pump_out(reader, outgoing)));

        let mut call = Request::new(ReceiverStream::new(messages));
        describe(call.metadata_mut(), &id)?;
        let mut client = ControlClient::new(channel);
        let answer = timeout(OPEN, client.session(call))
            .await
            .map_err(|_| Status::deadline_exceeded("the daemon opened no session in time"))??;
        let writing = AbortOnDropHandle::new(tokio::spawn(pump_in(answer.into_inner(), writer)));
        Ok(Session {
            id,
            _tasks: [server, reading, writing],
        })
    }
}

fn describe(metadata: &mut MetadataMap, id: &str) -> Result<(), Status> {
    let value = |text: &str| {
        MetadataValue::try_from(text).map_err(|_| Status::internal("no value for a header"))
    };
    metadata.insert("x-docker-expose-session-uuid", value(id)?);
    metadata.insert("x-docker-expose-session-name", value("hops")?);
    // Builds with one key share received files by path, size and time alone, so that one build's
    // files can end up in another's image. A random key shares nothing.
    metadata.insert("x-docker-expose-session-sharedkey", value(&random_id())?);
    for method in METHODS {
        metadata.append("x-docker-expose-session-grpc-method", value(method)?);
    }
    Ok(())
}

async fn serve(io: DuplexStream, request: BuildRequest, files: Arc<Files>) {
    let served = Server::builder()
        .http2_max_header_list_size(LONGEST_HEADERS)
        .add_service(HealthServer::new(health::Alive))
        .add_service(AuthServer::new(auth::Registries::new(request.credentials)))
        .add_service(SecretsServer::new(secrets::Known::new(request.secrets)))
        .add_service(FileSyncServer::from_arc(files))
        .serve_with_incoming(tokio_stream::once(Ok::<_, io::Error>(io)))
        .await;
    if let Err(error) = served {
        tracing::debug!(
            error = crate::error::chain(&error),
            "a BuildKit session's server ended"
        );
    }
}

/// From our server to the daemon.
async fn pump_out(mut from: ReadHalf<DuplexStream>, to: mpsc::Sender<BytesMessage>) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let data = buffer[..length].to_vec();
        if to.send(BytesMessage { data }).await.is_err() {
            break;
        }
    }
}

/// From the daemon to our server.
async fn pump_in(mut from: Streaming<BytesMessage>, mut to: WriteHalf<DuplexStream>) {
    while let Ok(Some(message)) = from.message().await {
        if to.write_all(&message.data).await.is_err() {
            break;
        }
    }
    // The end of the stream; if the server has gone first, there is nobody to tell.
    to.shutdown().await.ok();
}

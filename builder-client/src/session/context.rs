//! The build context, served file by file (fsutil's DiffCopy).

use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use bollard_buildkit_proto::{
    fsutil::types::Packet, moby::filesync::packet::file_sync_server::FileSync,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{
    options::selection,
    transfer::{Source, transfer},
};
use crate::{BuildRequest, ContextError, memory::Memory};

/// Packets on their way out, at most 32 KiB each.
const WAITING_PACKETS: usize = 32;

/// The files of one build.
pub(crate) struct Files {
    source: Source,
    failure: Failure,
}

/// Why the context could not answer, if it could not: the first reason counts. The daemon's own
/// error says it in so many words that nobody could tell whose fault it was.
pub(crate) type Failure = Arc<OnceLock<ContextError>>;

impl Files {
    /// `memory` bounds what is loaded at a time, for all builds together.
    pub(crate) fn new(request: &BuildRequest, memory: Memory, failure: Failure) -> Files {
        let since_epoch = request.started.duration_since(SystemTime::UNIX_EPOCH);
        let nanos = since_epoch.unwrap_or_default().as_nanos();
        let source = Source {
            context: request.context.clone(),
            modified: i64::try_from(nanos).unwrap_or(i64::MAX),
            memory,
        };
        Files { source, failure }
    }
}

#[tonic::async_trait]
impl FileSync for Files {
    type DiffCopyStream = ReceiverStream<Result<Packet, Status>>;
    type TarStreamStream = ReceiverStream<Result<Packet, Status>>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        let selection = selection(request.metadata())?;
        let (outgoing, packets) = mpsc::channel(WAITING_PACKETS);
        let (source, failure) = (self.source.clone(), self.failure.clone());
        // It ends by itself when the daemon has gone: both of its ends fail then.
        tokio::spawn(transfer(
            source,
            selection,
            request.into_inner(),
            outgoing,
            failure,
        ));
        Ok(Response::new(ReceiverStream::new(packets)))
    }

    async fn tar_stream(
        &self,
        _: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::TarStreamStream>, Status> {
        Err(Status::unimplemented("ask for DiffCopy"))
    }
}

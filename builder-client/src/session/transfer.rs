//! One DiffCopy: we tell what there is, the daemon requests what it wants, we send it.
//!
//! Packets are fsutil's. Every STAT counts as one id, from 0; an empty STAT ends the listing. REQ
//! asks for an id; DATA answers it in pieces, of which an empty one is the last. FIN from the daemon
//! is answered with FIN.

use std::sync::{Arc, Mutex, PoisonError};

use bollard_buildkit_proto::fsutil::types::{Packet, Stat, packet::PacketType};
use futures::TryStreamExt;
use tokio::{sync::mpsc, task::spawn_blocking};
use tokio_stream::{StreamExt, wrappers::UnboundedReceiverStream};
use tonic::{Status, Streaming};

use super::Failure;
use crate::{
    Context, ContextError, EntryKind,
    memory::Memory,
    walk::{Flow, Selection, walk},
};

/// The longest DATA packet.
const CHUNK: usize = 32 * 1024;

/// Files of one transfer that are loaded at a time.
const AT_A_TIME: usize = 4;

/// Go's bits for the kind of a file.
const DIRECTORY: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;

/// Where files come from.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) context: Arc<dyn Context>,
    /// The modification time of everything, in nanoseconds since 1970.
    pub(super) modified: i64,
    pub(super) memory: Memory,
}

type Outgoing = mpsc::Sender<Result<Packet, Status>>;

/// Why a transfer ended early.
enum Stopped {
    Context(ContextError),
    /// The daemon wants no more, for reasons of its own.
    Gone,
}

/// A file that may be requested, once.
struct File {
    id: u32,
    path: String,
    size: u64,
}

/// What has been told, by id; `None` for what has no content, and for what was requested already.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Option<File>>>>);

/// Serves one request for files until it is done. A failure of the context is noted in `failure`.
pub(super) async fn transfer(
    source: Source,
    selection: Selection,
    incoming: Streaming<Packet>,
    outgoing: Outgoing,
    failure: Failure,
) {
    let told = Told::default();
    // Unbounded, but never longer than what was told: unread requests would end the session.
    let (requested, files) = mpsc::unbounded_channel();
    let ended = tokio::try_join!(
        list(source.clone(), selection, told.clone(), outgoing.clone()),
        receive(incoming, told, requested, outgoing.clone()),
        send(source, files, outgoing.clone()),
    );
    if let Err(Stopped::Context(error)) = ended {
        let data = error.to_string().into_bytes();
        failure.set(error).ok();
        let packet = Packet {
            r#type: PacketType::PacketErr.into(),
            data,
            ..Packet::default()
        };
        outgoing.send(Ok(packet)).await.ok();
    }
}

/// Tells what there is.
async fn list(
    source: Source,
    selection: Selection,
    told: Told,
    outgoing: Outgoing,
) -> Result<(), Stopped> {
    let last = outgoing.clone();
    let walked = spawn_blocking(move || {
        walk(source.context.as_ref(), &selection, &mut |path, kind| {
            told.add(path, kind);
            let stat = Some(stat(path, kind, source.modified));
            let packet = Packet {
                r#type: PacketType::PacketStat.into(),
                stat,
                ..Packet::default()
            };
            match outgoing.blocking_send(Ok(packet)) {
                Ok(()) => Flow::Continue(()),
                Err(_) => Flow::Break(()),
            }
        })
    });
    joined(walked.await)?;
    let end = Packet {
        r#type: PacketType::PacketStat.into(),
        ..Packet::default()
    };
    last.send(Ok(end)).await.map_err(|_| Stopped::Gone)
}

/// Takes what the daemon says, at once and whatever else is going on.
async fn receive(
    mut incoming: Streaming<Packet>,
    told: Told,
    requested: mpsc::UnboundedSender<File>,
    outgoing: Outgoing,
) -> Result<(), Stopped> {
    while let Ok(Some(packet)) = incoming.message().await {
        match packet.r#type() {
            PacketType::PacketReq => {
                let file = told.take(packet.id).ok_or(Stopped::Gone)?;
                requested.send(file).map_err(|_| Stopped::Gone)?;
            }
            PacketType::PacketFin => {
                let fin = Packet {
                    r#type: PacketType::PacketFin.into(),
                    ..Packet::default()
                };
                return outgoing.send(Ok(fin)).await.map_err(|_| Stopped::Gone);
            }
            PacketType::PacketErr => return Err(Stopped::Gone),
            PacketType::PacketStat | PacketType::PacketData => {}
        }
    }
    Err(Stopped::Gone)
}

/// Sends what was requested; ends when nothing can be requested any more.
async fn send(
    source: Source,
    files: mpsc::UnboundedReceiver<File>,
    outgoing: Outgoing,
) -> Result<(), Stopped> {
    UnboundedReceiverStream::new(files)
        .map(Ok)
        .try_for_each_concurrent(AT_A_TIME, |file| send_file(&source, file, &outgoing))
        .await
}

async fn send_file(source: &Source, file: File, outgoing: &Outgoing) -> Result<(), Stopped> {
    let _share = source.memory.share(file.size).await;
    let context = source.context.clone();
    let File { id, path, size } = file;
    let content = joined(spawn_blocking(move || read(context.as_ref(), &path, size)).await)?;
    // `chunks` gives nothing for an empty file; the empty piece that ends every file comes anyway.
    for piece in content.chunks(CHUNK).chain([&[][..]]) {
        let data = piece.to_vec();
        let packet = Packet {
            r#type: PacketType::PacketData.into(),
            id,
            data,
            ..Packet::default()
        };
        outgoing.send(Ok(packet)).await.map_err(|_| Stopped::Gone)?;
    }
    Ok(())
}

fn read(context: &dyn Context, path: &str, size: u64) -> Result<Vec<u8>, ContextError> {
    let content = context.read(path)?;
    if content.len() as u64 != size {
        let message = format!("{path} has {} bytes instead of {size}", content.len());
        return Err(ContextError::Failed(message));
    }
    Ok(content)
}

fn stat(path: &str, kind: &EntryKind, modified: i64) -> Stat {
    let (mode, size, linkname) = match kind {
        EntryKind::File {
            size,
            executable: true,
        } => (0o755, *size, ""),
        EntryKind::File {
            size,
            executable: false,
        } => (0o644, *size, ""),
        EntryKind::Symlink { target } => (SYMLINK | 0o777, target.len() as u64, target.as_str()),
        EntryKind::Directory => (DIRECTORY | 0o755, 0, ""),
    };
    Stat {
        path: path.to_owned(),
        mode,
        size: i64::try_from(size).unwrap_or(i64::MAX),
        mod_time: modified,
        linkname: linkname.to_owned(),
        ..Stat::default()
    }
}

fn joined<T>(
    result: Result<Result<T, ContextError>, tokio::task::JoinError>,
) -> Result<T, Stopped> {
    let panicked = |_| ContextError::Failed("reading it panicked".to_owned());
    result.map_err(panicked).flatten().map_err(Stopped::Context)
}

impl Told {
    fn add(&self, path: &str, kind: &EntryKind) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = told.len() as u32;
        told.push(match kind {
            EntryKind::File { size, .. } => Some(File {
                id,
                path: path.to_owned(),
                size: *size,
            }),
            EntryKind::Symlink { .. } | EntryKind::Directory => None,
        });
    }

    fn take(&self, id: u32) -> Option<File> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.get_mut(id as usize)?.take()
    }
}

//! The driver: one build from request to digest.

use std::{pin::pin, sync::Arc};

use bollard_buildkit_proto::moby::buildkit::v1::SolveResponse;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Status, transport::Channel};

use crate::{
    BuildError, BuildEvent, BuildRequest, Daemon,
    daemon::Pool,
    diagnose::{diagnose, diagnose_session},
    feed::Feed,
    memory::Memory,
    random_id,
    redact::Redactor,
    session::{Failure, Files, Session},
    solve::solve,
    status::follow,
};

/// What loaded files may take by default, in bytes.
const MEMORY: u64 = 256 << 20;

/// Builds images on one of several BuildKit daemons. Cheap to clone; clones share connections and
/// the budget for loaded files.
#[derive(Clone)]
pub struct Builder {
    daemons: Arc<Pool>,
    memory: Memory,
}

/// A built and pushed image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The manifest's digest, `sha256:…`: what to deploy.
    pub digest: String,
    /// The digest of the image's configuration, `sha256:…`: what a container runtime calls the
    /// image's id.
    pub config_digest: Option<String>,
    /// The address of the daemon that built it.
    pub daemon: String,
}

impl Builder {
    /// A builder for these daemons. Connections are made when they are needed.
    pub fn new(daemons: Vec<Daemon>) -> Builder {
        Builder {
            daemons: Arc::new(Pool::new(daemons)),
            memory: Memory::new(MEMORY),
        }
    }

    /// Bounds what is loaded of files at a time, over all builds; 256 MiB unless this is called. A
    /// file that is larger is loaded nevertheless, but alone.
    pub fn with_memory(self, bytes: u64) -> Builder {
        Builder {
            memory: Memory::new(bytes),
            ..self
        }
    }

    /// Builds and pushes one image, and tells `events` what happens meanwhile; all of it has been
    /// told when this returns. A full channel holds back the telling and the return, not the build;
    /// a closed one is ignored.
    ///
    /// **Dropping the future cancels the build on the daemon.** There is no deadline for the build as
    /// a whole: that is the caller's, by dropping.
    ///
    /// # Errors
    /// [`BuildError::Author`] if the author must change something, [`BuildError::Platform`]
    /// otherwise: no daemon answers, the registry does not take the image, and the like.
    pub async fn build(
        &self,
        request: BuildRequest,
        events: mpsc::Sender<BuildEvent>,
    ) -> Result<Built, BuildError> {
        let daemon = self.daemons.connection(&request.affinity).await;
        let daemon = daemon.map_err(BuildError::unavailable)?;

        let failure = Failure::default();
        let files = Files::new(&request, self.memory.clone(), failure.clone());
        let session = Session::open(daemon.channel.clone(), &request, Arc::new(files)).await;
        let session = session.map_err(|status| diagnose_session(&status))?;

        let redactor = Redactor::of(&request);
        let mut feed = Feed::new(redactor.clone());
        let answer = run(daemon.channel, &session, &request, &mut feed, events).await;
        match answer {
            Ok(answer) => built(answer, daemon.address),
            Err(status) => Err(diagnose(&status, failure.get(), &feed, &redactor)),
        }
    }

    /// Asks every daemon whether it is there and has a worker, all at the same time; answers in the
    /// order in which the daemons were given, within 3 s, each with a reason if it cannot be used.
    pub async fn health(&self) -> Vec<(Daemon, Result<(), String>)> {
        self.daemons.health().await
    }
}

/// Solves, and follows what happens until there is no more to tell.
async fn run(
    channel: Channel,
    session: &Session,
    request: &BuildRequest,
    feed: &mut Feed,
    events: mpsc::Sender<BuildEvent>,
) -> Result<SolveResponse, Status> {
    // A reference is used once; the daemon knows it by the first of the two calls to arrive.
    let reference = random_id();
    let solved = CancellationToken::new();
    let mut following = pin!(follow(
        channel.clone(),
        reference.clone(),
        solved.clone(),
        feed,
        events
    ));
    let mut solving = pin!(solve(channel, reference, session.id.clone(), request));
    tokio::select! {
        biased;
        () = &mut following => solving.await,
        answer = &mut solving => {
            solved.cancel();
            following.await;
            answer
        }
    }
}

fn built(answer: SolveResponse, daemon: String) -> Result<Built, BuildError> {
    let mut answer = answer.exporter_response;
    let digest = answer.remove("containerimage.digest");
    Ok(Built {
        digest: digest.ok_or_else(|| BuildError::unavailable("the daemon named no digest"))?,
        config_digest: answer.remove("containerimage.config.digest"),
        daemon,
    })
}

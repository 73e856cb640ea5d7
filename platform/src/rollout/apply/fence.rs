//! The proof, asked for before every write, that this controller still may.

/// Whether the lease under which an environment is worked on is still ours.
pub trait Fence: Sync {
    /// Called before every write to Kubernetes.
    fn check(&self) -> impl Future<Output = Result<(), LeaseLost>> + Send;
}

/// Another controller has taken over: this one may change nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lease was lost to another controller")]
pub struct LeaseLost;

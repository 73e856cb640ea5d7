//! Whether a version of an appling is ready, on its way, or failed, and why. Pure.

mod reason;

pub use reason::Reason;

use std::time::Duration;

use super::observe::ObservedAppling;
use crate::release::spec::Version;

/// Where a version of an appling stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Every wanted pod is of this version and serves.
    Ready,
    /// On its way.
    Waiting {
        /// What it waits for, as a progress line.
        why: String,
    },
    /// Did not make it.
    Failed {
        /// Why, for the author.
        reason: Reason,
    },
}

/// Judges the wanted version of an appling after so long on trial.
pub fn judge(
    version: &Version,
    observed: &ObservedAppling,
    on_trial_for: Duration,
    deadline: Duration,
) -> Standing {
    let _ = (version, observed, on_trial_for, deadline);
    let why = "not judged yet".to_owned();
    Standing::Waiting { why }
}

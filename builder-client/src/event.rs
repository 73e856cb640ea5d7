//! What happens while a build runs.

use std::time::Duration;

/// A step's number within its build: 1, 2, 3 in the order in which they began.
pub type StepNumber = u32;

/// Something that happened in a build, in the order in which it happened.
///
/// A step can be done and start again: an image is looked up first and pulled later, the files of a
/// COPY are hashed first and copied later. Then `Started` and `Done` come once more, with the same
/// number. Steps run beside each other, so their events are interleaved.
#[derive(Debug, Clone, PartialEq)]
pub enum BuildEvent {
    /// A step began, or began again.
    Started {
        /// Which step.
        step: StepNumber,
        /// Its name as BuildKit words it, as in `[2/3] RUN make`.
        name: String,
        /// Whether it had been started before.
        again: bool,
    },
    /// A step need not run, since the daemon has its result.
    Cached {
        /// Which step.
        step: StepNumber,
        /// Its name.
        name: String,
    },
    /// A step ended.
    Done {
        /// Which step.
        step: StepNumber,
        /// How long it ran since its latest `Started`.
        duration: Duration,
        /// Why it failed, if it did.
        error: Option<String>,
    },
    /// A step wrote a line.
    Log {
        /// Which step.
        step: StepNumber,
        /// On which stream.
        stream: Stream,
        /// The line without its end. Secrets of the request are blotted out; what a terminal would
        /// have overwritten (`\r`) is left out; colour codes are as the step wrote them. At most
        /// [`MAX_LINE`] bytes: longer ones come in pieces.
        line: String,
    },
    /// How far a step's downloads, uploads and other countable work are.
    Progress {
        /// Which step.
        step: StepNumber,
        /// Those that moved since the last time.
        transfers: Vec<Transfer>,
    },
    /// The daemon has an advice about the Dockerfile.
    Warning {
        /// Which step it is about.
        step: StepNumber,
        /// The advice in one line.
        message: String,
        /// Where to read more, if anywhere.
        url: Option<String>,
    },
}

/// The longest line in a [`BuildEvent::Log`], in bytes.
pub const MAX_LINE: usize = 16 * 1024;

/// Where a step wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// The standard output.
    Out,
    /// The standard error, and what the daemon itself says about the step.
    Err,
}

/// One piece of work that is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// What moves: a layer's digest, or words such as `pushing manifest for …`.
    pub name: String,
    /// How much has moved; bytes for layers, sometimes just a count.
    pub current: u64,
    /// How much there is, if that is known.
    pub total: Option<u64>,
    /// Whether it is complete.
    pub done: bool,
}

//! Why a build failed: what its author did is told apart from what the platform could not do.

use std::fmt;

/// A build that ended without an image.
#[derive(Debug, Clone, PartialEq)]
pub enum BuildError {
    /// The author's: the Dockerfile, the files, or a step's program. Trying again is useless.
    Author(Box<AuthorError>),
    /// The platform's: a daemon, a registry, a network, or something nobody has understood yet.
    Platform(PlatformError),
}

/// What the author did, and where.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuthorError {
    /// What went wrong, in BuildKit's words, secrets blotted out. One or a few lines.
    pub message: String,
    /// The failing step's name, as in `[2/3] RUN make`.
    pub step: Option<String>,
    /// The exit code of the step's program.
    pub exit_code: Option<i32>,
    /// The last lines that the step wrote, oldest first; at most [`LAST_LINES`].
    pub last_lines: Vec<String>,
    /// The place in the Dockerfile.
    pub place: Option<Place>,
}

/// How many lines [`AuthorError::last_lines`] holds at most.
pub const LAST_LINES: usize = 20;

/// Some lines of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The file's path in the context.
    pub file: String,
    /// The first line, counted from 1.
    pub line_start: u32,
    /// The last line, included.
    pub line_end: u32,
    /// Those lines as they are in the file.
    pub excerpt: Vec<String>,
}

/// What the platform could not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformError {
    /// What went wrong, secrets blotted out.
    pub message: String,
    /// Whether the same build may succeed later, or on another daemon.
    pub retryable: bool,
}

impl BuildError {
    /// Whether it makes sense to try the same build again.
    pub fn is_retryable(&self) -> bool {
        matches!(self, BuildError::Platform(error) if error.retryable)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> BuildError {
        BuildError::Platform(PlatformError {
            message: message.into(),
            retryable: true,
        })
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Author(error) => error.fmt(f),
            BuildError::Platform(error) => error.fmt(f),
        }
    }
}

/// The place in one line, and the message; the step's last lines are left to whoever shows them.
impl fmt::Display for AuthorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{}:{}: {}", place.file, place.line_start, self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl fmt::Display for PlatformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BuildError {}
impl std::error::Error for AuthorError {}
impl std::error::Error for PlatformError {}

/// An error with all its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// A gRPC status in one line: its message with its causes; its code only where there is no message.
pub(crate) fn status_text(status: &tonic::Status) -> String {
    let message = match status.message() {
        "" => status.code().description().to_owned(),
        message => message.to_owned(),
    };
    match std::error::Error::source(status).map(chain) {
        Some(causes) if causes.contains(&message) => causes,
        Some(causes) => format!("{message}: {causes}"),
        None => message,
    }
}

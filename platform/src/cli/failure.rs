//! Why a command did not do what was asked, as people and programs read it.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::api::ApiError;

/// The exit codes of `hops`, besides 0 for "what was asked came true".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did not come true.
    Failed,
    /// The command line, or the configuration, makes no sense.
    Usage,
    /// The platform could not be reached.
    Unreachable,
    /// What a program ended with that was run for it.
    Program(u8),
    /// Of `hops diff`, whose 1 means that something would change: it could not be found out.
    NoTelling,
    /// Ctrl-C.
    Interrupted,
    /// Whoever read the output has gone, as in `hops logs | head`.
    OutputClosed,
}

impl Exit {
    /// As its caller gets it.
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::NoTelling => 4,
            Self::Interrupted => 130,
            Self::OutputClosed => 141,
            Self::Program(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A command's failure: what, why, and what to do about it.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What the process says to its caller.
    pub exit: Exit,
    /// A stable word for programs.
    pub code: String,
    /// One sentence without a full stop; empty when everything was said already.
    pub message: String,
    /// From the nearest cause to the deepest.
    pub causes: Vec<String>,
    /// What to do; may be several lines.
    pub hint: Option<String>,
    /// Whether trying again may help.
    pub temporary: bool,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self {
            exit,
            code: code.to_owned(),
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            temporary: false,
        }
    }

    /// What was asked did not come true.
    pub fn failed(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, code, message)
    }

    /// What was asked makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    /// The same, with this cause below those it has.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// The same, with an error and its causes below those it has; repetitions are left out.
    #[must_use]
    pub fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            if !self.causes.iter().any(|told| told.contains(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// The same, with this advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with a word on whether trying again may help.
    #[must_use]
    pub fn temporary(mut self, temporary: bool) -> Self {
        self.temporary = temporary;
        self
    }

    /// The same for programs.
    pub fn to_api(&self) -> ApiError {
        let causes = self.causes.iter().map(String::as_str);
        let sentences: Vec<&str> = std::iter::once(self.message.as_str())
            .chain(causes)
            .collect();
        ApiError {
            code: self.code.clone(),
            message: sentences.join(": "),
            hint: self.hint.clone(),
        }
    }
}

/// Output that cannot be written: the reader has gone, or the disk is full.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::OutputClosed, "output_closed", ""),
            _ => Self::failed("output", "cannot write the output").cause(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_that_repeat_what_was_said_are_left_out() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: inner")]
        struct Outer(#[source] Inner);
        #[derive(Debug, thiserror::Error)]
        #[error("inner")]
        struct Inner;
        let failure = Failure::failed("x", "it broke").caused_by(&Outer(Inner));
        assert_eq!(failure.causes, ["outer: inner"]);
        assert_eq!(failure.to_api().message, "it broke: outer: inner");
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error_to_talk_about() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(
            (failure.exit, failure.message.as_str()),
            (Exit::OutputClosed, "")
        );
    }
}

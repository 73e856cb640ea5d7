//! A reason a person can act on.

use std::fmt;

use builder_client::Redactor;
use serde::{Deserialize, Serialize};

/// Why a version failed, in words for its author.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// One sentence, without a full stop.
    pub summary: String,
    /// What shows it: the app's last lines, or Kubernetes' own words.
    pub details: Vec<String>,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
}

impl Reason {
    pub(super) fn new(summary: impl Into<String>) -> Self {
        Self {
            summary: summary.into(),
            details: Vec::new(),
            hint: None,
        }
    }

    pub(super) fn details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Reason {
    /// The same without secrets: an app's last words may hold some.
    #[must_use]
    pub fn redacted(self, redactor: &Redactor) -> Self {
        let Self {
            summary,
            details,
            hint,
        } = self;
        Self {
            summary: redactor.text(&summary),
            details: details.iter().map(|line| redactor.text(line)).collect(),
            hint,
        }
    }
}

/// The summary, the details indented below it, and the hint last.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.summary)?;
        for line in &self.details {
            write!(f, "\n    {line}")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

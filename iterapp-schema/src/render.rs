//! Diagnostics as text.

mod github;
mod markdown;
#[cfg(test)]
mod tests;

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::credential::masked;
use crate::parse::line_of;
use crate::{Diagnostic, Related, Severity, Sources, line_column};

pub use github::github;
pub use markdown::markdown;

/// For people, in the style of rustc: the line itself, marked, and the hint below.
///
/// A count of the problems comes last; nothing at all when there are none.
#[must_use]
pub fn human(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    let sources = &masked(diagnostics, sources);
    let blocks = diagnostics
        .iter()
        .map(|diagnostic| block(diagnostic, sources, colour) + "\n\n");
    blocks.collect::<String>() + &count(diagnostics) + "\n"
}

/// One problem as [`human`] shows it, without a line break at its end.
fn block(diagnostic: &Diagnostic, sources: &Sources, colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let shown = Diagnostic {
        message: visible(&diagnostic.message),
        ..diagnostic.clone()
    };
    let group = group(&shown, sources);
    renderer.decor_style(DecorStyle::Ascii).render(&[group])
}

/// One line for each problem: `iterapp.toml:3:1: error[E0201] message (hint: …)`.
#[must_use]
pub fn plain(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    diagnostics
        .iter()
        .map(|diagnostic| plain_line(diagnostic, sources) + "\n")
        .collect()
}

/// How many there are, in words: `2 errors and 1 warning`.
#[must_use]
pub fn count(diagnostics: &[Diagnostic]) -> String {
    let of = |severity, word: &str| {
        let number = diagnostics
            .iter()
            .filter(|d| d.severity == severity)
            .count();
        let plural = if number == 1 { "" } else { "s" };
        (number > 0).then(|| format!("{number} {word}{plural}"))
    };
    let kinds = [
        of(Severity::Error, "error"),
        of(Severity::Warning, "warning"),
        of(Severity::Note, "note"),
    ];
    kinds
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" and ")
}

fn group<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Group<'a> {
    let title = level(diagnostic.severity)
        .primary_title(&diagnostic.message)
        .id(diagnostic.code.as_str());
    let file = &diagnostic.file;
    let near = diagnostic
        .related
        .as_ref()
        .filter(|related| related.file == *file);
    let far = diagnostic
        .related
        .as_ref()
        .filter(|related| related.file != *file);
    let mut group = match (&diagnostic.span, sources.get(file)) {
        (Some(span), Some(text)) => title
            .element(snippet(file, text, Some(span), near))
            .elements(elsewhere(far, sources)),
        _ => title.element(Origin::path(file)),
    };
    if let Some(hint) = &diagnostic.hint {
        group = group.element(Level::HELP.with_name("hint").message(visible(hint)));
    }
    group
}

fn elsewhere<'a>(related: Option<&'a Related>, sources: &'a Sources) -> Option<Marked<'a>> {
    let text = sources.get(&related?.file)?;
    Some(snippet(&related?.file, text, None, related))
}

type Marked<'a> = Snippet<'a, Annotation<'a>>;

/// The lines that matter, and no others: the renderer's time grows with the text it gets.
fn snippet<'a>(
    file: &'a str,
    text: &'a str,
    span: Option<&Range<usize>>,
    related: Option<&'a Related>,
) -> Marked<'a> {
    let spans = || span.into_iter().chain(related.map(|related| &related.span));
    let first = spans().map(|span| span.start).min().unwrap_or_default();
    let last = spans().map(|span| span.end).max().unwrap_or_default();
    let (start, end) = (line_of(text, first).start, line_of(text, last).end);
    let shifted = |span: &Range<usize>| span.start - start..span.end - start;
    let primary = span.map(|span| AnnotationKind::Primary.span(shifted(span)));
    let context = related.map(|r| {
        AnnotationKind::Context
            .span(shifted(&r.span))
            .label(visible(&r.message))
    });
    Snippet::source(&text[start..end])
        .path(file)
        .line_start(line_column(text, start).0)
        .annotations(primary.into_iter().chain(context))
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    }
}

fn plain_line(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let Diagnostic {
        code,
        severity,
        file,
        span,
        message,
        hint,
        related: _,
        fix: _,
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
    visible(text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The text without characters that would act on the reader's terminal: keys of a file are shown
/// in messages, and a file can come from anywhere.
fn visible(text: &str) -> String {
    let harmful = |c: char| c.is_control() && c != '\n';
    text.chars()
        .map(|c| if harmful(c) { '\u{fffd}' } else { c })
        .collect()
}

//! Workflow commands of GitHub Actions, which become annotations of the lines they are about.
//!
//! Their form is `::error file=…,line=…,col=…,title=…::message`; what is escaped how is laid down in
//! <https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts>.

use super::visible;
use crate::{Diagnostic, Severity, Sources, line_column};

/// One line for each problem. `folder` is the repository's place in what GitHub has checked out,
/// `""` where it is the checkout itself: annotations name files from there.
#[must_use]
pub fn github(diagnostics: &[Diagnostic], sources: &Sources, folder: &str) -> String {
    diagnostics
        .iter()
        .map(|diagnostic| command(diagnostic, sources, folder) + "\n")
        .collect()
}

fn command(diagnostic: &Diagnostic, sources: &Sources, folder: &str) -> String {
    let kind = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut properties = vec![("file", in_folder(folder, &diagnostic.file))];
    properties.extend(place(diagnostic, sources));
    properties.push(("title", diagnostic.code.to_string()));
    let properties: Vec<String> = properties
        .into_iter()
        .map(|(name, value)| format!("{name}={}", property(&value)))
        .collect();
    let message = message(diagnostic, sources, folder);
    format!("::{kind} {}::{}", properties.join(","), data(&message))
}

/// Columns are said only of a span within one line, as GitHub wants it.
fn place(diagnostic: &Diagnostic, sources: &Sources) -> Vec<(&'static str, String)> {
    let text = sources.get(&diagnostic.file);
    let Some((span, text)) = diagnostic.span.as_ref().zip(text) else {
        return Vec::new();
    };
    let (line, column) = line_column(text, span.start);
    let (end_line, end_column) = line_column(text, span.end);
    let mut place = vec![("line", line)];
    if line == end_line {
        place.extend([("endLine", line), ("col", column)]);
        place.push(("endColumn", end_column.max(column + 1)));
    } else {
        place.push(("endLine", end_line));
    }
    place
        .into_iter()
        .map(|(name, number)| (name, number.to_string()))
        .collect()
}

fn message(diagnostic: &Diagnostic, sources: &Sources, folder: &str) -> String {
    let mut message = visible(&diagnostic.message);
    if let Some(related) = &diagnostic.related {
        let file = in_folder(folder, &related.file);
        let line = sources
            .get(&related.file)
            .map(|text| line_column(text, related.span.start).0);
        let place = line.map_or_else(|| file.clone(), |line| format!("{file}:{line}"));
        message += &visible(&format!("\n{place}: {}", related.message));
    }
    if let Some(hint) = &diagnostic.hint {
        message += &format!("\nhint: {}", visible(hint));
    }
    message
}

fn in_folder(folder: &str, file: &str) -> String {
    match folder.trim_end_matches('/') {
        "" => file.to_owned(),
        folder => format!("{folder}/{file}"),
    }
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

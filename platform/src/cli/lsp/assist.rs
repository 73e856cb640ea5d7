//! What helps somebody who writes: what could stand at a place, what a key means, and how a mistake is
//! mended.

use std::path::Path;

use gen_lsp_types as lsp;
use iterapp_schema::reference::{self, Completion, File};
use iterapp_schema::{Diagnostic, FILE_NAME};

use super::documents::Document;
use super::position;
use super::problems::{Problems, skipped};

/// What could stand at a place: it takes the place of the word that has been begun there.
pub fn completions(
    document: &Document,
    is_root: bool,
    place: lsp::Position,
) -> Vec<lsp::CompletionItem> {
    let (text, offset) = at(document, place);
    let file = if is_root { File::Root } else { File::Appling };
    let skipped = document.text.len() - text.len();
    let word = word(text, offset);
    let range = position::range(&document.text, &(word.start + skipped..word.end + skipped));
    let offered = reference::complete(file, text, offset).into_iter();
    offered.map(|offered| item(offered, range)).collect()
}

fn item(offered: Completion, range: lsp::Range) -> lsp::CompletionItem {
    let Completion {
        label,
        insert,
        detail,
        doc,
    } = offered;
    let edit = lsp::TextEdit {
        range,
        new_text: insert,
    };
    lsp::CompletionItem {
        kind: Some(lsp::CompletionItemKind::Property),
        detail: Some(detail),
        documentation: (!doc.is_empty()).then(|| markdown(doc).into()),
        filter_text: Some(label.clone()),
        text_edit: Some(edit.into()),
        label,
        ..lsp::CompletionItem::default()
    }
}

/// What the key at a place means.
pub fn hover(document: &Document, place: lsp::Position) -> Option<lsp::Hover> {
    let (text, offset) = at(document, place);
    let told = reference::hover(text, offset)?;
    Some(lsp::Hover {
        contents: markdown(told).into(),
        range: None,
    })
}

/// The certain mends of a document's problems that touch a range.
pub fn mends(problems: &Problems<'_>, path: &Path, range: lsp::Range) -> Vec<lsp::CodeAction> {
    let own = |problem: &&Diagnostic| problems.root.join(&problem.file) == path;
    let found = problems.assembled.diagnostics.iter().filter(own);
    found
        .filter_map(|problem| mend(problems, problem))
        .filter(|action| touches(action, range))
        .collect()
}

fn mend(problems: &Problems<'_>, problem: &Diagnostic) -> Option<lsp::CodeAction> {
    let fix = problem.fix.as_ref()?;
    let edit = |edit: &iterapp_schema::Edit| lsp::TextEdit {
        range: problems.range(&problem.file, &edit.span),
        new_text: edit.text.clone(),
    };
    let edits = fix.edits.iter().map(edit).collect();
    let uri = problems.uri(&problem.file)?;
    let what = problem.hint.as_ref().unwrap_or(&problem.message);
    let what = what.lines().next().unwrap_or_default();
    Some(lsp::CodeAction {
        title: format!("Mend {}: {what}", problem.code),
        kind: Some(lsp::CodeActionKind::QuickFix),
        diagnostics: Some(vec![problems.problem(problem)]),
        is_preferred: Some(true),
        edit: Some(lsp::WorkspaceEdit {
            changes: Some([(uri, edits)].into()),
            ..lsp::WorkspaceEdit::default()
        }),
        ..lsp::CodeAction::default()
    })
}

fn touches(action: &lsp::CodeAction, range: lsp::Range) -> bool {
    let key = |place: lsp::Position| (place.line, place.character);
    let mut problems = action.diagnostics.iter().flatten();
    problems.any(|problem| {
        key(problem.range.start) <= key(range.end) && key(range.start) <= key(problem.range.end)
    })
}

/// Whether a file is the one in the root of its repository.
pub fn is_root(path: &Path, root: &Path) -> bool {
    path == root.join(FILE_NAME)
}

/// The text without a byte order mark, and the place in it.
fn at(document: &Document, place: lsp::Position) -> (&str, usize) {
    let skipped = skipped(&document.text);
    let offset = position::offset(&document.text, place);
    (&document.text[skipped..], offset.saturating_sub(skipped))
}

/// The bytes of the word that ends at a place. A quote that an editor closed by itself belongs to it.
fn word(text: &str, offset: usize) -> std::ops::Range<usize> {
    let part = |c: char| c.is_ascii_alphanumeric() || "_-.\"'".contains(c);
    let before = &text[..offset];
    let start = before.trim_end_matches(part).len();
    let quote = before[start..]
        .chars()
        .next()
        .filter(|c| "\"'".contains(*c));
    let closed = quote.is_some_and(|quote| text[offset..].starts_with(quote));
    start..offset + usize::from(closed)
}

fn markdown(value: String) -> lsp::MarkupContent {
    lsp::MarkupContent {
        kind: lsp::MarkupKind::Markdown,
        value,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_word_is_what_has_been_begun() {
        let word = |marked: &str| {
            let offset = marked.find('|').unwrap();
            let text = marked.replace('|', "");
            text[super::word(&text, offset)].to_owned()
        };
        assert_eq!(word("rep|"), "rep");
        assert_eq!(word("[env.pr|]"), "env.pr");
        assert_eq!(word("default_environment = \"pr|\""), "\"pr\"");
        assert_eq!(word("default_environment = \"pr|\n"), "\"pr");
        assert_eq!(word("worker = |\n"), "");
        assert_eq!(word("å|"), "");
    }
}

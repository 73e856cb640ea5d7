//! Diagnostics in the protocol's form.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use gen_lsp_types as lsp;
use iterapp_schema::{Assembled, Diagnostic, Related, Severity};

use super::documents::Documents;
use super::position::range;

/// How an editor names who says it.
const SOURCE: &str = "hops";
/// Documents may begin with it; the texts that diagnostics point into do not.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A repository's problems, and what is needed to place them.
pub struct Problems<'a> {
    /// The repository's root.
    pub root: &'a Path,
    /// What is open.
    pub documents: &'a Documents,
    /// What was found.
    pub assembled: &'a Assembled,
}

impl Problems<'_> {
    /// The problems of each file that was read or has any.
    pub fn by_file(&self) -> BTreeMap<PathBuf, Vec<lsp::Diagnostic>> {
        let mut files: BTreeMap<PathBuf, Vec<lsp::Diagnostic>> = BTreeMap::new();
        for (file, _) in self.assembled.sources.iter() {
            files.entry(self.root.join(file)).or_default();
        }
        for problem in &self.assembled.diagnostics {
            let file = files.entry(self.root.join(&problem.file)).or_default();
            file.push(self.problem(problem));
        }
        files
    }

    /// One of them.
    pub fn problem(&self, problem: &Diagnostic) -> lsp::Diagnostic {
        let Diagnostic {
            code,
            severity,
            file,
            span,
            message,
            hint,
            related,
            ..
        } = problem;
        let severity = match severity {
            Severity::Error => lsp::DiagnosticSeverity::Error,
            Severity::Warning => lsp::DiagnosticSeverity::Warning,
            Severity::Note => lsp::DiagnosticSeverity::Information,
        };
        let hint = hint.as_ref().map(|hint| format!("\nhint: {hint}"));
        let message = message.clone() + &hint.unwrap_or_default();
        let related = related.as_ref().and_then(|related| self.related(related));
        lsp::Diagnostic {
            range: span
                .as_ref()
                .map(|span| self.range(file, span))
                .unwrap_or_default(),
            severity: Some(severity),
            code: Some(code.to_string().into()),
            code_description: None,
            source: Some(SOURCE.to_owned()),
            message: message.into(),
            tags: None,
            related_information: related.map(|related| vec![related]),
            data: None,
        }
    }

    fn related(&self, related: &Related) -> Option<lsp::DiagnosticRelatedInformation> {
        let location = lsp::Location {
            uri: self.uri(&related.file)?,
            range: self.range(&related.file, &related.span),
        };
        Some(lsp::DiagnosticRelatedInformation {
            location,
            message: related.message.clone(),
        })
    }

    /// What the editor calls a file.
    pub fn uri(&self, file: &str) -> Option<lsp::Uri> {
        uri_of(self.documents, &self.root.join(file))
    }

    /// The place of a span in a file as the editor has it.
    pub fn range(&self, file: &str, span: &Range<usize>) -> lsp::Range {
        let document = self.documents.get(&self.root.join(file));
        match document.map(|document| document.text.as_str()) {
            Some(text) => {
                let skipped = skipped(text);
                range(text, &(span.start + skipped..span.end + skipped))
            }
            None => range(self.assembled.sources.get(file).unwrap_or_default(), span),
        }
    }
}

/// How many bytes of a document are not in the text that diagnostics point into.
pub fn skipped(text: &str) -> usize {
    match text.starts_with(BYTE_ORDER_MARK) {
        true => BYTE_ORDER_MARK.len_utf8(),
        false => 0,
    }
}

/// What the editor calls a file.
pub fn uri_of(documents: &Documents, path: &Path) -> Option<lsp::Uri> {
    let open = documents.get(path).map(|document| document.uri.clone());
    open.or_else(|| lsp::Uri::from_file_path(path).ok())
}

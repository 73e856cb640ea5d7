//! A comment in Markdown, as for a pull request.

use super::{block, count};
use crate::credential::masked;
use crate::{Diagnostic, Sources};

/// The most bytes of one comment; GitHub takes 65,536 characters.
const MAX_COMMENT: usize = 60_000;

/// The problems as people read them in a terminal, under a count; nothing when there are none.
///
/// Everything that comes from a file stands in a code block whose fence is longer than any row of
/// backticks in it. Nothing there is a link, a mention or HTML, and nothing gets out.
#[must_use]
pub fn markdown(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    let sources = &masked(diagnostics, sources);
    let mut shown = String::new();
    let mut left_out = diagnostics.len();
    for diagnostic in diagnostics {
        let block = block(diagnostic, sources, false) + "\n";
        if shown.len() + block.len() > MAX_COMMENT {
            break;
        }
        if !shown.is_empty() {
            shown.push('\n');
        }
        shown += &block;
        left_out -= 1;
    }
    let fence = fence(&shown);
    let mut comment = format!(
        "**{}**\n\n{fence}text\n{shown}{fence}\n",
        count(diagnostics)
    );
    if left_out > 0 {
        comment += &format!("\n…and {left_out} more, which `hops check` shows.\n");
    }
    comment
}

fn fence(text: &str) -> String {
    let runs = text.split(|c| c != '`').map(str::len);
    "`".repeat(runs.max().unwrap_or(0).max(2) + 1)
}

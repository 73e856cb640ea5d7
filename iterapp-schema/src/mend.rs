//! Mends that are certain: each was made for trial, and took its finding away without bringing another.

use std::collections::BTreeMap;

use crate::assemble::Assembled;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::source::{Overlay, Repository};

/// So many mends are tried, those of the first findings that have one; the others wait until these are
/// made. A file made of mistakes must not cost more time than another.
const MOST_TRIALS: usize = 20;

/// Leaves those mends that prove right; `read` reads a repository.
pub fn keep_certain(
    assembled: &mut Assembled,
    repository: &dyn Repository,
    read: impl Fn(&dyn Repository) -> Assembled,
) {
    if assembled
        .diagnostics
        .iter()
        .all(|problem| problem.fix.is_none())
    {
        return;
    }
    let before = counts(&assembled.diagnostics);
    let mut trials = 0;
    for problem in &mut assembled.diagnostics {
        let Some(fix) = &problem.fix else { continue };
        trials += 1;
        let text = assembled.sources.get(&problem.file);
        let mended = text.and_then(|text| fix.apply(text));
        let proves_right = |text: String| {
            let texts = BTreeMap::from([(problem.file.clone(), text)]);
            let after = read(&Overlay { texts, repository });
            mends(problem, &before, &counts(&after.diagnostics))
        };
        if trials > MOST_TRIALS || !mended.is_some_and(proves_right) {
            problem.fix = None;
        }
    }
}

/// What tells findings apart when lines have moved.
type Key = (Code, String, String);

fn key(problem: &Diagnostic) -> Key {
    (problem.code, problem.file.clone(), problem.message.clone())
}

fn counts(problems: &[Diagnostic]) -> BTreeMap<Key, usize> {
    let mut counts = BTreeMap::new();
    for problem in problems {
        *counts.entry(key(problem)).or_default() += 1;
    }
    counts
}

/// Whether there is one less of this finding, and of no other one more. Notes are no mistakes.
fn mends(
    problem: &Diagnostic,
    before: &BTreeMap<Key, usize>,
    after: &BTreeMap<Key, usize>,
) -> bool {
    let count = |counts: &BTreeMap<Key, usize>, key: &Key| counts.get(key).copied().unwrap_or(0);
    let own = key(problem);
    // Those that are not shown move up when others go.
    let is_cut = before.keys().any(|key| key.0 == Code::TooManyProblems);
    let is_mistake = |code: Code| code.severity() != Severity::Note;
    let mut others = after.keys().filter(|key| is_mistake(key.0));
    count(after, &own) < count(before, &own)
        && (is_cut || others.all(|key| count(after, key) <= count(before, key)))
}

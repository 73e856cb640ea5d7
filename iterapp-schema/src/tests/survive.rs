//! What holds whatever a repository contains. The property tests ask it, and the fuzzer (`fuzz/`).

use std::collections::BTreeMap;

use iterapp_schema::{AppName, Assembled, Diagnostic, assemble, render};

/// Assembles an app of these files and renders what it is told, which looks at every place; then
/// makes every mend by itself, which takes the finding away.
pub fn survive(root: &[u8], appling: &[u8]) {
    let files = [("iterapp.toml", root), ("a/iterapp.toml", appling)];
    let bytes = |(path, bytes): (&str, &[u8])| (path.to_owned(), bytes.to_vec());
    let repository: BTreeMap<_, _> = files.into_iter().map(bytes).collect();
    let assembled = assembled(&repository);
    for problem in &assembled.diagnostics {
        mend(problem, &assembled, &repository);
    }
}

fn assembled(repository: &BTreeMap<String, Vec<u8>>) -> Assembled {
    let app = AppName::parse("shop").expect("a name");
    let assembled = assemble(&app, repository);
    let failed = assembled.diagnostics.iter().any(Diagnostic::is_error);
    assert_eq!(assembled.iterapp.is_none(), failed);
    let lines = render::plain(&assembled.diagnostics, &assembled.sources);
    assert_eq!(lines.lines().count(), assembled.diagnostics.len());
    for colour in [false, true] {
        let told = render::human(&assembled.diagnostics, &assembled.sources, colour);
        assert_eq!(told.is_empty(), assembled.diagnostics.is_empty());
    }
    assembled
}

/// There is one finding of its words less, so that `hops check --fix` ends.
fn mend(problem: &Diagnostic, before: &Assembled, repository: &BTreeMap<String, Vec<u8>>) {
    let Some(fix) = &problem.fix else { return };
    let text = before.sources.get(&problem.file).expect("a text");
    let mended = fix.apply(text).expect("edits that fit");
    let mut repository = repository.clone();
    repository.insert(problem.file.clone(), mended.clone().into_bytes());
    let same = |other: &&Diagnostic| {
        (other.code, &other.file, &other.message) == (problem.code, &problem.file, &problem.message)
    };
    let count = |assembled: &Assembled| assembled.diagnostics.iter().filter(same).count();
    assert!(
        count(&assembled(&repository)) < count(before),
        "{problem:?}\nis still told of\n{mended}"
    );
}

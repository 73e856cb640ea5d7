//! `hops check --fix`: the mends that are certain, made.

use std::collections::BTreeMap;

use iterapp_schema::{AppName, Assembled, Code, Diagnostic, Edit, Fix, Overlay, assemble};
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::local::Folder;

/// More mends than people leave to be made at once; what is left is told, and made the next time.
const MOST: usize = 200;
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A mistake that is no more.
#[derive(Debug, Serialize)]
pub struct Mended {
    /// Its code.
    pub code: Code,
    /// The file it was in.
    pub file: String,
    /// What it was.
    pub message: String,
}

/// Mends what can be mended for certain, round by round, each in the texts that the one before left;
/// then writes the files.
pub fn fix(app: &AppName, folder: &Folder) -> Result<Vec<Mended>, Failure> {
    let texts = BTreeMap::new();
    let mut overlay = Overlay {
        texts,
        repository: folder,
    };
    let mut mended = Vec::new();
    let mut assembled = assemble(app, &overlay);
    while mended.len() < MOST {
        let Some((path, mends)) = mends_of_a_file(&assembled) else {
            break;
        };
        // Each is certain by itself; whether all together are shows when they are made.
        let together = made(&assembled, &path, &mends).and_then(|text| {
            let before = overlay.texts.insert(path.clone(), text);
            let after = assemble(app, &overlay);
            if went(&mends, &assembled, &after) {
                return Some(after);
            }
            match before {
                Some(text) => drop(overlay.texts.insert(path.clone(), text)),
                None => drop(overlay.texts.remove(&path)),
            }
            None
        });
        if let Some(after) = together {
            mended.extend(mends.into_iter().map(Mended::of));
            assembled = after;
            continue;
        }
        let Some(text) = made(&assembled, &path, &mends[..1]) else {
            break;
        };
        mended.push(Mended::of(mends[0]));
        overlay.texts.insert(path, text);
        assembled = assemble(app, &overlay);
    }
    for (path, text) in &overlay.texts {
        write(folder, path, text)?;
    }
    Ok(mended)
}

/// Whether these mistakes are gone and no others have come. Of more than are shown that cannot be told:
/// others move up.
fn went(mends: &[&Diagnostic], before: &Assembled, after: &Assembled) -> bool {
    let is_there = |mend: &&Diagnostic| {
        let same = |other: &Diagnostic| {
            (other.code, &other.file, &other.message) == (mend.code, &mend.file, &mend.message)
        };
        after.diagnostics.iter().any(same)
    };
    let (before, after) = (&before.diagnostics, after.diagnostics.len());
    let is_cut = before.iter().any(|one| one.code == Code::TooManyProblems);
    !mends.iter().any(is_there) && (is_cut || after + mends.len() <= before.len())
}

impl Mended {
    fn of(problem: &Diagnostic) -> Self {
        Self {
            code: problem.code,
            file: problem.file.clone(),
            message: problem.message.clone(),
        }
    }
}

/// The mistakes with a certain mend of the first file that has any.
fn mends_of_a_file(assembled: &Assembled) -> Option<(String, Vec<&Diagnostic>)> {
    let fits = |problem: &&Diagnostic| {
        let text = assembled.sources.get(&problem.file);
        let fix = problem.fix.as_ref().zip(text);
        fix.is_some_and(|(fix, text)| fix.apply(text).is_some())
    };
    let all: Vec<&Diagnostic> = assembled.diagnostics.iter().filter(fits).collect();
    let path = all.first()?.file.clone();
    let mends = all.into_iter().filter(|problem| problem.file == path);
    Some((path.clone(), mends.collect()))
}

/// The text of a file with these mends made; nothing where two of them meet.
fn made(assembled: &Assembled, path: &str, mends: &[&Diagnostic]) -> Option<String> {
    let fixes = mends.iter().filter_map(|problem| problem.fix.as_ref());
    let mut edits: Vec<Edit> = fixes.flat_map(|fix| fix.edits.clone()).collect();
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let meet = edits
        .windows(2)
        .any(|two| two[0].span.end > two[1].span.start);
    let text = assembled.sources.get(path)?;
    (!meet).then(|| Fix { edits }.apply(text)).flatten()
}

/// Texts are read without a byte order mark, which the file keeps.
pub fn write(folder: &Folder, path: &str, text: &str) -> Result<(), Failure> {
    let file = folder.0.join(path);
    let failed =
        |error| Failure::failed("not_written", format!("{path} could not be written")).cause(error);
    let before = std::fs::read(&file).map_err(failed)?;
    let mark = match before.starts_with(BYTE_ORDER_MARK.as_bytes()) {
        true => BYTE_ORDER_MARK,
        false => "",
    };
    std::fs::write(&file, format!("{mark}{text}")).map_err(failed)
}

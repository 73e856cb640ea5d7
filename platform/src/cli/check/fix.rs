//! `hops check --fix`: the mends that are certain, made.

use std::collections::BTreeMap;

use iterapp_schema::{AppName, Assembled, Code, assemble};
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::local::{Folder, Overlay};

/// More mends than any repository has mistakes; each leaves one mistake less.
const MOST: usize = 10_000;
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

/// Mends what can be mended for certain, one mistake after the other, each in the text that the one
/// before left; then writes the files.
pub fn fix(app: &AppName, folder: &Folder) -> Result<Vec<Mended>, Failure> {
    let texts = BTreeMap::new();
    let mut overlay = Overlay { texts, folder };
    let mut mended = Vec::new();
    while mended.len() < MOST
        && let Some((mistake, text)) = mend_one(&assemble(app, &overlay))
    {
        overlay.texts.insert(mistake.file.clone(), text);
        mended.push(mistake);
    }
    for (path, text) in &overlay.texts {
        write(folder, path, text)?;
    }
    Ok(mended)
}

/// The first mistake with a certain mend, and its file's text without it.
fn mend_one(assembled: &Assembled) -> Option<(Mended, String)> {
    assembled.diagnostics.iter().find_map(|problem| {
        let text = assembled.sources.get(&problem.file)?;
        let mended = Mended {
            code: problem.code,
            file: problem.file.clone(),
            message: problem.message.clone(),
        };
        Some((mended, problem.fix.as_ref()?.apply(text)?))
    })
}

/// Texts are read without a byte order mark, which the file keeps.
fn write(folder: &Folder, path: &str, text: &str) -> Result<(), Failure> {
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

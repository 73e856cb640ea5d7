//! Searches what was kept.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use aho_corasick::AhoCorasick;
use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use tests::unpacked;

/// So many secrets there must be at least: else the tests have forgotten to tell of theirs.
const AT_LEAST: usize = 40;

/// Every place, and whether a platform's own file of its token may be in it.
const PLACES: [&str; 6] = [
    "answers",
    "arguments",
    "database",
    "logs",
    "objects",
    "repositories",
];

/// Fails when a secret is somewhere, or when a place has not even a word that is none.
pub fn look(folder: &Path) -> anyhow::Result<ExitCode> {
    let secrets = told(&folder.join("secrets"))?;
    let canaries = told(&folder.join("canaries"))?;
    ensure!(
        secrets.len() >= AT_LEAST,
        "only {} secrets were told of",
        secrets.len()
    );
    let search = Search::new(&secrets, &canaries)?;
    let mut good = true;
    for place in PLACES {
        let mut roots = vec![folder.join("kept").join(place)];
        // Logs, and repositories of platforms that have not ended, are where they were written.
        roots.extend(
            told(&folder.join(place))
                .unwrap_or_default()
                .into_iter()
                .map(PathBuf::from),
        );
        let found = search.below(roots);
        println!(
            "{place}: {} files, {} MiB, {} secrets, {} of {} other words",
            found.files,
            found.bytes >> 20,
            found.secrets.len(),
            found.canaries.len(),
            canaries.len()
        );
        for (secret, file) in &found.secrets {
            println!("  secret {secret} in {}", file.display());
        }
        good &= found.secrets.is_empty() && !found.canaries.is_empty();
    }
    let verdict = if good { "none was found" } else { "FAILED" };
    println!("{} secrets were looked for: {verdict}", secrets.len());
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn told(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let lines: BTreeSet<&str> = text.lines().collect();
    let read = |line: &str| serde_json::from_str(line).with_context(|| line.to_owned());
    lines.into_iter().map(read).collect()
}

struct Search {
    words: AhoCorasick,
    secrets: usize,
    canaries: usize,
}

#[derive(Default)]
struct Found {
    files: usize,
    bytes: usize,
    /// The number of each secret in the list, and a file that has it.
    secrets: BTreeSet<(usize, PathBuf)>,
    canaries: BTreeSet<usize>,
}

impl Search {
    /// Secrets as they are, canaries, and secrets in base64.
    fn new(secrets: &[String], canaries: &[String]) -> anyhow::Result<Search> {
        let coded = secrets.iter().map(|secret| STANDARD.encode(secret));
        let coded = coded.map(|code| code.trim_end_matches('=').to_owned());
        let words = secrets
            .iter()
            .cloned()
            .chain(canaries.iter().cloned())
            .chain(coded);
        Ok(Search {
            words: AhoCorasick::new(words)?,
            secrets: secrets.len(),
            canaries: canaries.len(),
        })
    }

    fn below(&self, mut roots: Vec<PathBuf>) -> Found {
        let mut found = Found::default();
        while let Some(path) = roots.pop() {
            if let Ok(entries) = fs::read_dir(&path) {
                roots.extend(entries.flatten().map(|entry| entry.path()));
            } else if path.file_name().is_some_and(|name| name != "token") {
                // A platform's token is in the file that it was told of.
                let content = fs::read(&path).unwrap_or_default();
                self.within(&content, &path, &mut found);
            }
        }
        found
    }

    fn within(&self, content: &[u8], path: &Path, found: &mut Found) {
        found.files += 1;
        found.bytes += content.len();
        for bytes in [content, &unpacked(content)] {
            for hit in self.words.find_overlapping_iter(bytes) {
                let word = hit.pattern().as_usize();
                match word.checked_sub(self.secrets) {
                    None => drop(found.secrets.insert((word, path.to_owned()))),
                    Some(canary) if canary < self.canaries => drop(found.canaries.insert(canary)),
                    Some(rest) => {
                        let secret = rest - self.canaries;
                        found.secrets.insert((secret, path.to_owned()));
                    }
                }
            }
        }
    }
}

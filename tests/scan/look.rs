//! Searches what was kept.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use aho_corasick::AhoCorasick;
use anyhow::{Context, ensure};
use tests::{coded, unpacked};

use crate::record::KINDS;

/// So many secrets there must be at least: else the tests have forgotten to tell of theirs.
const AT_LEAST: usize = 40;

/// Every place but the kinds of objects, each of which is one more.
const PLACES: [&str; 5] = ["answers", "arguments", "database", "logs", "repositories"];

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
    let kinds = KINDS.map(|kind| format!("objects/{kind}"));
    for place in PLACES
        .iter()
        .copied()
        .chain(kinds.iter().map(String::as_str))
    {
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
    /// Canaries, then forms of secrets.
    words: AhoCorasick,
    canaries: usize,
    /// The number of the secret that each form is of.
    secret_of: Vec<usize>,
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
    /// Canaries, and secrets in each of their forms.
    fn new(secrets: &[String], canaries: &[String]) -> anyhow::Result<Search> {
        let mut words = canaries.to_vec();
        let mut secret_of = Vec::new();
        for (number, secret) in secrets.iter().enumerate() {
            let forms = [vec![secret.clone()], coded(secret)].concat();
            secret_of.extend(forms.iter().map(|_| number));
            words.extend(forms);
        }
        Ok(Search {
            words: AhoCorasick::new(words)?,
            canaries: canaries.len(),
            secret_of,
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
                match word.checked_sub(self.canaries) {
                    None => drop(found.canaries.insert(word)),
                    Some(form) => {
                        let secret = self.secret_of[form];
                        found.secrets.insert((secret, path.to_owned()));
                    }
                }
            }
        }
    }
}

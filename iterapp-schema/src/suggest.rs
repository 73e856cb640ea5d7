//! What somebody probably meant: by the letters, and by the meaning.

use crate::Environment;

/// Words for environments in other houses.
const ENVIRONMENTS: &[(&str, Environment)] = &[
    ("production", Environment::Prod),
    ("live", Environment::Prod),
    ("main", Environment::Prod),
    ("master", Environment::Prod),
    ("testing", Environment::Test),
    ("staging", Environment::Test),
    ("stage", Environment::Test),
    ("qa", Environment::Test),
    ("preprod", Environment::Test),
    ("snap", Environment::Snap(0)),
    ("snapshot", Environment::Snap(0)),
    ("preview", Environment::Snap(0)),
    ("review", Environment::Snap(0)),
    ("dev", Environment::Snap(0)),
    ("development", Environment::Snap(0)),
];

/// The environment that was probably meant.
pub fn environment(text: &str) -> Option<Environment> {
    let lower = text.to_lowercase().replace(['-', '_', ' '], "");
    let exact = lower.parse().ok();
    let by_meaning = || {
        ENVIRONMENTS
            .iter()
            .find(|(word, _)| *word == lower)
            .map(|found| found.1)
    };
    exact.or_else(by_meaning).or_else(|| {
        let names = Environment::ALL.map(|environment| environment.to_string());
        nearest(&lower, names.iter().map(String::as_str))?
            .parse()
            .ok()
    })
}

/// The candidate with the fewest letters to change, if it is close enough to be meant.
pub fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate| strsim::damerau_levenshtein(text, candidate);
    let (found, distance) = candidates
        .map(|c| (c, distance(c)))
        .min_by_key(|(_, d)| *d)?;
    let tolerated = (found.len().max(text.len()) / 3).clamp(1, 3);
    (distance <= tolerated).then_some(found)
}

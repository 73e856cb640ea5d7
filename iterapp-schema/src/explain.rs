//! What each code means, at length: why it is a mistake, and a wrong and a right example.
//!
//! One Markdown file for each code. Its first line is a title; below `## Wrong` and `## Right` stand
//! files of the app `shop`, each in a block ```` ```toml title="web/iterapp.toml" ````. Where it
//! matters which other files there are, a block ```` ```text ```` lists them all; else there is a
//! Dockerfile beside every `iterapp.toml`.

#[cfg(test)]
mod tests;

use crate::diagnostic::Code;

/// The texts by code.
macro_rules! texts {
    ($($code:literal)+) => {
        const TEXTS: &[(&str, &str)] =
            &[$(($code, include_str!(concat!("explain/", $code, ".md")))),+];
    };
}

texts! {
    "E0101" "E0102" "E0103" "E0104" "E0105" "E0106" "E0107" "E0108"
    "E0201" "E0202" "E0203" "E0204" "E0206" "E0207" "E0208"
    "E0301" "E0302" "E0303" "E0304" "E0305" "E0306" "E0307" "E0308" "E0309" "E0310" "E0311" "E0312" "E0313" "E0314" "E0315" "E0316"
    "E0401" "E0402" "E0403" "E0404" "E0405" "E0406" "E0407" "E0408"
    "E0501" "E0502" "E0503"
    "E0601" "E0602" "E0603" "E0604" "E0605"
    "E0701" "E0702" "E0703" "E0704" "E0705" "E0706" "E0707"
    "E0801" "E0802" "E0803" "E0804"
    "N0201" "N0202"
    "W0202" "W0203"
    "W0301"
    "W0601"
    "W0801"
}

/// What a code means, in Markdown: a title, the reason, a wrong and a right example.
#[must_use]
pub fn explain(code: Code) -> &'static str {
    let found = TEXTS.iter().find(|(known, _)| *known == code.as_str());
    found.map_or("", |(_, text)| text)
}

/// The title of a code's explanation.
#[must_use]
pub fn title(code: Code) -> &'static str {
    let first = explain(code).lines().next().unwrap_or_default();
    first.trim_start_matches("# ")
}

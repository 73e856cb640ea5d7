//! Which paths a list of patterns means, with the semantics of `.dockerignore`.
//!
//! BuildKit's Dockerfile frontend finds and reads the ignore file itself (`<Dockerfile>.dockerignore`
//! before `.dockerignore`), strips comments and the like, and sends the patterns along with its
//! request for the context. What is here decides which paths they match.

pub(crate) mod glob;
mod pattern;

use pattern::Pattern;

/// A pattern that means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadPattern(pub(crate) String);

/// An ordered list of patterns, of which the last one that matches decides.
#[derive(Debug)]
pub(crate) struct Matcher {
    patterns: Vec<Pattern>,
}

/// Which of a matcher's patterns match a folder or one of the folders above it: what is inside
/// need not be asked again. Empty above the root.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matched(Vec<bool>);

impl Matcher {
    /// Reads patterns; blank ones are left out.
    ///
    /// # Errors
    /// One of them is malformed.
    pub(crate) fn new(patterns: &[String]) -> Result<Matcher, BadPattern> {
        let patterns = patterns
            .iter()
            .filter_map(|text| Pattern::parse(text).transpose())
            .collect::<Result<_, _>>()?;
        Ok(Matcher { patterns })
    }

    /// Whether `path` is meant, given what matched the folder that holds it.
    ///
    /// # Errors
    /// A pattern that had to be consulted has a character class that holds nothing, as `[z-a]`.
    pub(crate) fn matches(
        &self,
        path: &str,
        above: &Matched,
    ) -> Result<(bool, Matched), BadPattern> {
        let mut meant = false;
        let mut matched = Matched(vec![false; self.patterns.len()]);
        for (i, pattern) in self.patterns.iter().enumerate() {
            // A pattern that could not change the verdict is not consulted, as in Docker: it also
            // counts as unmatched for what lies below.
            let hit = above.0.get(i) == Some(&true)
                || (pattern.is_exception() == meant && pattern.matches(path)?);
            matched.0[i] = hit;
            if hit {
                meant = !pattern.is_exception();
            }
        }
        Ok((meant, matched))
    }

    /// Whether something below `folder` may be meant although `folder` is not.
    pub(crate) fn may_match_below(&self, folder: &str) -> bool {
        self.may_reach_below(folder, false)
    }

    /// Whether something below `folder` may be excepted although `folder` is meant.
    pub(crate) fn may_except_below(&self, folder: &str) -> bool {
        self.may_reach_below(folder, true)
    }

    fn may_reach_below(&self, folder: &str, exceptions: bool) -> bool {
        let candidates = || {
            self.patterns
                .iter()
                .filter(move |p| p.is_exception() == exceptions)
                .map(Pattern::without_trailing_glob)
        };
        let below = |text: &str| text == folder || text.starts_with(&format!("{folder}/"));
        candidates().any(|text| text.contains(['*', '[', ']', '?', '^', '\\']))
            || candidates().any(below)
    }
}

#[cfg(test)]
mod tests;

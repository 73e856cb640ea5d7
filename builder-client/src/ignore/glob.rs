//! The patterns of Go's `filepath.Match`: what a line of an ignore file must be well-formed as, and
//! what wildcards in COPY sources mean. Names only: a `*` never crosses a `/`.

use super::BadPattern;

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Glob(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Star,
    Any,
    Char(char),
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A class has no end or no members, or a backslash nothing to escape.
    pub(crate) fn parse(pattern: &str) -> Result<Glob, BadPattern> {
        pieces(pattern)
            .map(Glob)
            .ok_or_else(|| BadPattern(format!("`{pattern}` is malformed")))
    }

    /// Whether the whole of `name` is meant.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut piece, mut at) = (0, 0);
        // Where to go on if the latest star has to take one character more.
        let mut retry = None;
        loop {
            match self.0.get(piece) {
                Some(Piece::Star) => {
                    retry = Some((piece + 1, at));
                    piece += 1;
                    continue;
                }
                Some(single) if name.get(at).is_some_and(|c| single.takes(*c)) => {
                    (piece, at) = (piece + 1, at + 1);
                    continue;
                }
                None if at == name.len() => return true,
                _ => {}
            }
            match retry {
                Some((after, from)) if name.get(from).is_some_and(|c| *c != '/') => {
                    retry = Some((after, from + 1));
                    (piece, at) = (after, from + 1);
                }
                _ => return false,
            }
        }
    }
}

/// Whether a name has anything to expand; escaped characters have not.
pub(crate) fn has_wildcard(name: &str) -> bool {
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}

impl Piece {
    fn takes(&self, c: char) -> bool {
        match self {
            Piece::Star => false,
            Piece::Any => c != '/',
            Piece::Char(own) => *own == c,
            Piece::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

fn pieces(pattern: &str) -> Option<Vec<Piece>> {
    let mut rest = pattern.chars();
    let mut pieces = Vec::new();
    while let Some(c) = rest.next() {
        pieces.push(match c {
            '*' => Piece::Star,
            '?' => Piece::Any,
            '[' => class(&mut rest)?,
            '\\' => Piece::Char(rest.next()?),
            c => Piece::Char(c),
        });
    }
    Some(pieces)
}

fn class(rest: &mut std::str::Chars<'_>) -> Option<Piece> {
    let negated = take(rest, '^');
    let mut ranges = Vec::new();
    while ranges.is_empty() || !take(rest, ']') {
        let low = member(rest)?;
        let high = if take(rest, '-') { member(rest)? } else { low };
        ranges.push((low, high));
    }
    Some(Piece::Class { negated, ranges })
}

fn member(rest: &mut std::str::Chars<'_>) -> Option<char> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        c => Some(c),
    }
}

fn take(rest: &mut std::str::Chars<'_>, wanted: char) -> bool {
    let mut ahead = rest.clone();
    let found = ahead.next() == Some(wanted);
    if found {
        *rest = ahead;
    }
    found
}

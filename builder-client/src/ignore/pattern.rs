//! One pattern of an ignore file.

use std::iter::Peekable;

use regex::Regex;

use super::{BadPattern, glob::Glob};
use crate::paths::clean;

/// One pattern, ready to match.
#[derive(Debug)]
pub(super) struct Pattern {
    /// The cleaned text, without the `!`.
    text: String,
    exception: bool,
    /// `None` if its regular expression cannot be made. That is only an error once it is needed: a
    /// build whose ignore file has such a line works as long as nothing depends on it.
    how: Option<How>,
}

/// The cheapest way to match.
#[derive(Debug)]
enum How {
    Exact,
    /// `folder/**`: what starts with this.
    Prefix(String),
    /// `**/name`: what ends with this.
    Suffix(String),
    Regex(Regex),
}

impl Pattern {
    /// Reads one line; `None` if it is blank.
    pub(super) fn parse(line: &str) -> Result<Option<Pattern>, BadPattern> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(None);
        }
        let cleaned = clean(line);
        let (exception, text) = match cleaned.strip_prefix('!') {
            Some("") => return Err(BadPattern("`!` alone excepts nothing".to_owned())),
            Some(rest) => (true, rest),
            None => (false, cleaned.as_str()),
        };
        Glob::parse(text)?;
        Ok(Some(Pattern {
            text: text.to_owned(),
            exception,
            how: how(text),
        }))
    }

    pub(super) fn is_exception(&self) -> bool {
        self.exception
    }

    pub(super) fn matches(&self, path: &str) -> Result<bool, BadPattern> {
        match &self.how {
            Some(How::Exact) => Ok(path == self.text),
            Some(How::Prefix(prefix)) => Ok(path.starts_with(prefix)),
            Some(How::Suffix(suffix)) => {
                Ok(path.ends_with(suffix) || suffix.strip_prefix('/') == Some(path))
            }
            Some(How::Regex(regex)) => Ok(regex.is_match(path)),
            None => Err(BadPattern(format!("`{}` is malformed", self.text))),
        }
    }

    /// The text up to a last part that stands for everything in a folder. (Docker's own walk takes two such
    /// parts away, and so does not look into `a/b` for `!a/*/**`, which excepts what is in there.)
    pub(super) fn without_trailing_glob(&self) -> &str {
        let all = self.text.strip_suffix("/**");
        all.or(self.text.strip_suffix("/*")).unwrap_or(&self.text)
    }
}

/// What a pattern turned out to need, while it was read.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Shape {
    Exact,
    Prefix,
    Suffix,
    Regex,
}

fn how(text: &str) -> Option<How> {
    let (shape, expression) = translate(text);
    Some(match shape {
        Shape::Exact => How::Exact,
        Shape::Prefix => How::Prefix(text[..text.len() - 2].to_owned()),
        Shape::Suffix => How::Suffix(text[2..].to_owned()),
        Shape::Regex => How::Regex(Regex::new(&dialect(&expression)?).ok()?),
    })
}

/// The pattern's shape, and its regular expression in the dialect that Docker uses (RE2).
///
/// Docker's matcher is defined by this translation, oddities included: `*` and `?` are translated
/// inside of `[…]` too, and a letter after a backslash means what it means to the regular expression.
pub(super) fn translate(pattern: &str) -> (Shape, String) {
    let mut shape = Shape::Exact;
    let mut out = String::from("^");
    let mut chars = pattern.chars().peekable();
    let mut at_start = true;
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => {
                shape = double_star(&mut chars, shape, at_start, &mut out);
            }
            '*' => (shape, _) = (Shape::Regex, out.push_str("[^/]*")),
            '?' => (shape, _) = (Shape::Regex, out.push_str("[^/]")),
            '.' | '+' | '(' | ')' | '|' | '{' | '}' | '$' => out.extend(['\\', c]),
            '\\' => match chars.next() {
                Some(escaped) => (shape, _) = (Shape::Regex, out.extend(['\\', escaped])),
                None => out.push('\\'),
            },
            '[' | ']' => (shape, _) = (Shape::Regex, out.push(c)),
            c => out.push(c),
        }
        at_start = false;
    }
    out.push('$');
    (shape, out)
}

/// What follows `**`: any number of whole folders, or simply everything at the pattern's end.
fn double_star(
    rest: &mut Peekable<impl Iterator<Item = char>>,
    shape: Shape,
    at_start: bool,
    out: &mut String,
) -> Shape {
    rest.next_if_eq(&'/');
    let at_end = rest.peek().is_none();
    let shape = match (at_end, shape) {
        (true, Shape::Exact) => Shape::Prefix,
        (true, _) => {
            out.push_str(".*");
            Shape::Regex
        }
        (false, _) => {
            out.push_str("(.*/)?");
            Shape::Regex
        }
    };
    if at_start { Shape::Suffix } else { shape }
}

/// The same expression in the dialect of the `regex` crate, whose character classes can be nested,
/// intersected and subtracted, where RE2 takes `[`, `&` and `~` as they are. `None` if a class has
/// no end.
fn dialect(expression: &str) -> Option<String> {
    let mut out = String::new();
    let mut in_class = false;
    let mut chars = expression.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next()?;
                if !escaped.is_ascii_punctuation() {
                    out.push('\\');
                    out.push(escaped);
                } else {
                    out.push_str(&regex::escape(&escaped.to_string()));
                }
            }
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                let mut rest = chars.clone();
                if rest.next() == Some('^') {
                    out.push('^');
                    chars.next();
                }
                if chars.clone().next() == Some(']') {
                    out.push_str("\\]");
                    chars.next();
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            ']' => out.push_str("\\]"),
            '[' | '&' | '~' if in_class => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    (!in_class).then_some(out)
}

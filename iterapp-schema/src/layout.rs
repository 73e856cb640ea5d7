//! What a text is made of, statement by statement. It need not be TOML: this is for finding one's way
//! in files with mistakes, and in files that are still being written.

use std::ops::Range;

use crate::parse::line_of;

/// A header, or a key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its lines, without the last one's end.
    pub lines: Range<usize>,
    pub kind: Kind,
}

impl Statement {
    pub fn is_header(&self) -> bool {
        matches!(self.kind, Kind::Header(_))
    }
}

/// What a statement is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `[name]` or `[[name]]`, with the place of the name.
    Header(Range<usize>),
    /// `key = …`, with the place of the key.
    Pair(Range<usize>),
    /// Nothing that TOML knows.
    Other,
}

/// What a place is in, besides its statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    Nothing,
    Comment,
    Text,
    /// A list or an inline table.
    Brackets,
}

/// A bracket, or the quotes of a text of several lines, without a partner before the next statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unclosed {
    /// The place of the bracket, or of the first quote.
    pub bracket: usize,
    /// The lines of its statement.
    pub lines: Range<usize>,
}

/// A text's statements in their order; comments and empty lines are none.
#[derive(Debug, Default)]
pub struct Layout {
    pub statements: Vec<Statement>,
    pub unclosed: Vec<Unclosed>,
    /// What the end of the text is in.
    pub end: Option<Within>,
}

impl Layout {
    pub fn of(text: &str) -> Self {
        let mut layout = Self::default();
        let mut start = 0;
        while start < text.len() {
            start = layout.statement(text, start);
        }
        layout
    }

    /// The place in the text, as it would be read up to there.
    pub fn within(text: &str, offset: usize) -> Within {
        Self::of(&text[..offset]).end.unwrap_or(Within::Nothing)
    }

    /// The first header.
    pub fn first_header(&self) -> Option<&Statement> {
        self.statements
            .iter()
            .find(|statement| statement.is_header())
    }

    /// The name in the last header that ends before a place.
    pub fn header_above<'t>(&self, text: &'t str, offset: usize) -> Option<&'t str> {
        let before = |statement: &&Statement| statement.lines.start < offset;
        let mut above = self.statements.iter().rev().filter(before);
        above.find_map(|statement| match &statement.kind {
            Kind::Header(name) if name.end < offset => Some(text[name.clone()].trim()),
            _ => None,
        })
    }

    /// Whether a statement begins with the key at this place.
    pub fn begins_statement(&self, place: usize) -> bool {
        let begins = |statement: &Statement| matches!(&statement.kind, Kind::Pair(key) if key.start == place);
        self.statements.iter().any(begins)
    }

    /// The keys of all statements, as they are written.
    pub fn keys<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let pairs = self
            .statements
            .iter()
            .filter_map(|statement| match &statement.kind {
                Kind::Pair(key) => Some(key.clone()),
                _ => None,
            });
        pairs.map(|key| &text[key])
    }

    /// Reads the statement that begins in the line at `start`, and says where the next line begins.
    fn statement(&mut self, text: &str, start: usize) -> usize {
        self.end = None;
        let line = line_of(text, start);
        let content = text[line.clone()].trim_start();
        if content.is_empty() {
            return line.end + 1;
        }
        let is_last = line.end == text.len();
        if content.starts_with('#') {
            self.end = is_last.then_some(Within::Comment);
            return line.end + 1;
        }
        let first = line.end - content.len();
        if content.starts_with('[') {
            let kind = header(text, first..line.end).map_or(Kind::Other, Kind::Header);
            if is_last && content.contains('#') {
                self.end = Some(Within::Comment);
            }
            self.statements.push(Statement {
                lines: line.clone(),
                kind,
            });
            return line.end + 1;
        }
        let Some(equals) = equals(content) else {
            self.statements.push(Statement {
                lines: line.clone(),
                kind: Kind::Other,
            });
            return line.end + 1;
        };
        let key = content[..equals].trim_end().len();
        let end = self.value(text, line.start, first + equals + 1);
        self.statements.push(Statement {
            lines: line.start..end,
            kind: Kind::Pair(first..first + key),
        });
        end + 1
    }

    /// Reads a value and says where its last line ends.
    fn value(&mut self, text: &str, statement: usize, start: usize) -> usize {
        let mut open: Vec<(usize, u8)> = Vec::new();
        let mut at = start;
        while at < text.len() {
            let rest = &text[at..];
            self.end = None;
            match rest.as_bytes()[0] {
                b'\n' => {
                    let Some(&(_, last)) = open.last() else {
                        return at;
                    };
                    if begins_statement(text, at + 1, last) {
                        let bracket = open[0].0;
                        let lines = statement..at;
                        self.unclosed.push(Unclosed { bracket, lines });
                        return at;
                    }
                    at += 1;
                }
                b'#' => {
                    self.end = Some(Within::Comment);
                    at = line_of(text, at).end;
                }
                b'"' | b'\'' => match string_end(rest) {
                    Some(length) => at += length,
                    None => {
                        self.end = Some(Within::Text);
                        let lines = statement..text.len();
                        self.unclosed.push(Unclosed { bracket: at, lines });
                        return text.len();
                    }
                },
                bracket @ (b'[' | b'{') => {
                    open.push((at, bracket));
                    at += 1;
                }
                b']' | b'}' => {
                    open.pop();
                    at += 1;
                }
                _ => at += rest.chars().next().map_or(1, char::len_utf8),
            }
        }
        if let Some((bracket, _)) = open.first() {
            self.unclosed.push(Unclosed {
                bracket: *bracket,
                lines: statement..text.len(),
            });
            self.end.get_or_insert(Within::Brackets);
        }
        text.len()
    }
}

/// Where a key ends: before the `=` that stands in no quotes.
fn equals(line: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '=') => return Some(at),
            (None, '#') => return None,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// The place of the name in a header.
fn header(text: &str, line: Range<usize>) -> Option<Range<usize>> {
    let content = &text[line.clone()];
    let opening = content.len() - content.trim_start_matches('[').len();
    let inner = &content[opening..];
    let end = inner.find(']')?;
    Some(line.start + opening..line.start + opening + end)
}

/// Whether a line can be nothing but a statement of its own, though a bracket is open.
fn begins_statement(text: &str, start: usize, open: u8) -> bool {
    let content = text[line_of(text, start)].trim();
    let is_name = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        !name.is_empty() && name.chars().all(plain)
    };
    if let Some(header) = content.strip_prefix('[') {
        let name = header.split_once(']').map(|(name, _)| name.trim());
        return name.is_some_and(|name| is_name(name) && name.contains(char::is_alphabetic));
    }
    let key = content.split_once('=').map(|(key, _)| key.trim());
    open == b'[' && key.is_some_and(is_name)
}

/// The length of the string that a text begins with; nothing when it does not end. One of a single
/// line ends with the line, closed or not.
fn string_end(text: &str) -> Option<usize> {
    let quote = &text[..1];
    let long = quote.repeat(3);
    if let Some(inner) = text.strip_prefix(&long) {
        let end = closing(inner, &long, quote)?;
        // Up to two more quotes belong to the string.
        let more = inner[end + 3..]
            .bytes()
            .take(2)
            .take_while(|byte| *byte == quote.as_bytes()[0]);
        return Some(3 + end + 3 + more.count());
    }
    let line = text.find('\n').unwrap_or(text.len());
    let inner = &text[1..line.max(1)];
    Some(closing(inner, quote, quote).map_or(line, |end| end + 2))
}

/// Where a string's end stands; a `\` in double quotes takes the next character's meaning.
fn closing(inner: &str, end: &str, quote: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote == "\"" {
            escaped = true;
        } else if inner[at..].starts_with(end) {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<String> {
        let told = |statement: Statement| match statement.kind {
            Kind::Header(name) => format!("[{}]", &text[name]),
            Kind::Pair(key) => text[key].to_owned(),
            Kind::Other => "?".to_owned(),
        };
        Layout::of(text).statements.into_iter().map(told).collect()
    }

    #[test]
    fn statements_are_found_in_whatever_they_hold() {
        let text = "a = \"\"\"\n[x]\n\"\"\"\n  [b.c] # d\nd = [\n  \"]\", # ]\n  'e',\n]\n\n# [f]\n[[g]]\n\"h = i\" = 1\nport: 80\n";
        assert_eq!(kinds(text), ["a", "[b.c]", "d", "[g]", "\"h = i\"", "?"]);
        assert_eq!(Layout::of(text).unclosed, []);
    }

    #[test]
    fn a_bracket_without_a_partner_is_found_at_the_next_statement() {
        for (text, rest) in [
            (
                "a = [\n \"b\",\n \"c\"\nport = 80\n[d]\n",
                ["a", "port", "[d]"],
            ),
            ("a = { b = 1\n[d]\ne = 1\n", ["a", "[d]", "e"]),
            ("x = 1\ny = 2\nz = [", ["x", "y", "z"]),
        ] {
            assert_eq!(kinds(text), rest);
            let unclosed = Layout::of(text).unclosed;
            assert_eq!(unclosed.len(), 1, "{text}");
            assert!("[{".contains(&text[unclosed[0].bracket..=unclosed[0].bracket]));
        }
        assert_eq!(Layout::of("a = [\n  { b = 1 },\n  [1],\n]\n").unclosed, []);
    }

    #[test]
    fn a_place_is_in_a_text_or_a_comment_or_between_brackets() {
        for (text, within) in [
            ("a = [\n ", Within::Brackets),
            ("a = [\n] ", Within::Nothing),
            ("a = \"\"\"\n b", Within::Text),
            ("# a", Within::Comment),
            ("[a] # b", Within::Comment),
            ("a = [ # b", Within::Comment),
            ("a = 1\n", Within::Nothing),
            ("# a\n", Within::Nothing),
            ("[a] # b\n", Within::Nothing),
        ] {
            assert_eq!(Layout::within(text, text.len()), within, "{text}");
        }
    }
}

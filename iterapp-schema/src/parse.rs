//! Bytes to a TOML table with places, and everything that is wrong on that level.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, Error};

use crate::diagnostic::{Code, Diagnostic, Related};
use crate::file::Fault;

/// The largest file that is read.
pub const MAX_FILE: usize = 64 * 1024;

/// The most problems that are told of one file. Nobody reads more, and a file made of problems must
/// not cost more time than another.
pub const MAX_PROBLEMS: usize = 100;

/// A table with the places of its keys and values.
pub type Table<'t> = DeTable<'t>;

/// A value and its place.
pub type Value<'t> = Spanned<DeValue<'t>>;

/// A key and its place.
pub type Key<'t> = Spanned<DeString<'t>>;

/// The text of a file, without a byte order mark.
pub fn text(bytes: Vec<u8>) -> Result<String, Fault> {
    if bytes.len() > MAX_FILE {
        let message = format!(
            "the file has {} bytes; at most {MAX_FILE} are read",
            bytes.len()
        );
        let hint = "it is meant for settings; data belongs in a file of the image";
        return Err(Fault::new(Code::FileTooLarge, message).hint(hint));
    }
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(error.as_bytes()))?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

fn not_utf8(bytes: &[u8]) -> Fault {
    let good = bytes
        .utf8_chunks()
        .next()
        .map_or(0, |chunk| chunk.valid().len());
    let line = bytes[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
    let utf_16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let what = match utf_16 {
        true => "it looks like UTF-16".to_owned(),
        false => format!("the first wrong byte is in line {line}"),
    };
    Fault::new(Code::NotUtf8, format!("the file is not UTF-8 text: {what}"))
        .hint("save it in the encoding UTF-8")
}

/// The table, as far as the text makes one, and what is wrong with the text.
pub fn table<'t>(file: &str, text: &'t str) -> (Table<'t>, Vec<Diagnostic>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let table = table.into_inner();
    let keys = Keys::of(&table, text);
    let mut problems: Vec<Diagnostic> = Vec::new();
    let line = |span: Option<Range<usize>>| span.map(|span| line_of(text, span.start));
    for error in errors {
        // One slip makes the parser stumble several times; the first time tells most.
        let last = problems.last().and_then(|problem| problem.span.clone());
        if problems.is_empty() || line(last) != line(error.span()) {
            problems.push(syntax(file, text, &keys, &error));
        }
        if problems.len() > MAX_PROBLEMS {
            break;
        }
    }
    (table, problems)
}

/// The bytes of the line that a byte is in, without its end.
pub fn line_of(text: &str, offset: usize) -> Range<usize> {
    let offset = text.floor_char_boundary(offset);
    let start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[offset..]
        .find('\n')
        .map_or(text.len(), |length| offset + length);
    start..end
}

/// The name in the last header of a text, which need not be TOML.
pub fn last_header(text: &str) -> Option<&str> {
    let lines = text.lines().rev().map(str::trim);
    let mut headers = lines.filter_map(|line| line.strip_prefix('['));
    headers.find_map(|line| {
        let (name, _) = line.split_once(']')?;
        // An entry of a list over several lines looks similar.
        (!name.contains(['"', '\'', ','])).then_some(name.trim())
    })
}

fn syntax(file: &str, text: &str, keys: &Keys, error: &Error) -> Diagnostic {
    let span = error.span().map(|span| inside(text, span));
    if let (true, Some(span)) = (error.message().starts_with("duplicate key"), &span) {
        return duplicate(file, text, keys, span.clone());
    }
    // Its guesses at what it expected lead astray where text lacks quotes, so they are left out there.
    let told = error.message().replace('\n', "; ");
    let told = told.trim_end_matches(", expected literal string");
    let problem = Diagnostic::new(Code::Syntax, file, format!("this is not TOML: {told}"));
    let hint = span
        .as_ref()
        .and_then(|span| syntax_hint(&text[line_of(text, span.start)]));
    Diagnostic {
        hint,
        ..problem.at(span)
    }
}

/// A span that renderers can rely on: within the text and between characters.
fn inside(text: &str, span: Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start);
    start..text.ceil_char_boundary(span.end.max(start))
}

/// What people write who think of another format, or forget half of a pair.
fn syntax_hint(line: &str) -> Option<String> {
    let line = line.trim();
    if line.matches('"').count() % 2 == 1 {
        return Some("close the text with a second `\"`".to_owned());
    }
    if line.starts_with('[') && !line.contains(']') {
        return Some(format!("close the section's header: `{line}]`"));
    }
    let Some((key, value)) = line.split_once('=') else {
        let (key, value) = line.split_once(':').or_else(|| line.split_once(' '))?;
        let is_key = key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        return is_key.then(|| format!("TOML sets a key with `=`: `{key} = {}`", value.trim()));
    };
    let (key, value) = (key.trim(), value.trim());
    if value.is_empty() {
        return Some(format!("give `{key}` a value, or remove the line"));
    }
    let begins_like_text = value.starts_with(|c: char| c.is_alphabetic() || "/.<$".contains(c));
    let plain = begins_like_text && !value.contains(['"', '\'', '#']);
    plain.then(|| format!("put text in quotes: `{key} = \"{value}\"`"))
}

fn duplicate(file: &str, text: &str, keys: &Keys, span: Range<usize>) -> Diagnostic {
    let key = &text[span.clone()];
    let problem = Diagnostic::new(Code::DuplicateKey, file, format!("`{key}` is set twice"))
        .at(span.clone())
        .hint("keep one of the two");
    match keys.first(text, &span) {
        Some(first) => problem.related(Related {
            file: file.to_owned(),
            span: first,
            message: "set here first".to_owned(),
        }),
        None => problem,
    }
}

/// The places of all keys, for finding the first of two.
struct Keys(Vec<Range<usize>>);

impl Keys {
    fn of(table: &Table<'_>, text: &str) -> Self {
        let mut keys = Vec::new();
        let mut tables = vec![table];
        while let Some(table) = tables.pop() {
            for (key, value) in table {
                keys.push(inside(text, key.span()));
                tables.extend(value.get_ref().as_table());
            }
        }
        keys.sort_by_key(|span| span.start);
        Self(keys)
    }

    /// The nearest key before this one that stands alike in its line (`[env.prod`, or `port`).
    fn first(&self, text: &str, again: &Range<usize>) -> Option<Range<usize>> {
        let lead = |span: &Range<usize>| text[line_of(text, span.start).start..span.end].trim();
        let mut before = self.0.iter().rev().filter(|span| span.end <= again.start);
        let key = before.find(|span| lead(span) == lead(again)).cloned();
        key.or_else(|| first_header(text, lead(again), again.start))
    }
}

/// The first header that begins like this one. The table has kept the second alone.
fn first_header(text: &str, lead: &str, before: usize) -> Option<Range<usize>> {
    let name = lead
        .rsplit(['[', '.'])
        .next()
        .filter(|_| lead.starts_with('['))?;
    let line = |at: usize| text[..at].ends_with('\n') || at == 0;
    let starts = text[..before].match_indices(lead).map(|(at, _)| at);
    let found = starts
        .filter(|at| text[at + lead.len()..].starts_with(']'))
        .find(|at| line(*at));
    found
        .map(|at| at + lead.len() - name.len()..at + lead.len())
        .filter(|span| span.end < before)
}

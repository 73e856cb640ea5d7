//! Bytes to a TOML table with places, and everything that is wrong on that level.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, Error};

use crate::diagnostic::{Code, Diagnostic, Related};
use crate::file::Fault;
use crate::layout::{Layout, Statement, Unclosed};

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

/// So many lines that are not TOML are told by themselves; of more, what the parser makes of them all.
const MOST_BROKEN: usize = 32;

/// What is wrong with a text as TOML, and the text with blanks instead of what is wrong: everything
/// else can be read, and keeps its place.
pub fn readable(file: &str, text: &str) -> (String, Vec<Diagnostic>) {
    let mut readable = text.to_owned();
    let mut problems = Vec::new();
    for unclosed in Layout::of(text).unclosed {
        problems.push(not_closed(file, text, &unclosed));
        blank(&mut readable, unclosed.lines);
    }
    while problems.len() < MOST_BROKEN {
        match first_error(file, &readable) {
            First::None => return (readable, problems),
            First::TooMany => break,
            First::Error(problem, None) => {
                problems.push(*problem);
                return (String::new(), problems);
            }
            First::Error(problem, Some(lines)) => {
                problems.push(*problem);
                blank(&mut readable, lines);
            }
        }
    }
    problems.extend(errors(file, &readable));
    (readable, problems)
}

/// The first thing that is wrong, and the lines that are not to be read because of it.
enum First {
    None,
    Error(Box<Diagnostic>, Option<Range<usize>>),
    /// A text made of mistakes is not read once for each.
    TooMany,
}

/// The table that a text makes, if it is TOML.
pub fn table(text: &str) -> Result<Table<'_>, Error> {
    DeTable::parse(text).map(Spanned::into_inner)
}

/// The table that a text makes, TOML or not.
pub fn as_far_as_it_goes(text: &str) -> Table<'_> {
    DeTable::parse_recoverable(text).0.into_inner()
}

fn first_error(file: &str, text: &str) -> First {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.len() > MAX_PROBLEMS {
        return First::TooMany;
    }
    let line = |error: &&Error| error.span().map(|span| line_of(text, span.start).start);
    let Some(first) = errors.iter().min_by_key(line) else {
        return First::None;
    };
    let keys = Keys::of(table.get_ref(), text);
    let lines = first.span().map(|span| unreadable(text, span.start));
    First::Error(Box::new(syntax(file, text, &keys, first)), lines)
}

/// One problem a line.
fn errors(file: &str, text: &str) -> Vec<Diagnostic> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let keys = Keys::of(table.get_ref(), text);
    let mut lines = BTreeSet::new();
    let line = |error: &&Error| error.span().map(|span| line_of(text, span.start).start);
    let firsts = errors.iter().filter(|error| lines.insert(line(error)));
    firsts
        .take(MAX_PROBLEMS)
        .map(|error| syntax(file, text, &keys, error))
        .collect()
}

/// The statement at a place. Without its header a section's keys would count as another's, so they go
/// with it.
fn unreadable(text: &str, place: usize) -> Range<usize> {
    let statements = Layout::of(text).statements;
    let holds =
        |statement: &Statement| statement.lines.start <= place && place <= statement.lines.end;
    let Some(at) = statements.iter().position(holds) else {
        return line_of(text, place);
    };
    let lines = statements[at].lines.clone();
    if !text[lines.clone()].trim_start().starts_with('[') {
        return lines;
    }
    let next = statements[at + 1..].iter().find(|next| next.is_header());
    lines.start..next.map_or(text.len(), |next| next.lines.start)
}

/// Puts a blank in the place of every byte but the ends of lines.
fn blank(text: &mut String, range: Range<usize>) {
    let range = inside(text, range);
    let blanks: String = text[range.clone()]
        .bytes()
        .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
        .collect();
    text.replace_range(range, &blanks);
}

fn not_closed(file: &str, text: &str, unclosed: &Unclosed) -> Diagnostic {
    let bracket = unclosed.bracket..unclosed.bracket + 1;
    let (what, closing) = match &text[bracket.clone()] {
        "[" => ("list", "]"),
        "\"" => ("text", "\"\"\""),
        "'" => ("text", "\'\'\'"),
        _ => ("table", "}"),
    };
    let message = format!("this is not TOML: the {what} that begins here has no end");
    Diagnostic::new(Code::Syntax, file, message)
        .at(bracket)
        .hint(format!("close it with `{closing}`"))
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

fn syntax(file: &str, text: &str, keys: &Keys, error: &Error) -> Diagnostic {
    let span = error.span().map(|span| inside(text, span));
    if let (true, Some(span)) = (error.message().starts_with("duplicate key"), &span) {
        return duplicate(file, text, keys, span.clone());
    }
    // Its guesses at what it expected lead astray where text lacks quotes, so they are left out there.
    let told = error.message().replace('\n', "; ");
    let guesses = ["invalid boolean", "invalid float"];
    let told = match guesses.iter().any(|guess| told.starts_with(guess)) {
        true => "this is neither a text in quotes nor a number, `true` or `false`",
        false => told.trim_end_matches(", expected literal string"),
    };
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
    if line.starts_with("//") {
        return Some("comments begin with `#`".to_owned());
    }
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
    let name = key.rsplit('.').next().unwrap_or(key);
    let is_number = ["port", "replicas", "grace_period", "min", "max"].contains(&name);
    if is_number && !value.contains(['"', '\'', '[', '{', ';', ',', '/']) {
        return Some(format!("`{name}` is a number, written in digits"));
    }
    if let Some(value) = value.strip_suffix([';', ',']) {
        return Some(format!(
            "nothing ends a line in TOML: `{key} = {}`",
            value.trim()
        ));
    }
    if value.starts_with("//") || value.contains(" //") {
        return Some("comments begin with `#`".to_owned());
    }
    match value.to_lowercase().as_str() {
        "true" | "yes" | "on" => return Some(format!("write `{key} = true`")),
        "false" | "no" | "off" => return Some(format!("write `{key} = false`")),
        "null" | "nil" | "none" => {
            return Some(format!(
                "TOML knows no {value}: remove the line, and `{key}` is not set"
            ));
        }
        _ => {}
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

//! One file while it is read: its problems, and its values by type.

use std::ops::{Range, RangeInclusive};

use toml::de::{DeInteger, DeValue};

use crate::diagnostic::{Code, Diagnostic};
use crate::parse::{MAX_PROBLEMS, Value, line_of};

/// What is wrong with a text; the file it stands in adds the place.
pub struct Fault {
    pub code: Code,
    pub message: String,
    pub hint: Option<String>,
}

impl Fault {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// As a problem of this file as a whole.
    pub fn in_file(self, path: &str) -> Diagnostic {
        Diagnostic {
            hint: self.hint,
            ..Diagnostic::new(self.code, path, self.message)
        }
    }
}

/// A file being read.
pub struct File<'t> {
    pub path: &'t str,
    pub text: &'t str,
    problems: Vec<Diagnostic>,
    /// Lines that are not TOML. What the parser made of them says nothing about what was meant.
    broken: Vec<RangeInclusive<usize>>,
}

impl<'t> File<'t> {
    /// A file whose text has these problems already.
    pub fn new(path: &'t str, text: &'t str, syntax: Vec<Diagnostic>) -> Self {
        let lines = |problem: &Diagnostic| {
            let span = problem.span.clone()?;
            let line = line_of(text, span.start);
            // A header without its `]` takes the next line for its name.
            let header = problem.message.contains("unclosed table");
            let next = line_of(text, line.end + usize::from(header));
            Some(line.start..=next.end.max(span.end))
        };
        let broken = syntax.iter().filter_map(lines).collect();
        Self {
            path,
            text,
            problems: syntax,
            broken,
        }
    }

    /// What was found, by position; of too many the first.
    pub fn into_problems(mut self) -> Vec<Diagnostic> {
        self.problems
            .sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
        if self.problems.len() > MAX_PROBLEMS {
            self.problems.truncate(MAX_PROBLEMS);
            let last = self
                .problems
                .last()
                .and_then(|problem| problem.span.clone());
            let message =
                format!("the file has more than {MAX_PROBLEMS} problems; the others are not shown");
            self.problems
                .push(Diagnostic::new(Code::TooManyProblems, self.path, message).at(last));
        }
        self.problems
    }

    /// Notes a problem.
    pub fn report(&mut self, span: Range<usize>, fault: Fault) {
        if self.broken.iter().any(|line| line.contains(&span.start)) {
            return;
        }
        self.problems.push(fault.in_file(self.path).at(span));
    }

    /// The value that `check` makes of a text, or its fault at the text's place.
    pub fn checked<T>(&mut self, value: &Value, text: &str, check: Check<T>) -> Option<T> {
        check(text)
            .map_err(|fault| self.report(value.span(), fault))
            .ok()
    }

    /// A string.
    pub fn string<'v>(&mut self, key: &str, value: &'v Value) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(key, "a string", value);
        }
        text
    }

    /// A list of strings, with their places.
    pub fn strings<'v>(
        &mut self,
        key: &str,
        value: &'v Value,
    ) -> Option<Vec<(&'v str, &'v Value<'v>)>> {
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(key, "a list of strings", value);
            return None;
        };
        let entries: Vec<_> = array
            .iter()
            .map(|entry| Some((self.string(key, entry)?, entry)))
            .collect();
        entries.into_iter().collect()
    }

    /// An integer in a range.
    pub fn integer(&mut self, key: &str, value: &Value, range: RangeInclusive<u32>) -> Option<u32> {
        let (least, most) = (range.start(), range.end());
        let DeValue::Integer(integer) = value.get_ref() else {
            self.wrong_type(key, &format!("an integer from {least} to {most}"), value);
            return None;
        };
        let number = decimal(integer).and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let message = format!("`{key}` must be from {least} to {most}, found {integer}");
            self.report(value.span(), Fault::new(Code::OutOfRange, message));
        }
        number
    }

    /// Says that a value is of the wrong type, and how it would be of the right one.
    pub fn wrong_type(&mut self, key: &str, expected: &str, value: &Value) {
        let found = describe(value.get_ref());
        let message = format!("`{key}`: expected {expected}, found {found}");
        let mut fault = Fault::new(Code::WrongType, message);
        fault.hint = type_hint(
            expected,
            value.get_ref(),
            self.text.get(value.span()).unwrap_or_default(),
        );
        self.report(value.span(), fault);
    }
}

/// Checks a text and makes something of it.
pub type Check<T> = fn(&str) -> Result<T, Fault>;

/// The integer, if it fits into TOML's 64 bits.
pub fn decimal(integer: &DeInteger) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A value in words: `the string "80"`.
pub fn describe(value: &DeValue) -> String {
    match value {
        DeValue::String(text) if text.chars().count() > 40 => "a string".to_owned(),
        DeValue::String(text) => format!("the string {text:?}"),
        DeValue::Integer(integer) => format!("the integer {integer}"),
        DeValue::Float(float) => format!("the float {}", float.as_str()),
        DeValue::Boolean(truth) => format!("the boolean {truth}"),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn type_hint(expected: &str, found: &DeValue, written: &str) -> Option<String> {
    match found {
        DeValue::String(text) if expected.starts_with("an integer") => {
            let number: u32 = text.trim().parse().ok()?;
            Some(format!("remove the quotes: `{number}`"))
        }
        DeValue::String(text) if expected.starts_with("a list") => {
            Some(format!("put it in brackets: `[{text:?}]`"))
        }
        DeValue::Array(array) if expected == "a string" => {
            let only = array.iter().next().filter(|_| array.len() == 1)?;
            Some(format!(
                "remove the brackets: `{:?}`",
                only.get_ref().as_str()?
            ))
        }
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_)
            if expected == "a string" =>
        {
            Some(format!("put it in quotes: `\"{written}\"`"))
        }
        _ => None,
    }
}

//! One file while it is read: its problems, and its values by type.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::ops::{Range, RangeInclusive};

use toml::de::{DeInteger, DeValue};

use crate::diagnostic::{Code, Diagnostic, Edit, Fix, Related};
use crate::format::At;
use crate::layout::Layout;
use crate::parse::{MAX_PROBLEMS, Value, line_of};

/// What is wrong with a text; the file it stands in adds the place.
pub struct Fault {
    pub code: Code,
    pub message: String,
    pub hint: Option<String>,
    mend: Option<Mend>,
}

/// How a fault can be mended for certain.
enum Mend {
    /// By this instead of what it is about.
    Replace(String),
    /// By these changes of the file.
    Edits(Vec<Edit>),
}

impl Fault {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            mend: None,
        }
    }

    /// The same, mended for certain by this TOML instead of what it is about.
    pub fn replace(mut self, toml: impl Into<String>) -> Self {
        self.mend = Some(Mend::Replace(toml.into()));
        self
    }

    /// The same, mended for certain by this text instead of the value it is about.
    pub fn replace_text(self, text: &str) -> Self {
        self.replace(toml_string(text))
    }

    /// The same, mended for certain by changes of the file.
    pub fn edits(mut self, edits: Vec<Edit>) -> Self {
        self.mend = Some(Mend::Edits(edits));
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// As a problem of a place in a file.
    fn at(self, path: &str, span: Range<usize>) -> Diagnostic {
        let edits = match &self.mend {
            Some(Mend::Replace(text)) => vec![Edit::new(span.clone(), text.clone())],
            Some(Mend::Edits(edits)) => edits.clone(),
            None => Vec::new(),
        };
        let fix = (!edits.is_empty()).then_some(Fix { edits });
        Diagnostic {
            fix,
            ..self.in_file(path).at(span)
        }
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
    /// What was said already: the place, the code and the words.
    said: HashSet<(Option<usize>, Code, String)>,
    /// Lines that are not TOML, and were not read.
    broken: Vec<RangeInclusive<usize>>,
    layout: OnceCell<Layout>,
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
            said: HashSet::new(),
            broken,
            layout: OnceCell::new(),
        }
    }

    /// The text's statements, also of what is not TOML.
    pub fn layout(&self) -> &Layout {
        self.layout.get_or_init(|| Layout::of(self.text))
    }

    /// Whether a key of the file's top is there in lines that were not read.
    pub fn is_unread(&self, key: &str) -> bool {
        let begins = |lines: &RangeInclusive<usize>| {
            let line = self.text.get(*lines.start()..).unwrap_or_default();
            line.trim_start().starts_with(key)
        };
        self.broken.iter().any(begins)
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
        let problem = fault.at(self.path, span);
        self.add(problem);
    }

    /// Notes a problem that another place of the file belongs to.
    pub fn report_with(
        &mut self,
        span: Range<usize>,
        fault: Fault,
        place: Option<Range<usize>>,
        message: &str,
    ) {
        let mut problem = fault.at(self.path, span);
        problem.related = place.map(|span| Related {
            file: self.path.to_owned(),
            span,
            message: message.to_owned(),
        });
        self.add(problem);
    }

    /// What was found so far.
    pub fn problems(&self) -> &[Diagnostic] {
        &self.problems
    }

    /// Notes a problem, once.
    pub fn add(&mut self, problem: Diagnostic) {
        let start = problem.span.as_ref().map(|span| span.start);
        let is_broken = |start| self.broken.iter().any(|line| line.contains(start));
        // What is said of a value in two environments is said once.
        let said = (start, problem.code, problem.message.clone());
        if !start.as_ref().is_some_and(is_broken) && self.said.insert(said) {
            self.problems.push(problem);
        }
    }

    /// Whether there is a problem in a section already, so that what it lacks may not be lacking.
    pub fn is_told_of<T>(&self, section: &At<T>) -> bool {
        // A section that has a header is said to be where its header is; its keys come below.
        let below = &self.text[section.span.end..];
        let length = below.find("\n[").unwrap_or(below.len());
        let place = section.key.start..section.span.end + length;
        let within = |problem: &Diagnostic| {
            let start = problem.span.as_ref().map(|span| span.start);
            problem.is_error() && start.is_some_and(|start| place.contains(&start))
        };
        self.problems.iter().any(within)
    }

    /// The value that `check` makes of a text, or its fault at the text's place.
    pub fn checked<T>(
        &mut self,
        value: &Value,
        text: &str,
        check: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<T> {
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

    /// An integer in a range.
    pub fn integer(&mut self, key: &str, value: &Value, range: RangeInclusive<u32>) -> Option<u32> {
        let (least, most) = (range.start(), range.end());
        let DeValue::Integer(integer) = value.get_ref() else {
            let expected = format!("an integer from {least} to {most}");
            self.wrong_type_with_mend(key, &expected, value, |text| {
                text.parse().is_ok_and(|number| range.contains(&number))
            });
            return None;
        };
        let number = decimal(integer).and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let message = format!("`{key}` must be from {least} to {most}, found {integer}");
            let fault = Fault::new(Code::OutOfRange, message)
                .hint(format!("write a number from {least} to {most}"));
            self.report(value.span(), fault);
        }
        number
    }

    /// Says that a value is of the wrong type, and how it would be of the right one.
    pub fn wrong_type(&mut self, key: &str, expected: &str, value: &Value) {
        self.wrong_type_with_mend(key, expected, value, |_| true);
    }

    /// The same, with a mend only where what it makes of the value would do.
    pub fn wrong_type_with_mend(
        &mut self,
        key: &str,
        expected: &str,
        value: &Value,
        would_do: impl Fn(&str) -> bool,
    ) {
        let found = describe(value.get_ref());
        let message = format!("`{key}`: expected {expected}, found {found}");
        let written = self.text.get(value.span()).unwrap_or_default();
        let mut fault = Fault::new(Code::WrongType, message);
        let mended = of_type(expected, value.get_ref(), written);
        if let Some((what, mended)) =
            mended.filter(|(_, mended)| would_do(mended.trim_matches('"')))
        {
            fault = fault.hint(format!("{what}: `{mended}`")).replace(mended);
        } else {
            fault = fault.hint(form(key, expected));
        }
        self.report(value.span(), fault);
    }
}

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

/// What a value of the type looks like.
fn form(key: &str, expected: &str) -> String {
    if let Some(range) = expected.strip_prefix("an integer") {
        return format!("write a whole number{range}, without quotes and unit");
    }
    if key == "cronjobs" || key.starts_with("cronjobs.") {
        return "each cron job has a name: its keys stand below `[cronjobs.NAME]`".to_owned();
    }
    match expected {
        "a string" => "write a text in quotes".to_owned(),
        "a list" => "write a list: `[\"…\", \"…\"]`".to_owned(),
        "a table" => format!("write a header on a line of its own: `[{key}]`"),
        _ => format!("write {expected}"),
    }
}

/// What to do with a value to make it one of the type, and the result.
fn of_type(expected: &str, found: &DeValue, written: &str) -> Option<(&'static str, String)> {
    match found {
        DeValue::String(text) if expected.starts_with("an integer") => {
            let number: u32 = text.trim().parse().ok()?;
            Some(("remove the quotes", number.to_string()))
        }
        DeValue::String(text) if expected.starts_with("`true`") => {
            let truth: bool = text.trim().to_lowercase().parse().ok()?;
            Some(("remove the quotes", truth.to_string()))
        }
        DeValue::String(text)
            if expected.starts_with("a list") && !text.contains([',', ' ', '\n']) =>
        {
            Some(("put it in brackets", format!("[{written}]")))
        }
        DeValue::Array(array) if expected == "a string" => {
            let only = array.iter().next().filter(|_| array.len() == 1)?;
            let text = only.get_ref().as_str()?;
            Some(("remove the brackets", toml_string(text)))
        }
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Boolean(_)
            if expected == "a string" && !written.is_empty() =>
        {
            Some(("put it in quotes", toml_string(written)))
        }
        _ => None,
    }
}

/// A text as TOML writes it.
pub fn toml_string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

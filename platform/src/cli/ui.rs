//! What a command says, and where: results on stdout, everything told beside them on stderr.

use std::fmt::Display;
use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;

use super::failure::Failure;
use super::harmless;
use super::style::{ADVICE, BAD, paint};

/// The two streams and the clock of a command.
pub struct Ui {
    json: bool,
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    clock: fn() -> Timestamp,
}

impl Ui {
    /// The process's own streams. They take colours out again where those are not wanted.
    pub fn of_process(json: bool) -> Self {
        let (out, err) = (Box::new(anstream::stdout()), Box::new(anstream::stderr()));
        Self::new(json, out, err, Timestamp::now)
    }

    /// These streams and this clock.
    pub fn new(
        json: bool,
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        clock: fn() -> Timestamp,
    ) -> Self {
        Self {
            json,
            out,
            err,
            clock,
        }
    }

    /// Whether a program reads along (`--json`).
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// One line of the result.
    pub fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{line}")?)
    }

    /// Text of the result that brings its own line breaks.
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        Ok(self.out.write_all(text.as_bytes())?)
    }

    /// The result as JSON.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        self.serialised(serde_json::to_string_pretty(value))
    }

    /// That something was done, of which there is nothing else to tell.
    pub fn done(&mut self, what: impl Display) -> Result<(), Failure> {
        match self.is_json() {
            true => self.json(&serde_json::json!({})),
            false => self.line(what),
        }
    }

    /// One line of newline-delimited JSON.
    pub fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        self.serialised(serde_json::to_string(value))
    }

    /// Something told beside the result; programs are not told. That it cannot be told is no
    /// reason to stop.
    pub fn note(&mut self, note: impl Display) {
        if !self.json {
            let _ = writeln!(self.err, "{note}");
        }
    }

    /// Advice beside the result.
    pub fn hint(&mut self, hint: impl Display) {
        self.note(format_args!("{} {hint}", paint(ADVICE, "hint:")));
    }

    /// The end of a command that failed.
    pub fn failure(&mut self, failure: &Failure) {
        if failure.message.is_empty() {
            return;
        }
        let _ = if self.json {
            let json = serde_json::to_string(&failure.to_api()).unwrap_or_default();
            writeln!(self.err, "{}", harmless::json(&json))
        } else {
            self.err.write_all(explained(failure).as_bytes())
        };
    }

    fn serialised(&mut self, json: serde_json::Result<String>) -> Result<(), Failure> {
        let json = json.map_err(|error| Failure::from(std::io::Error::from(error)))?;
        self.line(harmless::json(&json))
    }
}

/// `error: …`, its causes, a blank line, `hint: …`.
fn explained(failure: &Failure) -> String {
    let mut out = format!(
        "{} {}\n",
        paint(BAD, "error:"),
        harmless_lines(&failure.message, "  ")
    );
    for cause in &failure.causes {
        out += &format!("  caused by: {}\n", harmless_lines(cause, "    "));
    }
    if let Some(hint) = &failure.hint {
        let hint = harmless_lines(hint, "      ");
        out += &format!("\n{} {hint}\n", paint(ADVICE, "hint:"));
    }
    out
}

/// Lines without control characters, all but the first set in.
pub fn harmless_lines(text: &str, indent: &str) -> String {
    let mut lines = text.trim_end().lines();
    let first = harmless::text(lines.next().unwrap_or_default()).into_owned();
    lines.fold(first, |told, line| match harmless::text(line.trim_end()) {
        empty if empty.is_empty() => told + "\n",
        line => told + "\n" + indent + &line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_as_error_causes_and_hint() {
        let failure = Failure::failed("x", "cannot do it")
            .cause("the disk\u{7} is full")
            .hint("free some space\nor use another disk");
        let plain = anstream::adapter::strip_str(&explained(&failure)).to_string();
        assert_eq!(
            plain,
            "error: cannot do it\n  caused by: the disk^G is full\n\n\
             hint: free some space\n      or use another disk\n"
        );
    }
}

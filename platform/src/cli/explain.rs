//! `hops explain`: what a code means, at length.

use iterapp_schema::{Code, Severity, explain};
use serde::Serialize;

use super::Context;
use super::failure::Failure;
use super::style::{BAD, FAINT, STRONG, UNDERWAY, paint};
use super::table::{Cell, Table};
use super::ui::Ui;

/// Tell what a code of `hops check` means, with a wrong and a right example
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hops explain E0201
  hops explain            all codes
  hops explain E0201 --json | jq -r .text")]
pub struct Explain {
    /// The code; without it, all of them are listed
    #[arg(value_parser = code)]
    code: Option<Code>,
}

/// A code for programs.
#[derive(Serialize)]
struct Explained {
    code: Code,
    severity: Severity,
    title: &'static str,
    /// Markdown; left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'static str>,
}

impl Explained {
    fn listed(code: Code) -> Self {
        Self {
            code,
            severity: code.severity(),
            title: explain::title(code),
            text: None,
        }
    }
}

impl Explain {
    /// Prints a code's text, or the list of codes.
    pub fn run(self, context: &mut Context) -> Result<(), Failure> {
        let ui = &mut context.ui;
        match self.code {
            Some(code) if ui.is_json() => ui.json(&Explained {
                text: Some(explain::explain(code)),
                ..Explained::listed(code)
            }),
            Some(code) => text(ui, code),
            None if ui.is_json() => {
                let all: Vec<_> = Code::ALL.iter().copied().map(Explained::listed).collect();
                ui.json(&all)
            }
            None => list(ui),
        }
    }
}

fn list(ui: &mut Ui) -> Result<(), Failure> {
    let mut table = Table::new(["CODE", "WHAT IS WRONG"]);
    for code in Code::ALL {
        let title = explain::title(*code).replace('`', "");
        table.row([Cell::styled(code.to_string(), style(*code)), title.into()]);
    }
    ui.text(&table.render())
}

/// The Markdown as people read it in a terminal: headings stand out, and files are set in below
/// their names.
fn text(ui: &mut Ui, code: Code) -> Result<(), Failure> {
    let mut in_block = false;
    for line in explain::explain(code).lines() {
        if let Some(opening) = line.strip_prefix("```") {
            in_block = !in_block;
            let title = opening.split('"').nth(1).filter(|_| in_block);
            if let Some(title) = title {
                ui.line(paint(FAINT, format_args!("    # {title}")))?;
            }
        } else if in_block {
            ui.line(format!("    {line}").trim_end())?;
        } else if let Some(title) = line.strip_prefix("# ") {
            let heading = format!("{}[{code}]", code.severity());
            ui.line(format_args!("{}: {title}", paint(style(code), heading)))?;
        } else {
            match line.strip_prefix("## ") {
                Some(heading) => ui.line(paint(STRONG, heading))?,
                None => ui.line(line)?,
            }
        }
    }
    Ok(())
}

fn style(code: Code) -> super::style::Style {
    match code.severity() {
        Severity::Error => BAD,
        Severity::Warning | Severity::Note => UNDERWAY,
    }
}

/// Reads a code from the command line, in small letters too.
fn code(text: &str) -> Result<Code, String> {
    let wanted = text.trim().to_uppercase();
    let found = Code::ALL.iter().find(|code| code.as_str() == wanted);
    found.copied().ok_or_else(|| {
        let meant = nearest(&wanted).map(|code| format!("did you mean `{code}`? "));
        let meant = meant.unwrap_or_default();
        format!("there is no such code; {meant}`hops explain` lists them all")
    })
}

/// The code that was probably meant: of the same digits, or with one slip.
fn nearest(wanted: &str) -> Option<Code> {
    // The distance takes time in the product of the lengths.
    if wanted.len() > 16 {
        return None;
    }
    let digits = wanted.trim_start_matches(|c: char| !c.is_ascii_digit());
    let same = |code: &&Code| &code.as_str()[1..] == digits;
    let near = |code: &&Code| strsim::damerau_levenshtein(code.as_str(), wanted) <= 1;
    let mut codes = Code::ALL.iter();
    let found = codes.clone().find(same).or_else(|| codes.find(near));
    found.copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_any_letters_and_others_suggested() {
        assert_eq!(code("e0201").unwrap(), Code::UnknownKey);
        for (text, meant) in [
            ("0201", "E0201"),
            ("W0101", "E0101"),
            ("E021", "E0201"),
            ("E02011", "E0201"),
        ] {
            let error = code(text).unwrap_err();
            assert!(
                error.contains(&format!("did you mean `{meant}`?")),
                "{text}: {error}"
            );
        }
        let long = "E".repeat(100_000);
        assert!(!code("zebra").unwrap_err().contains("mean"));
        assert!(!code(&long).unwrap_err().contains("mean"));
    }
}

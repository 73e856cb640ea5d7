//! Keys that do not exist where they stand: what was meant, and where it would belong.

use std::ops::Range;

use toml::de::DeValue;

use crate::Environment;
use crate::diagnostic::{Code, Edit};
use crate::file::{Fault, File};
use crate::format::{ApplingKeys, CronJobKeys, RootKeys, RunKeys, Section, SharedKeys};
use crate::layout::Layout;
use crate::parse::{Key, Table, Value, line_of};
use crate::suggest;

/// Names of keys.
type Names = &'static [&'static str];

/// The keys of a file's top.
const TOP: [Names; 4] = [
    RootKeys::KEYS,
    SharedKeys::KEYS,
    ApplingKeys::KEYS,
    RunKeys::KEYS,
];

/// The names of all keys that can stand at a file's top.
pub fn keys_of_top() -> Vec<&'static str> {
    TOP.concat()
}

/// Whether a key of this name can stand at a file's top.
pub fn is_key_of_top(name: &str) -> bool {
    TOP.iter().any(|keys| keys.contains(&name))
}

/// Says that a section has no such key.
pub fn in_section(section: &str, keys: Names, name: &Key, value: &Value, file: &mut File) {
    let (text, span) = (name.get_ref(), name.span());
    if let Some(environment) = section.strip_prefix("override.") {
        if let Some(fault) = not_overridden(text, environment) {
            return file.report(span, fault);
        }
    } else if is_key_of_top(text) {
        if value.get_ref().is_table() {
            let message = format!("`[{section}]` has no section `{text}`, which stands by itself");
            let fault = Fault::new(Code::KeyInSection, message).hint(format!(
                "write its headers without `{section}.`: `[{text}]`, `[{text}.…]`"
            ));
            return file.report(span, fault);
        }
        return report_slipped(section, text, span, value, file);
    }
    let message = format!("`[{section}]` has no key `{text}`");
    let fault = Fault::new(Code::UnknownKey, message);
    let meant = suggest::key_of_section(section, text, keys);
    let fault = with_suggestion(fault, text, span.clone(), meant, keys, file);
    file.report(span, fault);
}

fn not_overridden(name: &str, environment: &str) -> Option<Fault> {
    if !is_key_of_top(name) || RunKeys::KEYS.contains(&name) {
        return None;
    }
    let message = format!("`{name}` is the same in every environment");
    let hint = match name {
        "env" => format!("variables of one environment stand in `[env.{environment}]`"),
        "build" | "build_secrets" => {
            "one image runs in every environment; let a variable make the difference".to_owned()
        }
        _ => "move it above the first `[section]` of the file".to_owned(),
    };
    Some(Fault::new(Code::CannotOverride, message).hint(hint))
}

/// Says that a file's top has no such key.
pub fn at_top(name: &Key, value: &Value, keys: Names, file: &mut File) {
    let (text, span) = (name.get_ref(), name.span());
    let table = value.get_ref().as_table();
    let what = match table {
        Some(_) => format!("section `[{text}]`"),
        None => format!("key `{text}`"),
    };
    let fault = Fault::new(Code::UnknownKey, format!("there is no {what}"));
    let fault = with_hint(fault, text, span.clone(), table, keys, file);
    file.report(span, fault);
}

fn with_hint(
    fault: Fault,
    name: &str,
    span: Range<usize>,
    table: Option<&Table>,
    keys: Names,
    file: &File,
) -> Fault {
    let inside = table.and_then(|table| {
        let names = table.keys().map(|key| key.get_ref().as_ref());
        names
            .into_iter()
            .find(|key| is_key_of_top(key) && *key != "env")
    });
    if table.is_some() {
        if ["environment", "environments"].contains(&name) {
            return fault.hint(
                "variables stand in `[env.common]` and `[env.<environment>]`, other keys of one environment in `[override.<environment>]`",
            );
        }
        if let Ok(environment) = name.parse::<Environment>() {
            return fault.hint(format!(
                "variables of `{environment}` stand in `[env.{environment}]`, other keys in `[override.{environment}]`"
            ));
        }
        if let Some(key) = inside {
            return fault.hint(format!("`{key}` stands at the file's top, in no section"));
        }
    }
    let meant = suggest::key(name, &keys_of_top());
    if meant.is_none() && looks_like_variable(name) {
        return fault.hint(format!(
            "if `{name}` is a variable, put it below `[env.common]`"
        ));
    }
    with_suggestion(fault, name, span, meant, keys, file)
}

/// The fault with what was probably meant; where only the way of writing differs, that is certain, unless
/// that key may be there in a line that was not read.
fn with_suggestion(
    fault: Fault,
    name: &str,
    span: Range<usize>,
    meant: Option<&str>,
    keys: Names,
    file: &File,
) -> Fault {
    let Some(meant) = meant else {
        let keys: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
        return fault.hint(format!("the keys are {}", keys.join(", ")));
    };
    let fault = fault.hint(format!("did you mean `{meant}`?"));
    if suggest::same_but_for_writing(name, meant) && !file.is_unread(meant) {
        return fault.edits(vec![Edit::new(span, meant)]);
    }
    fault
}

fn looks_like_variable(name: &str) -> bool {
    let upper = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    name.chars().all(upper) && name.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Where the author chooses the keys, only a value of another kind tells a key that slipped into the
/// section. Says so, and whether it did.
pub fn slipped(
    section: &str,
    name: &Key,
    value: &Value,
    fits: impl Fn(&DeValue) -> bool,
    file: &mut File,
) -> bool {
    let slipped = is_key_of_top(name.get_ref()) && !fits(value.get_ref());
    if slipped {
        report_slipped(section, name.get_ref(), name.span(), value, file);
    }
    slipped
}

/// Says that a key of the file's top slipped into a section, as all do that stand below a header.
pub fn report_slipped(
    section: &str,
    name: &str,
    span: Range<usize>,
    value: &Value,
    file: &mut File,
) {
    // The section's own name alone does not say whether it is one of `[override.<environment>]`.
    let above = file.layout().header_above(file.text, span.start);
    let is_own = |header: &&str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let rest = header.strip_suffix(section);
        header.chars().all(plain)
            && (section == "env" || rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    };
    let own = above
        .filter(is_own)
        .filter(|_| file.layout().begins_statement(span.start));
    let header = own.unwrap_or(section);
    let message = format!(
        "`{name}` stands below the header `[{header}]`, and so means `{header}.{name}`, which does not exist"
    );
    let fault = Fault::new(Code::KeyInSection, message);
    if let Some(hint) = belongs(name, above.unwrap_or(section), section) {
        return file.report(span, fault.hint(hint));
    }
    let elsewhere = file
        .layout()
        .keys(file.text)
        .filter(|key| *key == name)
        .count();
    let moved = own
        .filter(|_| elsewhere == 1)
        .and_then(|_| moved(file.text, file.layout(), span.start, value.span().end));
    let fault = match moved {
        Some(Move { statement, edits }) => fault
            .hint(format!(
                "sections go last; the file would have\n{statement}\n[{header}]"
            ))
            .edits(edits),
        None => fault.hint(format!(
            "sections go last: move `{name}` above the first `[section]` of the file"
        )),
    };
    file.report(span, fault);
}

/// Where a key belongs that does not belong to the file's top: into another section of its environment,
/// or into the cron job whose name is missing.
fn belongs(name: &str, header: &str, section: &str) -> Option<String> {
    let parts: Vec<&str> = header
        .split('.')
        .map(|part| part.trim_matches([' ', '\t', '"', '\'', '[']))
        .collect();
    match parts[..] {
        ["override", environment, ..] if RunKeys::KEYS.contains(&name) => Some(format!(
            "put it below `[override.{environment}]`, before the headers of its sections"
        )),
        ["env", environment]
            if section == "env" && environment != "common" && RunKeys::KEYS.contains(&name) =>
        {
            Some(format!(
                "put it below `[override.{environment}]` for that environment alone, or above the first `[section]` of the file"
            ))
        }
        ["cronjobs"] if CronJobKeys::KEYS.contains(&name) => {
            Some("each cron job has a name: its keys stand below `[cronjobs.NAME]`".to_owned())
        }
        _ => None,
    }
}

/// How a statement moves above the first header.
struct Move<'t> {
    statement: &'t str,
    edits: Vec<Edit>,
}

/// None when it does not stand on lines of its own.
fn moved<'t>(text: &'t str, layout: &Layout, key: usize, value_end: usize) -> Option<Move<'t>> {
    // A table in parts is said to end where its first part does.
    let last = line_of(text, text.get(key..value_end).map(|_| value_end)?);
    let first = line_of(text, key);
    let alone = text[first.start..key].trim().is_empty();
    let rest = text.get(value_end..last.end)?.trim();
    if !alone || !(rest.is_empty() || rest.starts_with('#')) {
        return None;
    }
    let header = layout.first_header()?.lines.start;
    if header >= first.start {
        return None;
    }
    let statement = text[first.start..last.end].trim();
    let end = (last.end + 1).min(text.len());
    let newline = match text.contains("\r\n") {
        true => "\r\n",
        false => "\n",
    };
    Some(Move {
        statement,
        edits: vec![
            Edit::new(header..header, format!("{statement}{newline}")),
            Edit::new(first.start..end, ""),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved<'t>(text: &'t str, key: &str, end: &str) -> Option<Move<'t>> {
        let key = text.find(key).unwrap();
        let end = key + text[key..].find(end).unwrap() + end.len();
        super::moved(text, &Layout::of(text), key, end)
    }

    #[test]
    fn a_statement_moves_with_all_its_lines() {
        for newline in ["\n", "\r\n"] {
            let lines = |text: &str| text.replace('\n', newline);
            let text = lines(
                "a = \"\"\"\n[x]\n\"\"\"\n  [postgres]\napplings = [\n  \"a\",\n]\nextensions = []\n",
            );
            let end = format!(",{newline}]");
            let edits = moved(&text, "applings", &end).unwrap().edits;
            assert_eq!(
                crate::diagnostic::Fix { edits }.apply(&text).unwrap(),
                lines(
                    "a = \"\"\"\n[x]\n\"\"\"\napplings = [\n  \"a\",\n]\n  [postgres]\nextensions = []\n"
                )
            );
        }
    }

    #[test]
    fn what_shares_a_line_stays() {
        assert!(moved("[b]\na = { port = 1 }\n", "port", "1").is_none());
    }
}

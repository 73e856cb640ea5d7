//! What can stand at a place of a file that is being written: it need not be TOML yet.

use super::{Key, Place, Section, section, sections};
use crate::Environment;
use crate::parse::{last_header, line_of};

/// Which of the two kinds of files is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// The one in the repository's root.
    Root,
    /// One in a folder that the root's lists.
    Appling,
}

/// Something that can stand at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What it is called.
    pub label: String,
    /// What is to be written, instead of the word that has been begun.
    pub insert: String,
    /// The type of a key's value, or what else it is.
    pub detail: String,
    /// What it means, in Markdown.
    pub doc: String,
}

/// Where in a file a place is.
enum Spot<'t> {
    /// A key is being written, in the section of this header.
    Key { header: &'t str },
    /// The value of this key.
    Value { header: &'t str, key: &'t str },
    /// A header, of which this has been written.
    Header { begun: &'t str },
    /// Within a comment, or between the brackets of a list or an inline table.
    Elsewhere,
}

fn spot(text: &str, offset: usize) -> Spot<'_> {
    let offset = text.floor_char_boundary(offset);
    let start = line_of(text, offset).start;
    let line = &text[start..offset];
    let trimmed = line.trim_start();
    if trimmed.contains('#') {
        return Spot::Elsewhere;
    }
    if let Some(begun) = trimmed.strip_prefix('[') {
        return match begun.contains(']') {
            true => Spot::Elsewhere,
            false => Spot::Header {
                begun: begun.trim(),
            },
        };
    }
    let header = last_header(&text[..start]).unwrap_or_default();
    match trimmed.split_once('=') {
        None => Spot::Key { header },
        Some((_, value)) if value.contains(['[', '{']) => Spot::Elsewhere,
        Some((key, _)) => Spot::Value {
            header,
            key: key.trim(),
        },
    }
}

/// What can stand at a place: exactly the keys that are legal there and not yet set, or the values
/// of the key, where they are few.
#[must_use]
pub fn complete(file: File, text: &str, offset: usize) -> Vec<Completion> {
    match spot(text, offset) {
        Spot::Elsewhere => Vec::new(),
        Spot::Header { begun } => headers(file, text, begun),
        Spot::Value { header, key } => values(header, key),
        Spot::Key { header } => {
            let Some(section) = section(header) else {
                return Vec::new();
            };
            let legal = section.keys.iter().filter(|key| {
                !key.is_older
                    && is_legal(file, text, header, key)
                    && !is_set(text, offset, header, key)
            });
            legal.map(|key| key_completion(header, key)).collect()
        }
    }
}

/// What a key of the file means: its documentation, in Markdown.
#[must_use]
pub fn hover(text: &str, offset: usize) -> Option<String> {
    let place = line_of(text, offset);
    let start = place.start;
    let line = text[place].trim();
    if let Some(name) = line.strip_prefix('[') {
        let name = name.split(']').next()?.trim();
        return Some(section(name)?.doc.clone()).filter(|doc| !doc.is_empty());
    }
    let name = line.split('=').next()?.trim();
    let section = section(last_header(&text[..start]).unwrap_or_default())?;
    let key = section.keys.iter().find(|key| key.name == name)?;
    Some(told(key))
}

fn told(key: &Key) -> String {
    let default = key
        .default
        .as_ref()
        .map(|default| format!("\n\nWithout it: `{default}`"));
    let example = key
        .example
        .as_ref()
        .map(|example| format!("\n\nExample: `{} = {example}`", key.name));
    format!("**`{}`** ({})\n\n{}", key.name, key.kind, key.doc)
        + &default.unwrap_or_default()
        + &example.unwrap_or_default()
}

/// Whether a root file lists applings elsewhere, and is none itself.
fn lists_others(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("applings") else {
        return false;
    };
    let list = rest
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    list.is_some_and(|(list, _)| {
        !["\".\"", "'.'", "\"./\"", "'./'"]
            .iter()
            .any(|root| list.contains(root))
    })
}

fn is_legal(file: File, text: &str, header: &str, key: &Key) -> bool {
    if !header.is_empty() {
        return true;
    }
    match (file, key.place) {
        (File::Appling, Place::Root) => false,
        (File::Root, Place::Appling | Place::Overridable) => !lists_others(text),
        _ => true,
    }
}

/// Whether the section has the key already, on another line.
fn is_set(text: &str, offset: usize, header: &str, key: &Key) -> bool {
    let mut current = "";
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let here = start <= offset && offset < start + line.len();
        start += line.len();
        let trimmed = line.trim();
        if let Some((name, _)) = trimmed
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        {
            current = name.trim();
            let own = current
                .strip_prefix(header)
                .unwrap_or(current)
                .trim_start_matches('.');
            if key.is_section && own.split('.').next() == Some(key.name.as_str()) {
                return true;
            }
        }
        let name = trimmed.split(['=', '.']).next().unwrap_or_default().trim();
        if !here && current == header && trimmed.contains('=') && name == key.name {
            return true;
        }
    }
    false
}

fn key_completion(header: &str, key: &Key) -> Completion {
    let insert = match (key.is_section, header, key.name.as_str()) {
        (true, "", "env") => "[env.common]\n".to_owned(),
        (true, "", "override") => "[override.prod]\n".to_owned(),
        (true, "", "cronjobs") => "[cronjobs.name]\n".to_owned(),
        (true, "", name) => format!("[{name}]\n"),
        (true, header, name) => format!("[{header}.{name}]\n"),
        (false, _, name) => format!("{name} = "),
    };
    Completion {
        label: key.name.clone(),
        insert,
        detail: key.kind.clone(),
        doc: told(key),
    }
}

fn values(header: &str, key: &str) -> Vec<Completion> {
    let found = section(header).and_then(|section| section.keys.iter().find(|one| one.name == key));
    let Some(key) = found else { return Vec::new() };
    let value = |value: &String| Completion {
        label: value.clone(),
        insert: value.clone(),
        detail: format!("value of {}", key.name),
        doc: String::new(),
    };
    key.values.iter().map(value).collect()
}

fn headers(file: File, text: &str, begun: &str) -> Vec<Completion> {
    let stem = begun.rsplit_once('.').map_or("", |(stem, _)| stem);
    let environments = || Environment::ALL.iter().map(ToString::to_string);
    let names: Vec<(String, String)> = match stem {
        "env" => std::iter::once("common".to_owned())
            .chain(environments())
            .map(|name| (name, String::new()))
            .collect(),
        "override" => environments().map(|name| (name, String::new())).collect(),
        _ => tables(file, text, stem),
    };
    let completion = |(name, doc): (String, String)| {
        let full = if stem.is_empty() {
            name.clone()
        } else {
            format!("{stem}.{name}")
        };
        Completion {
            insert: full.clone(),
            label: full,
            detail: "section".to_owned(),
            doc,
        }
    };
    names.into_iter().map(completion).collect()
}

/// The tables in the section of a header, with their documentation.
fn tables(file: File, text: &str, stem: &str) -> Vec<(String, String)> {
    let parent: Option<&Section> = match stem {
        "" => sections().first(),
        stem => section(stem),
    };
    let keys = parent.into_iter().flat_map(|section| &section.keys);
    keys.filter(|key| key.is_section && is_legal(file, text, stem, key))
        .map(|key| (key.name.clone(), key.doc.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The labels at the place of `|`.
    fn labels(file: File, marked: &str) -> Vec<String> {
        let offset = marked.find('|').unwrap();
        let text = marked.replace('|', "");
        complete(file, &text, offset)
            .into_iter()
            .map(|one| one.label)
            .collect()
    }

    #[test]
    fn keys_are_those_of_the_section() {
        assert_eq!(labels(File::Root, "[requests]\n|"), ["cpu", "memory"]);
        assert_eq!(labels(File::Root, "[requests]\ncpu = 1\nm|"), ["memory"]);
        assert_eq!(
            labels(File::Appling, "[override.prod.limits]\n|\n"),
            ["cpu", "memory"]
        );
        assert_eq!(labels(File::Root, "[env.common]\n|"), [""; 0]);
        let jobs = labels(File::Root, "[cronjobs.tidy]\n|");
        assert!(jobs.contains(&"schedule".to_owned()), "{jobs:?}");
        let over = labels(File::Root, "[override.prod]\n|");
        assert!(over.contains(&"replicas".to_owned()) && !over.contains(&"name".to_owned()));
    }

    #[test]
    fn the_top_depends_on_the_file() {
        let has = |file, text: &str, key: &str| labels(file, text).contains(&key.to_owned());
        assert!(has(File::Root, "|", "applings") && has(File::Root, "|", "port"));
        assert!(!has(File::Appling, "|", "applings") && has(File::Appling, "|", "port"));
        assert!(!has(File::Root, "applings = ['a']\n|", "port"));
        assert!(has(File::Root, "applings = ['a']\n|", "postgres"));
        assert!(has(File::Root, "applings = ['a', '.']\n|", "port"));
        assert!(!has(File::Root, "|\nport = 1\n[requests]\n", "port"));
        assert!(!has(File::Root, "|\nport = 1\n[requests]\n", "requests"));
        assert!(!has(File::Root, "|", "health"));
    }

    #[test]
    fn values_and_headers_are_offered_where_they_are_few() {
        assert_eq!(labels(File::Root, "worker = |"), ["true", "false"]);
        assert_eq!(labels(File::Root, "default_environment = |").len(), 12);
        assert_eq!(labels(File::Root, "[env.|").len(), 13);
        assert_eq!(labels(File::Root, "port = |"), [""; 0]);
        let headers = labels(File::Root, "[|");
        assert!(headers.contains(&"requests".to_owned()) && !headers.contains(&"port".to_owned()));
    }

    #[test]
    fn hover_tells_what_a_key_means() {
        assert!(hover("port = 80\n", 2).unwrap().contains("3000"));
        assert!(
            hover("[requests]\ncpu = 1\n", 12)
                .unwrap()
                .contains("Cores")
        );
        assert!(hover("[requests]\n", 3).unwrap().contains("sure to get"));
        assert_eq!(hover("zebra = 1\n", 2), None);
    }
}

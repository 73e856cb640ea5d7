//! What can stand at a place of a file that is being written: it need not be TOML yet.

use super::{Key, Place, Section, section, sections};
use crate::Environment;
use crate::layout::{Kind, Layout, Statement, Within};
use crate::parse::line_of;

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
    /// Within a comment or a text, between brackets, or where only something else can come.
    Elsewhere,
}

fn spot(text: &str, offset: usize) -> Spot<'_> {
    if Layout::within(text, offset) != Within::Nothing {
        return Spot::Elsewhere;
    }
    let start = line_of(text, offset).start;
    let line = text[start..offset].trim_start();
    if let Some(begun) = line.strip_prefix('[') {
        return match begun.contains(']') {
            true => Spot::Elsewhere,
            false => Spot::Header {
                begun: begun.trim(),
            },
        };
    }
    let header = header_of(text, start);
    match line.split_once('=') {
        // What follows a dot is a key of another section.
        None if line.contains('.') => Spot::Elsewhere,
        None => Spot::Key { header },
        Some((key, _)) => Spot::Value {
            header,
            key: key.trim(),
        },
    }
}

/// The header of the section that a line is in.
fn header_of(text: &str, line: usize) -> &str {
    let above = Layout::of(text).header_above(text, line);
    above.unwrap_or_default()
}

/// What can stand at a place: exactly the keys that are legal there and not yet set, or the values
/// of the key, where they are few.
#[must_use]
pub fn complete(file: File, text: &str, offset: usize) -> Vec<Completion> {
    let offset = text.floor_char_boundary(offset);
    match spot(text, offset) {
        Spot::Elsewhere => Vec::new(),
        Spot::Header { begun } => headers(file, text, begun),
        Spot::Value { header, key } => values(header, key),
        Spot::Key { header } => {
            let Some(section) = section(header) else {
                return Vec::new();
            };
            let set = keys_set(text, offset, header);
            let is_list = lists_others(text);
            let legal = section.keys.iter().filter(|key| {
                !key.is_older
                    && is_legal(file, is_list, header, key)
                    && !set
                        .iter()
                        .any(|(name, value)| excludes(name, value, &key.name))
            });
            legal.map(|key| key_completion(header, key)).collect()
        }
    }
}

/// The keys that a section has on other lines, with their values; of tables the name alone.
fn keys_set<'t>(text: &'t str, offset: usize, header: &str) -> Vec<(&'t str, &'t str)> {
    let mut current = "";
    let mut set = Vec::new();
    for Statement { lines, kind } in Layout::of(text).statements {
        let here = lines.start <= offset && offset <= lines.end;
        match kind {
            Kind::Header(name) => {
                current = text[name].trim();
                let below = match header {
                    "" => Some(current),
                    header => current
                        .strip_prefix(header)
                        .and_then(|rest| rest.strip_prefix('.')),
                };
                set.extend(below.map(|below| (below.split('.').next().unwrap_or(below), "")));
            }
            Kind::Pair(key) if current == header && !here => {
                let value = text[key.end..lines.end].trim_start_matches([' ', '\t', '=']);
                let name = text[key].split('.').next().unwrap_or_default();
                set.push((name.trim(), value.trim()));
            }
            _ => {}
        }
    }
    set
}

/// Whether a key that is set keeps another from standing beside it.
fn excludes(name: &str, value: &str, other: &str) -> bool {
    const HTTP: [&str; 6] = [
        "port",
        "readiness_path",
        "liveness_path",
        "domains",
        "from_to_www_redirect",
        "ingress",
    ];
    const EITHER: [(&str, &str); 3] = [
        ("replicas", "autoscale"),
        ("path", "command"),
        ("headers", "command"),
    ];
    name == other
        || EITHER.contains(&(name, other))
        || EITHER.contains(&(other, name))
        || (name == "worker" && value.starts_with("true") && HTTP.contains(&other))
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
    let section = section(header_of(text, start))?;
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
    let listed = keys_set(text, usize::MAX, "").into_iter();
    let list = listed
        .filter(|(name, _)| *name == "applings")
        .map(|found| found.1);
    let root = ["\".\"", "'.'", "\"./\"", "'./'"];
    list.into_iter()
        .any(|list| !root.iter().any(|root| list.contains(root)))
}

fn is_legal(file: File, is_list: bool, header: &str, key: &Key) -> bool {
    if !header.is_empty() {
        return true;
    }
    match (file, key.place) {
        (File::Appling, Place::Root) => false,
        (File::Root, Place::Appling | Place::Overridable) => !is_list,
        _ => true,
    }
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
    let is_list = lists_others(text);
    keys.filter(|key| key.is_section && is_legal(file, is_list, stem, key))
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
        assert_eq!(labels(File::Root, "worker = |"), ["true", "false"]);
        let headers = labels(File::Root, "[|");
        assert!(headers.contains(&"requests".to_owned()) && !headers.contains(&"port".to_owned()));
    }

    #[test]
    fn nothing_is_offered_where_no_key_can_stand() {
        for text in [
            "applings = [\n  |\n]\n",
            "applings = [|",
            "command = \"\"\"\n|\n\"\"\"\n",
            "# |",
            "env.|",
            "requests = { |",
        ] {
            assert_eq!(labels(File::Root, text), [""; 0], "{text}");
        }
        let job = labels(File::Root, "[cronjobs.\"a.b\"]\n|");
        assert!(job.contains(&"schedule".to_owned()), "{job:?}");
        let top = labels(File::Root, "# applings = ['web']\n|");
        assert!(top.contains(&"port".to_owned()), "{top:?}");
    }

    #[test]
    fn keys_that_exclude_each_other_are_not_offered_together() {
        let has = |text: &str, key: &str| labels(File::Root, text).contains(&key.to_owned());
        assert!(!has("worker = true\n|", "port") && has("worker = false\n|", "port"));
        assert!(!has("|\n[autoscale]\nmax = 3\n", "replicas"));
        assert!(!has("[cronjobs.a]\npath = '/'\n|", "command"));
        assert!(!has("[override.prod]\nreplicas = 3\n|", "autoscale"));
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

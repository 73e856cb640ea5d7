//! The reference page, in Markdown.

use std::fmt::Write;

use super::{Key, Place, Section, sections};

const BEGINNING: &str = "\
# `iterapp.toml`

<!-- Made from the types that read the file: cargo run -p iterapp-schema --example generate -->

An app on Hops is a git repository with a file `iterapp.toml` in its root. An app with one appling
(one deployable container) has that file alone, and a Dockerfile beside it; the file may be empty. An
app with several lists their folders in `applings`, and each folder has an `iterapp.toml` and a
Dockerfile of its own.

Keys stand at the file's top, above the first `[section]`: whatever comes below a header belongs to
that section. An unknown key is a mistake, never silence. `hops check` reads the files as the platform
does, `hops explain CODE` tells more of a mistake, and `hops lsp` helps while you type.

";

const ENV: &str = "\
```toml
[env.common]
LOG = \"info\"
LIMIT = 5                                  # integers and booleans become text

[env.prod]
LOG = \"warn\"
TOKEN = { encrypted = \"…\" }              # sealed: only the platform can open it
KEY = { secret = \"firebase\", key = \"k\" } # from a Secret of the namespace
```

Names are letters, digits and `_`. Those that begin with `HOPS_` are the platform's.
";

/// The page.
#[must_use]
pub fn markdown() -> String {
    let mut page = BEGINNING.to_owned();
    for section in sections() {
        write_section(&mut page, section);
    }
    page
}

fn write_section(page: &mut String, section: &Section) {
    let title = match section.name.as_str() {
        "" => "The top of the file".to_owned(),
        name => format!("`[{name}]`"),
    };
    let _ = writeln!(page, "## {title}\n");
    if !section.doc.is_empty() {
        let _ = writeln!(page, "{}\n", section.doc);
    }
    if section.name == "override.<environment>" {
        let keys: Vec<_> = present(section)
            .map(|key| format!("`{}`", key.name))
            .collect();
        let _ = writeln!(page, "The keys are {}.\n", keys.join(", "));
        return;
    }
    if section.name == "env.<environment>" {
        let _ = writeln!(page, "{ENV}");
        return;
    }
    let _ = writeln!(page, "| key | value | without it | what it does |");
    let _ = writeln!(page, "| --- | --- | --- | --- |");
    for key in present(section) {
        let _ = writeln!(page, "{}", row(key, section.name.is_empty()));
    }
    page.push('\n');
    let older: Vec<_> = section.keys.iter().filter(|key| key.is_older).collect();
    for key in &older {
        let _ = writeln!(page, "`{}`: {}", key.name, one_line(&key.doc));
    }
    if !older.is_empty() {
        page.push('\n');
    }
}

fn present(section: &Section) -> impl Iterator<Item = &Key> {
    section.keys.iter().filter(|key| !key.is_older)
}

fn row(key: &Key, at_top: bool) -> String {
    let name = match key.is_section && at_top {
        true => format!("`[{}]`", key.name),
        false => format!("`{}`", key.name),
    };
    let kind = match key.values.is_empty() || key.kind == "boolean" {
        true => key.kind.clone(),
        false => key
            .values
            .iter()
            .map(|value| format!("`{value}`"))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let default = key
        .default
        .as_ref()
        .map_or(String::new(), |default| format!("`{default}`"));
    let example = key
        .example
        .as_ref()
        .map_or(String::new(), |example| format!(" Example: `{example}`."));
    let place = match (at_top, key.place) {
        (true, Place::Root) => " *(the root's file)*",
        (true, Place::Both) => " *(the root's file or an appling's)*",
        _ => "",
    };
    format!(
        "| {name} | {kind} | {default} | {}{example}{place} |",
        one_line(&key.doc)
    )
    .replace("|  |", "| |")
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

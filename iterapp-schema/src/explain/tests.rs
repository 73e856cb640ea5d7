use std::collections::{BTreeMap, BTreeSet};

use super::{TEXTS, explain, title};
use crate::{AppName, Assembled, Code, Repository, assemble, render};

/// What cannot be shown in a few lines: a file that is too large or no text, and a hundred of
/// something. These have their cases in the tests of the codes.
const TOO_LONG_TO_SHOW: [Code; 6] = [
    Code::FileTooLarge,
    Code::NotUtf8,
    Code::TooManyProblems,
    // Told by the platform.
    Code::SealedValueShut,
    Code::SecretMissing,
    Code::TooManyApplings,
];

/// The files of a section.
struct Example {
    files: BTreeMap<String, Vec<u8>>,
}

impl Example {
    fn of(text: &str, section: &str) -> Self {
        let body = text.split("\n## ").find_map(|part| {
            let (name, body) = part.split_once('\n')?;
            (name == section).then_some(body)
        });
        let body = body.unwrap_or_else(|| panic!("no section {section} in:\n{text}"));
        let mut files = BTreeMap::new();
        let mut listed = None;
        for (opening, content) in blocks(body) {
            if opening == "text" {
                listed = Some(content);
            } else if let Some(title) = opening.strip_prefix("toml title=\"") {
                let path = title.trim_end_matches('"').to_owned();
                assert!(files.insert(path, content.into_bytes()).is_none());
            }
        }
        let others = match listed {
            Some(listed) => listed.lines().map(str::to_owned).collect(),
            None => dockerfiles(files.keys()),
        };
        for path in others {
            files.entry(path).or_default();
        }
        Self { files }
    }

    fn assembled(&self, code: Code) -> Assembled {
        let app = match code {
            Code::ServiceNameTooLong => "the-shop-of-the-society-for-old-ships",
            _ => "shop",
        };
        assemble(&AppName::parse(app).unwrap(), &self.files)
    }
}

/// The code blocks: what stands behind the fence, and the content.
fn blocks(body: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut open = false;
    for line in body.lines() {
        match (line.strip_prefix("```"), open) {
            (Some(opening), false) => found.push((opening.to_owned(), String::new())),
            (Some(_), true) => {}
            (None, true) => {
                let content = &mut found.last_mut().unwrap().1;
                *content += line;
                content.push('\n');
            }
            (None, false) => {}
        }
        open ^= line.starts_with("```");
    }
    assert!(!open, "a block is not closed:\n{body}");
    found
}

fn dockerfiles<'f>(files: impl Iterator<Item = &'f String>) -> BTreeSet<String> {
    files
        .map(|path| path.replace("iterapp.toml", "Dockerfile"))
        .collect()
}

fn codes(assembled: &Assembled) -> Vec<Code> {
    let codes = assembled.diagnostics.iter().map(|problem| problem.code);
    codes.collect()
}

#[test]
fn every_code_has_a_text_and_every_text_a_code() {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let texts: Vec<&str> = TEXTS.iter().map(|(code, _)| *code).collect();
    assert_eq!(
        texts, codes,
        "add src/explain/CODE.md, and the code to `texts!`"
    );
    for code in Code::ALL {
        let text = explain(*code);
        assert!(text.starts_with("# "), "{code} has no title");
        assert!(!title(*code).ends_with('.'), "{code}: a title, no sentence");
        assert!(text.contains("\n## Wrong\n") && text.contains("\n## Right\n"));
    }
}

#[test]
fn every_wrong_example_has_its_mistake() {
    for code in Code::ALL.iter().filter(|c| !TOO_LONG_TO_SHOW.contains(c)) {
        let assembled = Example::of(explain(*code), "Wrong").assembled(*code);
        let told = render::plain(&assembled.diagnostics, &assembled.sources);
        assert!(
            codes(&assembled).contains(code),
            "{code} did not come:\n{told}"
        );
    }
}

#[test]
fn no_right_example_has_a_mistake() {
    for code in Code::ALL {
        let example = Example::of(explain(*code), "Right");
        assert!(
            example.files.is_file("iterapp.toml"),
            "{code}: nothing shown"
        );
        let assembled = example.assembled(*code);
        let told = render::plain(&assembled.diagnostics, &assembled.sources);
        assert!(assembled.iterapp.is_some(), "{code}:\n{told}");
        assert!(!codes(&assembled).contains(code), "{code}:\n{told}");
    }
}

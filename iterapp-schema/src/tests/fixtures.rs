//! `tests/fixtures/keys`: a file for each key, in which that key stands in the last statement.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{good, shop};
use crate::layout::Layout;
use crate::{Assembled, reference};

fn fixtures() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/keys");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    files
        .map(|file| {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(file).unwrap())
        })
        .collect()
}

/// An app whose root file is this, and that has a folder `web`.
fn with_root(text: &str) -> Assembled {
    shop(&[
        ("Dockerfile", ""),
        ("iterapp.toml", text),
        ("web/Dockerfile", ""),
        ("web/iterapp.toml", ""),
    ])
}

#[test]
fn every_key_has_one() {
    let name = |section: &str, key: &str| match section.replace(".<name>", "") {
        section if section.is_empty() => key.to_owned(),
        section => format!("{section}.{key}"),
    };
    let of_section = |section: &reference::Section| {
        let keys = section.keys.iter().filter(|key| !key.is_section);
        keys.map(|key| name(&section.name, &key.name))
            .collect::<Vec<_>>()
    };
    let sections = reference::sections().iter();
    let written = sections.filter(|section| !section.name.starts_with("override"));
    let mut keys: BTreeSet<String> = written.flat_map(of_section).collect();
    // Tables whose keys are the author's own.
    let own = [
        "build.args",
        "build_secrets",
        "cronjobs.headers",
        "env.common",
        "env.prod",
        "files",
        "node_selector",
        "override.prod",
    ];
    keys.extend(own.map(str::to_owned));
    let there: BTreeSet<String> = fixtures().into_keys().collect();
    assert_eq!(there, keys);
}

#[test]
fn every_key_makes_a_difference() {
    for (name, text) in fixtures() {
        if name == "build.build_in_kubernetes" {
            continue;
        }
        let last = Layout::of(&text).statements.pop().unwrap();
        let without = &text[..last.lines.start];
        let with = good(with_root(&text));
        assert_ne!(Some(with), with_root(without).iterapp, "{name}");
    }
}

//! Nothing that a repository can contain makes the crate panic.

use std::path::Path;

use proptest::prelude::*;

use super::survive::survive;
use crate::AppName;

/// Texts of what such files are made of, in any order.
fn almost_toml() -> impl Strategy<Value = String> {
    let pieces = [
        "applings",
        "port",
        "replicas",
        "domains",
        "env",
        "common",
        "prod",
        "postgres",
        "ingress",
        "disable",
        "encrypted",
        "HOPS_X",
        "health_path",
        "readiness_path",
        "name",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        " = ",
        ".",
        ",",
        "\n",
        "\r\n",
        "\"",
        "'",
        "\"\"\"",
        "\"a\"",
        "\"../b\"",
        "'a'",
        "\"*.a.no\"",
        "\"/x y\"",
        "1",
        "-1",
        "99999999999999999999",
        "1.5",
        "0x",
        "true",
        "2024-01-01",
        "#",
        "å",
        "👩‍💻",
        "\u{feff}",
        "\0",
        "\u{1b}[31m",
        " ",
        "\\u0000",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..60)
        .prop_map(|pieces| pieces.concat())
}

/// Files whose keys exist, with values that may fit them.
pub fn keys_and_values() -> impl Strategy<Value = String> {
    let keys: Vec<String> = crate::reference::sections()
        .iter()
        .filter(|section| !section.name.starts_with("override"))
        .flat_map(|section| {
            let header = section.name.replace("<name>", "tidy");
            section
                .keys
                .iter()
                .filter(|key| !key.is_section)
                .map(move |key| match header.as_str() {
                    "" => key.name.clone(),
                    header => format!("{header}.{}", key.name),
                })
        })
        .collect();
    let values = [
        "0",
        "1",
        "80",
        "101",
        "70000",
        "true",
        "false",
        "'/'",
        "'/up'",
        "'up'",
        "'a.example.com'",
        "['a.example.com']",
        "'prod'",
        "'web'",
        "['web']",
        "['.']",
        "'250m'",
        "'98Mi'",
        "'128m'",
        "'@daily'",
        "'0 3 * * *'",
        "'forbid'",
        "['/api']",
        "[{ prefix = '/a', rewrite = '/' }]",
        "'namespace'",
        "'shop, search'",
        "'\u{1f9ea}'",
        "{ A = 1 }",
        "{ a = 'b' }",
        "['src/**']",
        "'docker/web'",
        "[]",
        "1.5",
        "'node server.js'",
    ];
    let line = (
        prop::sample::select(keys),
        prop::sample::select(values.to_vec()),
    )
        .prop_map(|(key, value)| format!("{key} = {value}\n"));
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn bytes(root: Vec<u8>, appling: Vec<u8>) {
        survive(&root, &appling);
    }

    #[test]
    fn text(root: String, appling: String) {
        survive(root.as_bytes(), appling.as_bytes());
    }

    #[test]
    fn pieces_of_toml(root in almost_toml(), appling in almost_toml()) {
        survive(root.as_bytes(), appling.as_bytes());
        survive(format!("applings = ['a']\n{root}").as_bytes(), appling.as_bytes());
    }

    #[test]
    fn names(text: String) {
        if let Err(error) = AppName::parse(&text) {
            let hint = error.hint();
            prop_assert!(!hint.is_empty());
        }
    }
}

#[test]
fn deep_and_repetitive_files() {
    let deep = "[".repeat(30_000);
    let dotted = format!("{} = 1", vec!["a"; 20_000].join("."));
    let tables = "[a]\n".repeat(15_000);
    let keys: String = (0..5_000).map(|n| format!("k{n} = {n}\n")).collect();
    for text in [
        format!("a = {deep}"),
        dotted,
        tables,
        keys,
        "{".repeat(60_000),
        "=\n".repeat(30_000),
    ] {
        survive(text.as_bytes(), b"");
    }
}

/// What `cargo fuzz` found to lead somewhere new, kept as its smallest set.
#[test]
fn the_corpus_of_the_fuzzer() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/assemble");
    let mut files = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let (root, appling) = match bytes.iter().position(|&byte| byte == 0) {
            Some(end) => (&bytes[..end], &bytes[end + 1..]),
            None => (&bytes[..], &b""[..]),
        };
        survive(root, appling);
        files += 1;
    }
    assert!(files > 100, "only {files} files");
}

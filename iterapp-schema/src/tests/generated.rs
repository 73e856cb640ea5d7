//! What is made from the types: as it is kept, and in agreement with the reader.

use std::path::Path;

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::Value;

use super::one;
use crate::{Code, json_schema, json_schema_text, reference};

const HOW: &str = "write it anew: cargo run -p iterapp-schema --example generate";

fn kept(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default()
}

#[test]
fn the_schema_is_kept() {
    assert!(kept("iterapp.schema.json") == json_schema_text(), "{HOW}");
}

#[test]
fn the_reference_page_is_kept() {
    assert!(kept("../docs/iterapp.md") == reference::markdown(), "{HOW}");
}

#[test]
fn every_key_and_section_has_a_text() {
    for section in reference::sections() {
        for key in &section.keys {
            assert!(
                key.doc.ends_with('.'),
                "[{}] {}: {:?}",
                section.name,
                key.name,
                key.doc
            );
        }
    }
    assert!(reference::sections().len() > 9);
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&json_schema()).unwrap()
}

#[test]
fn the_schema_is_one_of_draft_2020_12() {
    assert!(jsonschema::draft202012::meta::is_valid(&json_schema()));
}

/// A file as a validator of JSON sees it; nothing when it is no TOML.
fn json(text: &str) -> Option<Value> {
    let table: toml::Table = text.parse().ok()?;
    serde_json::to_value(table).ok()
}

/// What only the reader can know: the repository, the other files, and what TOML itself forbids.
fn is_beyond_a_schema(code: Code) -> bool {
    matches!(
        code,
        Code::ApplingFileMissing
            | Code::DockerfileMissing
            | Code::TooManyProblems
            | Code::SealedValueShut
            | Code::SecretMissing
            | Code::FolderTwice
            | Code::BadFolder
            | Code::NameTwice
            | Code::ServiceNameClash
            | Code::ServiceNameTooLong
            | Code::DomainTwice
            | Code::RootKeyInApplingFile
            | Code::FileTooLarge
            // Words and numbers that need more than a pattern.
            | Code::BadSchedule
            | Code::BadCommand
            | Code::BadGlob
            | Code::BadEmoji
            | Code::BadQuantity
            | Code::BadUrlPath
            | Code::BadLabel
            | Code::BadName
            | Code::BadSecret
            | Code::BadHeader
            | Code::BadVariableValue
            | Code::MinAboveMax
            | Code::RequestAboveLimit
            | Code::PathTwice
            | Code::CronJobTwice
            | Code::CronJobAction
            | Code::WorkerWithHttp
            | Code::ReplicasAndAutoscale
    )
}

/// What the schema accepts the reader accepts, but for what a schema cannot say; and what the reader
/// accepts the schema accepts.
#[test]
fn schema_and_reader_agree_on_every_case() {
    let validator = validator();
    let mut wrong = Vec::new();
    for (code, assembled) in super::codes::cases() {
        for (file, text) in assembled.sources.iter() {
            let Some(json) = json(text) else { continue };
            let own = assembled
                .diagnostics
                .iter()
                .filter(|problem| problem.file == file);
            let errors: Vec<Code> = own.filter(|p| p.is_error()).map(|p| p.code).collect();
            let refused: Vec<_> = validator
                .iter_errors(&json)
                .map(|e| e.to_string())
                .collect();
            let could_say = !errors.iter().all(|code| is_beyond_a_schema(*code));
            if errors.is_empty() != refused.is_empty() && (errors.is_empty() || could_say) {
                wrong.push(format!("{code}: {errors:?} but {refused:?}: {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    /// Files made of keys and values of the format, good and bad.
    #[test]
    fn the_schema_refuses_nothing_that_is_read(text in super::arbitrary::keys_and_values()) {
        let assembled = one(&text);
        let Some(json) = json(&text) else { return Ok(()) };
        if !assembled.diagnostics.iter().any(crate::Diagnostic::is_error) {
            let validator = validator();
            let refused: Vec<_> = validator.iter_errors(&json).map(|e| e.to_string()).collect();
            prop_assert!(refused.is_empty(), "{text}\n{refused:?}");
        }
    }
}

//! The keys of one appling.

use std::ops::Range;

use crate::diagnostic::Code;
use crate::env_section;
use crate::env_value::Env;
use crate::file::{Check, Fault, File};
use crate::iterapp::{Http, Run};
use crate::names::ApplingName;
use crate::parse::{Table, Value};
use crate::validate;

/// The most pods of an appling.
const MAX_REPLICAS: u32 = 100;

/// What a file says about its appling, with defaults filled in and places kept for what must be
/// compared with other files.
pub struct ApplingFile {
    pub name: Option<(ApplingName, Range<usize>)>,
    pub port: u16,
    pub readiness_path: String,
    pub liveness_path: Option<String>,
    pub replicas: u32,
    pub domains: Vec<(String, Range<usize>)>,
    pub env: Env,
}

impl ApplingFile {
    /// Reads an appling's keys; a value with a problem counts as its default.
    pub fn read(table: &Table, file: &mut File) -> Self {
        let port = integer(table, file, "port", 1, u16::MAX.into());
        let replicas = integer(table, file, "replicas", 0, MAX_REPLICAS);
        Self {
            name: table.get("name").and_then(|value| name(value, file)),
            port: port
                .and_then(|port| port.try_into().ok())
                .unwrap_or(Http::DEFAULT_PORT),
            readiness_path: text(table, file, "readiness_path", validate::url_path)
                .unwrap_or_else(|| Http::DEFAULT_READINESS_PATH.to_owned()),
            liveness_path: text(table, file, "liveness_path", validate::url_path),
            replicas: replicas.unwrap_or(Run::DEFAULT_REPLICAS),
            domains: table
                .get("domains")
                .map(|value| domains(value, file))
                .unwrap_or_default(),
            env: table
                .get("env")
                .map(|value| env_section::read(value, file))
                .unwrap_or_default(),
        }
    }
}

fn integer(table: &Table, file: &mut File, key: &str, least: u32, most: u32) -> Option<u32> {
    file.integer(key, table.get(key)?, least..=most)
}

fn text<T>(table: &Table, file: &mut File, key: &str, check: Check<T>) -> Option<T> {
    let value = table.get(key)?;
    let text = file.string(key, value)?;
    file.checked(value, text, check)
}

fn name(value: &Value, file: &mut File) -> Option<(ApplingName, Range<usize>)> {
    let text = file.string("name", value)?;
    let name = file.checked(value, text, |text| {
        ApplingName::parse(text)
            .map_err(|error| Fault::new(Code::BadName, error.to_string()).hint(error.hint()))
    })?;
    Some((name, value.span()))
}

fn domains(value: &Value, file: &mut File) -> Vec<(String, Range<usize>)> {
    let entries = file.strings("domains", value).unwrap_or_default();
    let domain = |(text, entry): (&str, &Value)| {
        Some((file.checked(entry, text, validate::domain)?, entry.span()))
    };
    entries.into_iter().filter_map(domain).collect()
}

//! Single values: how each is read, and what a schema can say of it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use super::section::{At, Read, inline_schema};
use crate::diagnostic::Code;
use crate::file::{Fault, File, decimal};
use crate::parse::Value;
use crate::{
    AppName, ApplingName, Concurrency, Environment, Pooling, credential, suggest, validate,
};

/// What can be written as a string.
pub trait Text: Sized {
    /// Checks a text and makes something of it.
    fn check(text: &str) -> Result<Self, Fault>;
}

impl<T: Text> Read for T {
    fn read(key: &str, value: &Value, file: &mut File) -> Option<Self> {
        let Some(text) = value.get_ref().as_str() else {
            file.wrong_type_with_mend(key, "a string", value, |text| T::check(text).is_ok());
            return None;
        };
        file.checked(value, text, T::check)
    }

    fn fits(value: &DeValue) -> bool {
        value.is_str()
    }
}

impl Read for bool {
    fn read(key: &str, value: &Value, file: &mut File) -> Option<Self> {
        if let DeValue::Boolean(truth) = value.get_ref() {
            return Some(*truth);
        }
        file.wrong_type(key, "`true` or `false`", value);
        None
    }

    fn fits(value: &DeValue) -> bool {
        value.is_bool()
    }
}

/// An integer in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Int<const LEAST: u32, const MOST: u32>(pub u32);

impl<const LEAST: u32, const MOST: u32> Read for Int<LEAST, MOST> {
    fn read(key: &str, value: &Value, file: &mut File) -> Option<Self> {
        file.integer(key, value, LEAST..=MOST).map(Self)
    }

    fn fits(value: &DeValue) -> bool {
        value.is_integer()
    }
}

impl<const LEAST: u32, const MOST: u32> JsonSchema for Int<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Int{LEAST}To{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": LEAST, "maximum": MOST })
    }
}

/// A list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T>(pub Vec<At<T>>);

impl<T: Read> Read for List<T> {
    fn read(key: &str, value: &Value, file: &mut File) -> Option<Self> {
        let Some(array) = value.get_ref().as_array() else {
            file.wrong_type(key, "a list", value);
            return None;
        };
        // The good entries are kept beside the bad, so that what they lead to is judged at once too.
        let entries = array.iter().filter_map(|entry| {
            Some(At {
                value: T::read(key, entry, file)?,
                key: entry.span(),
                span: entry.span(),
            })
        });
        Some(Self(entries.collect()))
    }

    fn fits(value: &DeValue) -> bool {
        value.is_array()
    }
}

impl<T: JsonSchema> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("ListOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": generator.subschema_for::<T>() })
    }
}

/// A table whose keys the author chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map<K, V>(pub Vec<(K, At<V>)>);

impl<K: Text + Clone + PartialEq, V: Read + Clone> Read for Map<K, V> {
    fn read(key: &str, value: &Value, file: &mut File) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            file.wrong_type(key, "a table", value);
            return None;
        };
        let mut entries = Vec::new();
        for (name, value) in table {
            if crate::unknown::slipped(key, name, value, |value| V::fits(value), file) {
                continue;
            }
            match K::check(name.get_ref()) {
                Err(fault) => file.report(name.span(), fault),
                Ok(chosen) => {
                    let read = V::read(&format!("{key}.{}", name.get_ref()), value, file);
                    entries.extend(read.map(|read| {
                        let at = At {
                            value: read,
                            key: name.span(),
                            span: value.span(),
                        };
                        (chosen, at)
                    }));
                }
            }
        }
        Some(Self(entries))
    }

    fn fits(value: &DeValue) -> bool {
        value.is_table()
    }

    fn over(self, base: Self) -> Self {
        let mut entries = base.0;
        for (key, at) in self.0 {
            match entries.iter().position(|(other, _)| *other == key) {
                Some(place) => {
                    let base = entries[place].1.clone();
                    entries[place].1 = At {
                        value: at.value.over(base.value),
                        key: at.key,
                        span: at.span,
                    };
                }
                None => entries.push((key, at)),
            }
        }
        Self(entries)
    }
}

impl<K: JsonSchema, V: JsonSchema> JsonSchema for Map<K, V> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("MapOf{}To{}", K::schema_name(), V::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": generator.subschema_for::<K>(),
            "additionalProperties": generator.subschema_for::<V>(),
        })
    }
}

/// A start command: a list of arguments, or a string that is split as a shell splits words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command(pub Vec<String>);

impl Read for Command {
    fn read(key: &str, value: &Value, file: &mut File) -> Option<Self> {
        if let Some(text) = value.get_ref().as_str() {
            let words = file.checked(value, text, validate::command)?;
            if let Some(word) = validate::shell_word(&words) {
                file.report(value.span(), validate::no_shell(key, text, word));
            }
            return Some(Self(words));
        }
        if !value.get_ref().is_array() {
            file.wrong_type(key, "a string or a list of strings", value);
            return None;
        }
        let told = file.problems().len();
        let words = List::<Argument>::read(key, value, file)?.0;
        if file.problems().len() > told {
            return None;
        }
        if words.is_empty() {
            let fault = Fault::new(Code::BadCommand, format!("`{key}` is empty"))
                .hint("give the program's arguments, or remove the key");
            file.report(value.span(), fault);
            return None;
        }
        Some(Self(words.into_iter().map(|at| at.value.0).collect()))
    }

    fn fits(value: &DeValue) -> bool {
        value.is_str() || value.is_array()
    }
}

inline_schema!(Command, _generator => json_schema!({ "anyOf": [
    { "type": "string", "pattern": r"[^\s]" },
    { "type": "array", "minItems": 1, "items": { "type": "string" } },
]}));

/// A value of a build argument: a string, a number or a boolean, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar(pub String);

impl Read for Scalar {
    fn read(key: &str, value: &Value, file: &mut File) -> Option<Self> {
        let text = match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Boolean(truth) => Some(truth.to_string()),
            DeValue::Integer(integer) => decimal(integer).map(|number| number.to_string()),
            DeValue::Float(float) => decimals(float).map(str::to_owned),
            _ => None,
        };
        match &text {
            Some(_) => credential::warn(key, value, file),
            None => file.wrong_type(key, "a string, a number or a boolean", value),
        }
        text.map(Self)
    }

    fn fits(value: &DeValue) -> bool {
        value.is_str() || value.is_integer() || value.is_float() || value.is_bool()
    }
}

inline_schema!(Scalar, _generator => json_schema!({ "type": ["string", "number", "boolean"] }));

/// A float as text: `1e9` is a whole number, and quantities know no exponent.
fn whole(float: &toml::de::DeFloat) -> String {
    let written = float.as_str();
    match written.parse::<f64>() {
        Ok(number) if written.contains(['e', 'E']) && number.fract() == 0.0 => {
            format!("{number:.0}")
        }
        _ => written.to_owned(),
    }
}

/// A quantity of Kubernetes; numbers may stand without quotes.
macro_rules! quantity {
    ($(#[doc = $doc:literal] $name:ident, $check:path, $pattern:literal;)+) => {$(
        #[doc = $doc]
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            /// As the author wrote it.
            pub text: String,
            /// In thousandths of a core, or in bytes.
            pub amount: u128,
        }

        impl Read for $name {
            fn read(key: &str, value: &Value, file: &mut File) -> Option<Self> {
                let text = match value.get_ref() {
                    DeValue::Integer(integer) => {
                        decimal(integer).map_or_else(|| integer.to_string(), |n| n.to_string())
                    }
                    DeValue::Float(float) => whole(float),
                    _ => file.string(key, value)?.to_owned(),
                };
                let amount = file.checked(value, &text, $check)?;
                Some(Self { text, amount })
            }

            fn fits(value: &DeValue) -> bool {
                value.is_str() || value.is_integer() || value.is_float()
            }
        }

        inline_schema!($name, _generator => json_schema!({ "anyOf": [
                    { "type": "string", "pattern": $pattern },
                    { "type": "number", "exclusiveMinimum": 0 },
                ]}));
    )+};
}

quantity! {
    /// An amount of CPU.
    Cpu, validate::cpu, r"^[0-9]+(\.[0-9]{1,3})?$|^[0-9]+m$";
    /// An amount of memory.
    Memory, validate::memory, r"^[0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$";
}

/// Texts with a check and a schema each.
macro_rules! texts {
    ($($(#[$meta:meta])* $name:ident($inner:ty) = $check:path, $schema:tt;)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(pub $inner);

        impl Text for $name {
            fn check(text: &str) -> Result<Self, Fault> {
                $check(text).map(Self)
            }
        }

        schemas! { $name = $schema; }
    )+};
}

/// What a schema can say of texts.
macro_rules! schemas {
    ($($name:ident = $schema:tt;)+) => {$(
        inline_schema!($name, _generator => json_schema!($schema));
    )+};
}

texts! {
    /// The path of a URL.
    UrlPath(String) = validate::url_path,
        { "type": "string", "pattern": r"^/(?!/)[A-Za-z0-9\-._~!$&'()*+,;=:@/%?]*$", "maxLength": 1024 };
    /// A host.
    Domain(String) = validate::domain,
        { "type": "string", "pattern": r"^(?!.*\.[0-9]+$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$", "maxLength": 253 };
    /// A folder of the repository.
    Folder(String) = validate::folder,
        { "type": "string", "pattern": r"^(?!/)(?!(.*/)?\.\.(/|$))[^\\]*$", "maxLength": 512 };
    /// A file of the repository.
    RepositoryFile(String) = validate::file,
        { "type": "string", "pattern": r"^(?!/)(?!(.*/)?\.\.(/|$))[^\\]*[^\\/]$", "maxLength": 512 };
    /// A pattern of paths of the repository.
    Glob(String) = validate::glob,
        { "type": "string", "pattern": r"^(?!/)(?!(.*/)?\.\.(/|$))[^\\]+$", "maxLength": 512 };
    /// One grapheme cluster.
    Emoji(String) = validate::emoji,
        { "type": "string", "minLength": 1 };
    /// The full path of a file in a container.
    FilePath(String) = validate::file_path,
        { "type": "string", "pattern": r"^(/(?!\.{1,2}(/|$))[^/]+)+$", "maxLength": 512 };
    /// When a cron job runs.
    Schedule(String) = validate::schedule,
        { "type": "string", "pattern": r"^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|[^\s]+(\s+[^\s]+){4})$" };
    /// The name of a cron job.
    CronJobName(String) = validate::cronjob_name,
        { "type": "string", "pattern": "^[a-z]([a-z0-9_-]*[a-z0-9])?$", "maxLength": 40 };
    /// The name of a header.
    HeaderName(String) = validate::header_name,
        { "type": "string", "pattern": r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" };
    /// The name of a build argument.
    ArgumentName(String) = validate::argument_name,
        { "type": "string", "pattern": "^(?!HOPS_)[A-Za-z_][A-Za-z0-9_]*$" };
    /// The id of a build secret.
    BuildSecretName(String) = validate::build_secret_name,
        { "type": "string", "pattern": "^[A-Za-z0-9._-]+$", "maxLength": 253 };
    /// The stage of a Dockerfile.
    Stage(String) = validate::stage,
        { "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$" };
    /// A label's key.
    LabelKey(String) = validate::label_key,
        { "type": "string", "pattern": r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$" };
    /// A label's value.
    LabelValue(String) = validate::label_value,
        { "type": "string", "pattern": "^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$" };
    /// The name of a Postgres extension.
    Extension(String) = validate::extension,
        { "type": "string", "pattern": "^[a-z][a-z0-9_-]*$" };
    /// The prefix of a URL's path.
    Prefix(String) = validate::prefix,
        { "type": "string", "pattern": r"^/(?!/)[A-Za-z0-9\-._~/]*$", "maxLength": 1024 };
    /// The one way of isolation.
    IsolateAppling(()) = validate::isolate_appling,
        { "enum": ["namespace"] };
    /// Names of apps, separated by commas or blanks.
    AppNames(Vec<Result<AppName, String>>) = validate::app_names,
        { "type": "string" };
    /// An argument of a command.
    Argument(String) = validate::argument,
        { "type": "string" };
    /// The name of a switch under `[experimental]`.
    SwitchName(String) = validate::switch_name,
        { "type": "string", "pattern": "^[A-Za-z0-9_.-]+$" };
}

impl Text for Environment {
    fn check(text: &str) -> Result<Self, Fault> {
        text.parse().map_err(|error: crate::UnknownEnvironment| {
            let fault = Fault::new(Code::BadEnvironment, error.to_string()).hint(error.hint());
            // Where a word of another house would lead is a guess, and `prod` is what users see.
            let meant = error.meant().map(|meant| meant.to_string());
            match meant.filter(|meant| suggest::same_but_for_writing(text.trim(), meant)) {
                Some(meant) => fault.replace_text(&meant),
                None => fault,
            }
        })
    }
}

/// A float as it was written; nothing for infinity and what is no number.
pub fn decimals<'f>(float: &'f toml::de::DeFloat) -> Option<&'f str> {
    let written = float.as_str();
    written
        .contains(|c: char| c.is_ascii_digit())
        .then_some(written)
}

impl Text for ApplingName {
    fn check(text: &str) -> Result<Self, Fault> {
        Self::parse(text)
            .map_err(|error| Fault::new(Code::BadName, error.to_string()).hint(error.hint()))
    }
}

impl Text for Concurrency {
    fn check(text: &str) -> Result<Self, Fault> {
        match text {
            "allow" => Ok(Self::Allow),
            "forbid" => Ok(Self::Forbid),
            "replace" => Ok(Self::Replace),
            _ => Err(validate::choice(
                "concurrency",
                text,
                &["allow", "forbid", "replace"],
            )),
        }
    }
}

impl Text for Pooling {
    fn check(text: &str) -> Result<Self, Fault> {
        match text {
            "session" => Ok(Self::Session),
            "transaction" => Ok(Self::Transaction),
            _ => Err(validate::choice(
                "pooling",
                text,
                &["session", "transaction"],
            )),
        }
    }
}

schemas! {
    Pooling = { "enum": ["session", "transaction"] };
    Environment = { "enum": Environment::ALL.map(|environment| environment.to_string()) };
    ApplingName = { "type": "string", "pattern": "^[a-z]([a-z0-9_-]*[a-z0-9])?$", "maxLength": 40 };
    Concurrency = { "enum": ["allow", "forbid", "replace"] };
}

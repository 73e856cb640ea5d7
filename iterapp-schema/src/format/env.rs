//! `[env.common]` and `[env.<environment>]`.

use std::ops::Range;

use toml::de::DeValue;

use super::secret;
use super::section::{Read, inline_schema};
use super::values::decimals;
use crate::diagnostic::Code;
use crate::env_value::{Env, EnvTable, EnvValue};
use crate::environment::Environment;
use crate::file::{Fault, File, decimal, describe};
use crate::parse::{Table, Value};
use crate::{credential, suggest, unknown, validate};

/// Words that mean "in every environment" elsewhere.
const COMMON: &[&str] = &[
    "all", "default", "defaults", "shared", "global", "base", "commons", "comon",
];

/// All tables under `[env]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvKeys(pub Env);

impl Read for EnvKeys {
    fn read(key: &str, value: &Value, file: &mut File) -> Option<Self> {
        let Some(sections) = value.get_ref().as_table() else {
            let expected = "the tables `[env.common]` and `[env.<environment>]`";
            file.wrong_type(key, expected, value);
            return None;
        };
        Some(Self(sections_of(sections, file)))
    }

    fn fits(value: &DeValue) -> bool {
        value.is_table()
    }
}

inline_schema!(EnvKeys, generator => {
        let names = Environment::ALL.map(|environment| environment.to_string());
        let names: Vec<_> = std::iter::once("common".to_owned()).chain(names).collect();
        schemars::json_schema!({
            "type": "object",
            "propertyNames": { "enum": names },
            "additionalProperties": {
                "type": "object",
                "propertyNames": { "pattern": "^(?!HOPS_)[A-Za-z_][A-Za-z0-9_]*$" },
                "additionalProperties": generator.subschema_for::<EnvValue>(),
            },
        })
});

fn sections_of(sections: &Table, file: &mut File) -> Env {
    let mut env = Env::default();
    for (key, section) in sections {
        let name = key.get_ref();
        let known = name == "common" || name.parse::<Environment>().is_ok();
        let table = section.get_ref().as_table();
        match table.filter(|table| known || !secret::is_meant(table)) {
            None => file.report(key.span(), variable_outside(name)),
            Some(_) if !known => file.report(key.span(), unknown_section(name)),
            Some(table) => {
                let variables = variables(table, file);
                match name.parse() {
                    Ok(environment) => drop(env.environments.insert(environment, variables)),
                    Err(_) => env.common = variables,
                }
            }
        }
    }
    env
}

fn variable_outside(name: &str) -> Fault {
    let message =
        format!("the variable `{name}` stands in `[env]` itself, which is no environment");
    Fault::new(Code::VariableOutsideSection, message)
        .hint("put it below `[env.common]`, or below `[env.prod]` for that environment alone")
}

fn unknown_section(name: &str) -> Fault {
    let hint = match (suggest::environment(name), name) {
        (_, "local") => {
            "`local` is your own machine, which the platform does not reach; remove it".to_owned()
        }
        _ if COMMON.contains(&name.to_lowercase().as_str()) => {
            "did you mean `[env.common]`?".to_owned()
        }
        (Some(environment), _) => format!("did you mean `[env.{environment}]`?"),
        _ => format!(
            "write `[env.common]` for all environments, or one of {}",
            Environment::ALL
                .map(|environment| format!("`{environment}`"))
                .join(", "),
        ),
    };
    Fault::new(
        Code::UnknownEnvSection,
        format!("`[env.{name}]`: there is no environment `{name}`"),
    )
    .hint(hint)
}

fn variables(table: &Table, file: &mut File) -> EnvTable {
    let mut variables = EnvTable::new();
    for (key, value) in table {
        let name = key.get_ref();
        if let Err(fault) = validate::variable(name) {
            file.report(key.span(), fault);
        } else if let Some(value) = variable(name, key.span(), value, file) {
            variables.insert(name.to_string(), value);
        }
    }
    variables
}

fn variable(name: &str, key: Range<usize>, value: &Value, file: &mut File) -> Option<EnvValue> {
    let misplaced = unknown::is_key_of_top(name);
    if value.get_ref().as_table().is_some_and(secret::is_meant) {
        return secret::read(name, value, file);
    }
    match plain(name, value) {
        Ok(read) => {
            if misplaced {
                file.report(key, like_key(name));
            }
            credential::warn(name, value, file);
            Some(read)
        }
        Err(_) if misplaced => {
            unknown::report_slipped("env", name, key, value, file);
            None
        }
        Err(fault) => {
            file.report(value.span(), fault);
            None
        }
    }
}

fn plain(name: &str, value: &Value) -> Result<EnvValue, Fault> {
    match value.get_ref() {
        DeValue::String(text) if text.contains('\0') => {
            let message = format!("`{name}` has a NUL character, which no variable can hold");
            Err(Fault::new(Code::BadVariableValue, message).hint("leave it out"))
        }
        DeValue::String(text) => Ok(EnvValue::Text(text.to_string())),
        DeValue::Boolean(truth) => Ok(EnvValue::Boolean(*truth)),
        DeValue::Integer(integer) => decimal(integer).map(EnvValue::Integer).ok_or_else(|| {
            let message = format!("`{name}`: {integer} is larger than TOML's integers can be");
            let fault = Fault::new(Code::BadVariableValue, message);
            quoted(fault, name, &integer.to_string())
        }),
        DeValue::Float(float) => decimals(float)
            .map(|written| EnvValue::Text(written.to_owned()))
            .ok_or_else(|| no_variable(name, value.get_ref())),
        other => Err(no_variable(name, other)),
    }
}

fn no_variable(name: &str, value: &DeValue) -> Fault {
    let found = describe(value);
    let message = format!("`{name}`: a variable is a string, a number or a boolean, found {found}");
    let fault = Fault::new(Code::BadVariableValue, message);
    match value {
        DeValue::Float(float) => quoted(fault, name, float.as_str()),
        DeValue::Datetime(date) => quoted(fault, name, &date.to_string()),
        DeValue::Array(_) => fault.hint(format!(
            "put it in quotes, in the form your program reads: `{name} = \"a,b\"`"
        )),
        DeValue::Table(_) => fault.hint(format!(
            "a secret is `{name} = {{ encrypted = \"…\" }}` or `{name} = {{ secret = \"name\", key = \"key\" }}`"
        )),
        _ => fault,
    }
}

fn like_key(name: &str) -> Fault {
    let message = format!(
        "this sets a variable called `{name}`, not the key `{name}`, because it stands below a section header"
    );
    Fault::new(Code::VariableLikeKey, message)
        .hint("move it above the first `[section]` if the key is meant")
}

fn quoted(fault: Fault, name: &str, text: &str) -> Fault {
    let hint = format!("put it in quotes: `{name} = \"{text}\"`");
    fault.hint(hint).replace_text(text)
}

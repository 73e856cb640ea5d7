//! `[env.common]` and `[env.<environment>]`.

use std::ops::Range;

use toml::de::DeValue;

use crate::diagnostic::Code;
use crate::env_value::{Env, EnvTable, EnvValue};
use crate::environment::Environment;
use crate::file::{Fault, File, decimal, describe};
use crate::parse::{Table, Value};
use crate::{keys, suggest, validate};

/// Words that mean "in every environment" elsewhere.
const COMMON: &[&str] = &[
    "all", "default", "defaults", "shared", "global", "base", "commons", "comon",
];

/// Reads everything under `[env]`.
pub fn read(value: &Value, file: &mut File) -> Env {
    let mut env = Env::default();
    let Some(sections) = value.get_ref().as_table() else {
        file.wrong_type(
            "env",
            "the tables `[env.common]` and `[env.<environment>]`",
            value,
        );
        return env;
    };
    for (key, section) in sections {
        let name = key.get_ref();
        let known = name == "common" || name.parse::<Environment>().is_ok();
        let table = section.get_ref().as_table();
        match table.filter(|table| known || !is_secret(table)) {
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
    let misplaced = keys::find(name).is_some();
    match plain(name, value) {
        Ok(value) => {
            if misplaced {
                file.report(key, like_key(name));
            }
            Some(value)
        }
        Err(_) if misplaced => {
            file.report(key, key_in_section(name));
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
            Err(Fault::new(Code::BadVariableValue, message))
        }
        DeValue::String(text) => Ok(EnvValue::Text(text.to_string())),
        DeValue::Boolean(truth) => Ok(EnvValue::Boolean(*truth)),
        DeValue::Integer(integer) => decimal(integer).map(EnvValue::Integer).ok_or_else(|| {
            let message = format!("`{name}`: {integer} is larger than TOML's integers can be");
            Fault::new(Code::BadVariableValue, message)
                .hint(format!("put it in quotes: `{name} = \"{integer}\"`"))
        }),
        DeValue::Table(table) if is_secret(table) => Err(secret(name)),
        other => Err(no_variable(name, other)),
    }
}

fn no_variable(name: &str, value: &DeValue) -> Fault {
    let found = describe(value);
    let message =
        format!("`{name}`: a variable is a string, an integer or a boolean, found {found}");
    let fault = Fault::new(Code::BadVariableValue, message);
    match value {
        DeValue::Float(float) => fault.hint(format!(
            "put it in quotes: `{name} = \"{}\"`",
            float.as_str()
        )),
        DeValue::Datetime(date) => fault.hint(format!("put it in quotes: `{name} = \"{date}\"`")),
        DeValue::Array(_) => fault.hint(format!(
            "put it in quotes, in the form your program reads: `{name} = \"a,b\"`"
        )),
        _ => fault,
    }
}

fn is_secret(table: &Table) -> bool {
    table.contains_key("encrypted") || table.contains_key("secret")
}

/// An app that starts without its secret may do worse than not start.
fn secret(name: &str) -> Fault {
    let message = format!(
        "`{name}`: secret values are known but not in effect yet, and the appling must not start without one"
    );
    Fault::new(Code::NotSafeToIgnore, message).hint("leave it out if the appling can do without")
}

fn like_key(name: &str) -> Fault {
    let message = format!(
        "this sets a variable called `{name}`, not the key `{name}`, because it stands below a section header"
    );
    Fault::new(Code::VariableLikeKey, message)
        .hint("move it above the first `[section]` if the key is meant")
}

fn key_in_section(name: &str) -> Fault {
    let message = format!("`{name}` stands below a section header and so belongs to that section");
    Fault::new(Code::KeyInSection, message).hint("move it above the first `[section]` of the file")
}

//! Who may come in: tokens, each with a name that is written down where something has to be accounted
//! for, and with scopes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq;

use crate::config::{read_secret, read_toml};

/// The shortest token worth the name, in characters.
const SHORTEST: usize = 16;
/// The longest name; it becomes a part of roles on Postgres servers.
const LONGEST_NAME: usize = 24;
/// What the token of the platform's own setting is called: that of whoever runs it.
const OPERATOR: &str = "operator";

/// What not every token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// See and change what is in the apps' databases.
    Data,
}

/// Whose token a request carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The token's name.
    pub name: String,
    scopes: Vec<Scope>,
}

impl Who {
    /// Whether the token has this scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// The tokens.
#[derive(Debug)]
pub struct Tokens(Vec<(SecretString, Who)>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tokens: BTreeMap<String, Section>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    token_file: PathBuf,
    #[serde(default)]
    scopes: Vec<Scope>,
}

impl Tokens {
    /// The operator's token, which has every scope, and those that a TOML file names.
    ///
    /// # Errors
    /// When a file cannot be read, or holds no token worth the name.
    pub fn read(operator: &Path, others: Option<&Path>) -> anyhow::Result<Tokens> {
        let mut tokens = Tokens(Vec::new());
        tokens.add(OPERATOR, operator, vec![Scope::Data])?;
        if let Some(file) = others {
            let what = || file.display().to_string();
            let text = std::fs::read_to_string(file).with_context(what)?;
            let File { tokens: sections } = read_toml(&text).with_context(what)?;
            for (name, section) in sections {
                let place = || format!("{}: [tokens.{name}]", file.display());
                check_name(&name).with_context(place)?;
                tokens
                    .add(&name, &section.token_file, section.scopes)
                    .with_context(place)?;
            }
        }
        Ok(tokens)
    }

    fn add(&mut self, name: &str, file: &Path, scopes: Vec<Scope>) -> anyhow::Result<()> {
        let token = read_secret(file)?;
        if token.len() < SHORTEST {
            bail!(
                "{}: the token must have at least {SHORTEST} characters",
                file.display()
            );
        }
        if let Some(who) = self.find(&token) {
            bail!("this is the token of `{}` too", who.name);
        }
        let name = name.to_owned();
        self.0.push((token.into(), Who { name, scopes }));
        Ok(())
    }

    /// Whose token this is. It takes as long however much of it is right.
    pub fn find(&self, given: &str) -> Option<&Who> {
        self.0.iter().fold(
            None,
            |found, (token, who)| {
                if same(given, token) { Some(who) } else { found }
            },
        )
    }
}

/// Compares without telling by time how much is right.
pub fn same(given: &str, wanted: &SecretString) -> bool {
    given
        .as_bytes()
        .ct_eq(wanted.expose_secret().as_bytes())
        .into()
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(allowed) {
        bail!("a name has 1 to {LONGEST_NAME} characters, of a to z, 0 to 9 and -");
    }
    if name == OPERATOR {
        bail!("`{OPERATOR}` is what the token of HOPS_TOKEN_FILE is called");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_told_without_what_stands_there() {
        for (text, wanted) in [
            (
                "[tokens.alice]\ntoken = \"geheim-4711\"\n",
                "line 2: unknown field `token`",
            ),
            ("[tokens]\nalice = \"geheim-4711\"\n", "line 2: "),
            (
                "[tokens.alice]\ntoken_file = \"x\"\nscopes = [\"geheim-4711\"]\n",
                "line 3: ",
            ),
            ("[tokens.alice]\nscopes = geheim-4711\n", "line 2: "),
        ] {
            let told = format!("{:#}", read_toml::<File>(text).err().unwrap());
            assert!(
                told.starts_with(wanted) && !told.contains("geheim"),
                "{told}"
            );
        }
    }

    fn read(others: &str) -> anyhow::Result<Tokens> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let operator = write("operator", "the-operators-own-token\n");
        write("alice", "the-token-of-alice\n");
        write("short", "short\n");
        let others = write(
            "tokens.toml",
            &others.replace("DIR", folder.path().to_str().unwrap()),
        );
        Tokens::read(&operator, Some(&others))
    }

    #[test]
    fn a_token_has_a_name_and_the_scopes_that_it_was_given() {
        let tokens = read("[tokens.alice]\ntoken_file = 'DIR/alice'\n").unwrap();
        let operator = tokens.find("the-operators-own-token").unwrap();
        assert!(operator.may(Scope::Data) && operator.name == OPERATOR);
        let alice = tokens.find("the-token-of-alice").unwrap();
        assert!(!alice.may(Scope::Data) && alice.name == "alice");
        for none in ["", "the-token-of-alic", "the-token-of-alice "] {
            assert_eq!(tokens.find(none), None);
        }
        assert!(!format!("{tokens:?}").contains("the-token-of-alice"));
        let tokens = read("[tokens.alice]\ntoken_file = 'DIR/alice'\nscopes = ['data']\n").unwrap();
        assert!(tokens.find("the-token-of-alice").unwrap().may(Scope::Data));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (others, told) in [
            ("[tokens.Alice]\ntoken_file = 'DIR/alice'\n", "a to z"),
            (
                "[tokens.operator]\ntoken_file = 'DIR/alice'\n",
                "HOPS_TOKEN_FILE",
            ),
            (
                "[tokens.alice]\ntoken_file = 'DIR/short'\n",
                "16 characters",
            ),
            ("[tokens.alice]\ntoken_file = 'DIR/none'\n", "cannot read"),
            (
                "[tokens.alice]\ntoken_file = 'DIR/operator'\n",
                "of `operator` too",
            ),
            (
                "[tokens.alice]\ntoken_file = 'DIR/alice'\nscopes = ['all']\n",
                "line 3: expected `data`",
            ),
        ] {
            let error = format!("{:#}", read(others).unwrap_err());
            assert!(error.contains(told) && error.contains("tokens"), "{error}");
        }
    }
}

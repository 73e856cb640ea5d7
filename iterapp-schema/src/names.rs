//! Names of apps and applings: DNS labels, because they become hosts, namespaces and Services.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Environment;

/// The longest name of an app. The namespace `apps-{app}-{environment}` would allow 52; 40 leaves
/// room for the names of objects that belong to an app as a whole.
pub const MAX_APP_NAME: usize = 40;

/// The longest name of an appling. Kubernetes cuts a CronJob's name at 52, so 40 leaves room for
/// what an appling's own objects add.
pub const MAX_APPLING_NAME: usize = 40;

/// App names that are taken, besides the environments' (the app `test` with the appling `hello`
/// would have the host of the app `hello` in the environment `test`).
///
/// * `local`: the developer's own machine, which the documentation counts as an environment.
/// * `hops`: the platform's own host.
/// * `www`: people type it before any domain, the platform's included.
///
/// `api`, `app` and the like stay free: they are good names, and the platform answers on one host.
const RESERVED_APP_NAMES: [&str; 3] = ["local", "hops", "www"];

/// The name of an app.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppName(String);

impl AppName {
    /// Reads an app's name; `_` becomes `-`.
    ///
    /// # Errors
    ///
    /// When the name is no DNS label, longer than [`MAX_APP_NAME`], or reserved.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let label = dns_label(text, MAX_APP_NAME)?;
        let reserved = RESERVED_APP_NAMES.contains(&label.as_str());
        if reserved || label.parse::<Environment>().is_ok() {
            return Err(NameError::new(text, Problem::Reserved));
        }
        Ok(Self(label))
    }
}

/// The name of an appling.
///
/// Nothing is reserved here: an appling's host always ends in its app's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApplingName(String);

impl ApplingName {
    /// Reads an appling's name; `_` becomes `-`.
    ///
    /// # Errors
    ///
    /// When the name is no DNS label or longer than [`MAX_APPLING_NAME`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        dns_label(text, MAX_APPLING_NAME).map(Self)
    }
}

/// The only appling of an app is called like the app, unless its file says otherwise.
impl From<&AppName> for ApplingName {
    fn from(app: &AppName) -> Self {
        Self(app.0.clone())
    }
}

/// What both kinds of names can do.
macro_rules! label {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

label!(AppName);
label!(ApplingName);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameError {
    text: String,
    problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    Empty,
    Character(char),
    Start,
    End,
    Length(usize),
    Reserved,
}

impl NameError {
    fn new(text: &str, problem: Problem) -> Self {
        Self {
            text: text.to_owned(),
            problem,
        }
    }

    /// What to do instead, in a sentence without a full stop.
    #[must_use]
    pub fn hint(&self) -> String {
        match self.problem {
            Problem::Reserved => format!("choose another, for example `{}-app`", self.text),
            _ => match mended(&self.text) {
                Some(name) => format!("`{name}` would do"),
                None => "use small letters, digits and `-`, with a letter first".to_owned(),
            },
        }
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = shortened(&self.text);
        match self.problem {
            Problem::Empty => write!(f, "a name cannot be empty"),
            Problem::Character(c) => write!(
                f,
                "the name `{text}` has {c:?}; only small letters, digits and `-` can be in a host name",
            ),
            Problem::Start => {
                write!(
                    f,
                    "the name `{text}` must begin with a letter: it becomes a Service's name"
                )
            }
            Problem::End => write!(f, "the name `{text}` must end with a letter or a digit"),
            Problem::Length(max) => write!(
                f,
                "the name `{text}` has {} characters; at most {max} fit into the names made from it",
                self.text.chars().count(),
            ),
            Problem::Reserved => write!(
                f,
                "the name `{text}` is reserved: its hosts would be the platform's or another app's",
            ),
        }
    }
}

impl std::error::Error for NameError {}

/// The text with `_` replaced by `-`, if that is a label that Kubernetes takes as a Service's name
/// (RFC 1035: a letter comes first).
pub fn dns_label(text: &str, max: usize) -> Result<String, NameError> {
    let fail = |problem| Err(NameError::new(text, problem));
    let label = text.replace('_', "-");
    let allowed = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
    if let Some(other) = label.chars().find(|c| !allowed(c)) {
        return fail(Problem::Character(other));
    }
    match (label.chars().next(), label.chars().last()) {
        (None, _) | (_, None) => fail(Problem::Empty),
        (Some(first), _) if !first.is_ascii_lowercase() => fail(Problem::Start),
        (_, Some('-')) => fail(Problem::End),
        _ if label.len() > max => fail(Problem::Length(max)),
        _ => Ok(label),
    }
}

/// The nearest name to a text that is none, if there is one: `My.Shop` gives `my-shop`.
fn mended(text: &str) -> Option<String> {
    let hyphenated: String = text
        .to_lowercase()
        .replace(['å', 'à', 'á', 'ä'], "a")
        .replace('æ', "ae")
        .replace(['ø', 'ö'], "o")
        .replace(['é', 'è', 'ë'], "e")
        .replace('ü', "u")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let words: Vec<&str> = hyphenated
        .split('-')
        .filter(|word| !word.is_empty())
        .collect();
    let joined = words.join("-");
    let lettered = match joined.chars().next() {
        Some(first) if first.is_ascii_digit() => format!("app-{joined}"),
        _ => joined,
    };
    let short = lettered
        .get(..MAX_APPLING_NAME)
        .unwrap_or(&lettered)
        .trim_end_matches('-');
    AppName::parse(short).ok().map(|name| name.0)
}

/// A text in quotes, cut as below. What joins the parts of an emoji stands as it is.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
        .replace("\\u{200d}", "\u{200d}")
        .replace("\\u{fe0f}", "\u{fe0f}")
}

/// At most the first 60 characters, for messages.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underscores_become_hyphens() {
        assert_eq!(AppName::parse("my_shop").unwrap().as_ref(), "my-shop");
        assert_eq!(
            ApplingName::parse("a_b").unwrap(),
            ApplingName::parse("a-b").unwrap()
        );
    }

    #[test]
    fn names_made_from_the_longest_names_are_labels() {
        let app = AppName::parse(&"a".repeat(MAX_APP_NAME)).unwrap();
        assert!(
            Environment::ALL
                .iter()
                .all(|e| format!("apps-{app}-{e}").len() <= 63)
        );
        assert!(AppName::parse(&"a".repeat(MAX_APP_NAME + 1)).is_err());
        assert!(ApplingName::parse(&"a".repeat(MAX_APPLING_NAME + 1)).is_err());
    }

    #[test]
    fn reserved_names_are_refused_for_apps_alone() {
        for name in ["prod", "test", "snap0", "snap9", "local", "hops", "www"] {
            assert!(AppName::parse(name).is_err(), "{name}");
            assert!(ApplingName::parse(name).is_ok(), "{name}");
        }
        assert!(
            ["snap10", "api", "testing"]
                .into_iter()
                .all(|name| AppName::parse(name).is_ok())
        );
    }

    #[test]
    fn errors_say_what_is_wrong_and_what_would_do() {
        let told = [
            "",
            "My.Shop",
            "2048",
            "-a",
            "a-",
            "test",
            "blåbær",
            &"x".repeat(41),
        ]
        .map(|text| AppName::parse(text).unwrap_err())
        .map(|error| format!("{error}\n    hint: {}", error.hint()))
        .join("\n");
        insta::assert_snapshot!(told);
    }

    #[test]
    fn serde_goes_through_the_constructor() {
        let name: AppName = serde_json::from_str("\"my_shop\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"my-shop\"");
        assert!(serde_json::from_str::<AppName>("\"prod\"").is_err());
        assert!(serde_json::from_str::<ApplingName>("\"-\"").is_err());
    }
}

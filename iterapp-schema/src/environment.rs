//! The twelve environments an app can run in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::suggest;

/// Where a release of an app runs: `prod`, `test`, or one of the sandboxes `snap0` to `snap9`.
///
/// `local`, the developer's own machine, is not an environment of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Environment {
    /// What end users see.
    Prod,
    /// Like `prod`, for quality control before it.
    Test,
    /// A developer's sandbox, 0 to 9. [`Environment::from_str`] makes no other number.
    Snap(u8),
}

impl Environment {
    /// All twelve, in the order in which people list them.
    pub const ALL: [Self; 12] = [
        Self::Prod,
        Self::Test,
        Self::Snap(0),
        Self::Snap(1),
        Self::Snap(2),
        Self::Snap(3),
        Self::Snap(4),
        Self::Snap(5),
        Self::Snap(6),
        Self::Snap(7),
        Self::Snap(8),
        Self::Snap(9),
    ];
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prod => f.pad("prod"),
            Self::Test => f.pad("test"),
            Self::Snap(number) => f.pad(&format!("snap{number}")),
        }
    }
}

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|environment| environment.to_string() == text)
            .ok_or_else(|| UnknownEnvironment(text.to_owned()))
    }
}

impl TryFrom<String> for Environment {
    type Error = UnknownEnvironment;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Environment> for String {
    fn from(environment: Environment) -> Self {
        environment.to_string()
    }
}

/// The text that was taken for an environment and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownEnvironment(String);

impl UnknownEnvironment {
    /// The environment that was probably meant.
    #[must_use]
    pub fn meant(&self) -> Option<Environment> {
        suggest::environment(&self.0)
    }

    /// What to do instead, in a sentence without a full stop.
    #[must_use]
    pub fn hint(&self) -> String {
        match self.meant() {
            Some(environment) => format!("did you mean `{environment}`?"),
            None => "the environments are `prod`, `test` and `snap0` to `snap9`".to_owned(),
        }
    }
}

impl fmt::Display for UnknownEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no environment `{}`", self.0)
    }
}

impl std::error::Error for UnknownEnvironment {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_environment_is_read_back_from_its_name() {
        for environment in Environment::ALL {
            assert_eq!(environment.to_string().parse(), Ok(environment));
            let json = serde_json::to_string(&environment).unwrap();
            assert_eq!(json, format!("\"{environment}\""));
            assert_eq!(
                serde_json::from_str::<Environment>(&json).unwrap(),
                environment
            );
        }
        assert!(Environment::ALL.is_sorted());
    }

    #[test]
    fn nothing_else_is_an_environment() {
        for text in [
            "", "local", "Prod", "snap", "snap10", "snap01", "snap-1", " test",
        ] {
            assert!(text.parse::<Environment>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_error_knows_what_was_meant() {
        let hint = |text: &str| text.parse::<Environment>().unwrap_err().hint();
        assert_eq!(hint("production"), "did you mean `prod`?");
        assert_eq!(hint("staging"), "did you mean `test`?");
        assert_eq!(
            hint("snap12"),
            "the environments are `prod`, `test` and `snap0` to `snap9`"
        );
    }
}

//! What a database, its owner and its logins are called.

use iterapp_schema::{AppName, ApplingName, Environment};
use uuid::Uuid;

/// The longest name that Postgres takes (`NAMEDATALEN - 1`), without room for a login's ending.
const LONGEST: usize = 61;

/// Which of the two logins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// The first.
    A,
    /// The second.
    B,
}

impl Login {
    /// The one whose turn it is next.
    #[must_use]
    pub fn other(self) -> Login {
        match self {
            Login::A => Login::B,
            Login::B => Login::A,
        }
    }

    /// `a` or `b`.
    pub fn letter(self) -> &'static str {
        match self {
            Login::A => "a",
            Login::B => "b",
        }
    }

    /// The login of this letter.
    pub fn of_letter(letter: &str) -> Login {
        match letter {
            "b" => Login::B,
            _ => Login::A,
        }
    }

    /// Its role on the server.
    pub fn role(self, database: &str) -> String {
        format!("{database}_{}", self.letter())
    }
}

/// The role that may read a database, whose members are those whom reading was granted to.
pub fn reader(database: &str) -> String {
    format!("{database}_r")
}

/// How the roles of people begin: no app's database is called so, since an app's name has no `_`.
pub const GRANT: &str = "hops_grant_";

/// The role of somebody who was let in for a while: it says who, wherever Postgres shows it.
pub fn grant(who: &str, id: Uuid) -> String {
    let own = id.simple().to_string();
    format!("{GRANT}{}_{}", who.replace('-', "_"), &own[own.len() - 8..])
}

/// `{app}_{environment}`, with the appling between them for one that is its own, and the end of the
/// database's id behind them: on a server that several platforms share no two are the same.
pub fn database(
    app: &AppName,
    environment: Environment,
    appling: Option<&ApplingName>,
    id: Uuid,
) -> String {
    let own = id.simple().to_string();
    let end = format!("_{environment}_{}", &own[own.len() - 8..]);
    let appling = appling.filter(|name| name.as_ref() != app.as_ref());
    let start = match appling {
        Some(appling) => format!("{app}_{appling}"),
        None => app.to_string(),
    };
    let start = start.replace('-', "_");
    let kept = start.len().min(LONGEST - end.len());
    format!("{}{end}", &start[..kept])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whose_it_is_and_is_short_enough() {
        let id = Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0);
        let app = AppName::parse("shop-of-ships").unwrap();
        let web = ApplingName::parse("web").unwrap();
        let own = ApplingName::parse("shop-of-ships").unwrap();
        let name = |appling| database(&app, Environment::Snap(3), appling, id);
        assert_eq!(name(Some(&web)), "shop_of_ships_web_snap3_9abcdef0");
        assert_eq!(name(None), "shop_of_ships_snap3_9abcdef0");
        assert_eq!(name(Some(&own)), "shop_of_ships_snap3_9abcdef0");
        let app = AppName::parse(&"a".repeat(40)).unwrap();
        let appling = ApplingName::parse(&"b".repeat(22)).unwrap();
        let long = database(&app, Environment::Test, Some(&appling), id);
        assert_eq!(Login::B.role(&long).len(), 63);
        assert!(long.ends_with("_test_9abcdef0"));
    }
}

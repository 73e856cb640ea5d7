//! Reading `iterapp.toml` and its companions at a commit.

use std::ops::Range;

use iterapp_schema::{
    AppName, Assembled, Code, Diagnostic, EnvValue, Environment, External, FILE_NAME, Iterapp,
    Sources, assemble, render,
};
use sqlx::PgPool;

use crate::{
    database::connection::Address,
    db,
    git::CommitTree,
    platform::Platform,
    secrets::open::{self, Opened, Shut, Source},
};

/// What the author has to mend before anything can be released: a few lines, with places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub String);

/// What the files of a commit ask for.
pub struct Read {
    /// The model.
    pub iterapp: Iterapp,
    /// Lines that the author should see all the same.
    pub notes: Vec<String>,
    /// The texts that were read.
    sources: Sources,
}

/// Reads the files of a commit.
///
/// # Errors
/// All mistakes of all files at once.
pub fn read(app: &AppName, tree: &CommitTree) -> anyhow::Result<Result<Read, Mistakes>> {
    let submodules = tree.submodules()?;
    if let Some(first) = submodules.first() {
        return Ok(Err(Mistakes(format!(
            "the repository has a git submodule (`{first}`), which is not supported yet\nhint: commit its files instead"
        ))));
    }
    let Assembled {
        iterapp,
        diagnostics,
        sources,
    } = assemble(app, tree);
    let text = render::human(&diagnostics, &sources, false);
    Ok(match iterapp {
        Some(iterapp) => Ok(Read {
            iterapp,
            notes: text.lines().map(str::to_owned).collect(),
            sources,
        }),
        None => Err(Mistakes(text.trim_end().to_owned())),
    })
}

/// The mistakes of secret values that do not open in an environment, or are not there: what only the
/// platform can know of the files.
///
/// # Errors
/// When Postgres or Kubernetes fails.
pub async fn open_secrets(
    platform: &Platform,
    app: &AppName,
    environment: Environment,
    read: &Read,
) -> anyhow::Result<Result<(), Mistakes>> {
    let values = read
        .iterapp
        .applings
        .iter()
        .flat_map(|appling| appling.values_in(environment));
    let external = externals(&read.iterapp);
    let external: Vec<(&External, EnvValue)> = external
        .map(|external| (external, external.address()))
        .collect();
    let values = values.chain(external.iter().map(|(_, address)| address));
    let (opened, mut shut) = open::open(platform, app, environment, values).await?;
    let wrong = external
        .iter()
        .filter_map(|(external, address)| no_address(&opened, external, address));
    shut.extend(wrong);
    if shut.is_empty() {
        return Ok(Ok(()));
    }
    let problems: Vec<Diagnostic> = shut
        .iter()
        .flat_map(|shut| mistakes(shut, environment, &read.sources))
        .collect();
    let text = render::human(&problems, &read.sources, false);
    Ok(Err(Mistakes(text.trim_end().to_owned())))
}

/// The databases somewhere else that applings are connected to.
fn externals(iterapp: &Iterapp) -> impl Iterator<Item = &External> {
    let own = iterapp.applings.iter().map(|appling| &appling.postgres);
    let all = own.chain([&iterapp.postgres]).flatten();
    all.filter_map(|postgres| postgres.external.as_ref())
}

/// What is to be the address of a database and is none, or none for a proxy.
fn no_address(opened: &Opened, external: &External, address: &EnvValue) -> Option<Shut> {
    let wrong = match Address::parse(&opened.get(address)?.value) {
        Err(error) => error.to_string(),
        Ok(parsed) if external.proxy && parsed.is_verified() => {
            "asks for the server's certificate to be checked (sslmode=verify-…), which the SQL proxy cannot; leave `proxy` out"
                .to_owned()
        }
        Ok(_) => return None,
    };
    Some(Shut {
        source: Source::of(address)?,
        reason: format!("has a key `{}` that {wrong}", External::KEY),
    })
}

/// A value may stand in several places. It is long and random, or a name and a key in one line, so its
/// places are where its text is.
fn mistakes(shut: &Shut, environment: Environment, sources: &Sources) -> Vec<Diagnostic> {
    let Shut { source, reason } = shut;
    let (code, text, message, hint) = match source {
        Source::Sealed(sealed) => (
            Code::SealedValueShut,
            sealed,
            format!("this value {reason}"),
            format!("seal it again: `hops seal`, with `-e {environment}` if it is for that alone"),
        ),
        Source::Named { secret, .. } => {
            let (message, hint) = reason.split_once("; ").unwrap_or((reason, ""));
            (
                Code::SecretMissing,
                secret,
                format!("the secret `{secret}` {message}"),
                hint.to_owned(),
            )
        }
    };
    let key = match source {
        Source::Sealed(_) => None,
        Source::Named { key, .. } => Some(key),
    };
    // A name and its key stand in one line, unless their table has a header of its own. `[postgres] external`
    // names no key: it is always the same.
    let names_key = |line: &str, assigned: &str| match (key, assigned) {
        (None, _) => true,
        (Some(key), "external") => key == External::KEY,
        (Some(key), _) => !quoted(line, key).is_empty(),
    };
    let (mut sure, mut others) = (Vec::new(), Vec::new());
    for (file, content) in sources.iter() {
        for place in quoted(content, text) {
            let (line, assigned) = (
                line_at(content, place.start),
                assigned(content, place.start),
            );
            if key.is_some() && !matches!(assigned, "secret" | "external") {
                continue;
            }
            let problem = Diagnostic::new(code, file, message.clone()).at(place);
            let found = match names_key(line, assigned) {
                true => &mut sure,
                false => &mut others,
            };
            found.push(problem.hint(hint.clone()));
        }
    }
    match (sure.is_empty(), others.is_empty()) {
        (false, _) => sure,
        (true, false) => others,
        (true, true) => vec![Diagnostic::new(code, FILE_NAME, message).hint(hint)],
    }
}

/// Where a text stands between quotes, of either kind.
fn quoted(content: &str, text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    for quote in ['"', '\''] {
        let whole = format!("{quote}{text}{quote}");
        let starts = content.match_indices(&whole).map(|(start, _)| start + 1);
        places.extend(starts.map(|start| start..start + text.len()));
    }
    places.sort_unstable_by_key(|place| place.start);
    places
}

fn line_at(content: &str, place: usize) -> &str {
    let start = content[..place].rfind('\n').map_or(0, |end| end + 1);
    content[start..].lines().next().unwrap_or_default()
}

/// The key that a text between quotes is the value of; whatever stands before it where it is none's.
fn assigned(content: &str, place: usize) -> &str {
    let before = content[..place].trim_end_matches(['"', '\'']).trim_end();
    let before = before.strip_suffix('=').unwrap_or_default().trim_end();
    let before = before.trim_end_matches(['"', '\'']);
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    before.rsplit(|c| !is_of_key(c)).next().unwrap_or_default()
}

/// Where a push of the default branch goes: as the files say; when they cannot be read, where the
/// last push went, so that its pusher is told of the mistakes there.
///
/// # Errors
/// When Postgres fails.
pub async fn default_environment(
    db: &PgPool,
    app: &AppName,
    tree: &CommitTree,
) -> sqlx::Result<Environment> {
    match assemble(app, tree).iterapp {
        Some(iterapp) => Ok(iterapp.default_environment),
        None => Ok(db::releases::last_pushed_environment(db, app)
            .await?
            .unwrap_or(Environment::Test)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that are told of a secret that is not there, or of a value that does not open.
    fn lines(source: Source, text: &str) -> Vec<usize> {
        let mut sources = Sources::default();
        sources.insert(FILE_NAME, text);
        let reason = "is not there; set it".to_owned();
        let found = mistakes(&Shut { source, reason }, Environment::Test, &sources);
        let line = |problem: &Diagnostic| {
            let start = problem.span.as_ref().map(|span| span.start);
            start.map_or(0, |start| text[..start].matches('\n').count() + 1)
        };
        found.iter().map(line).collect()
    }

    fn named(secret: &str, key: &str) -> Source {
        Source::Named {
            secret: secret.to_owned(),
            key: key.to_owned(),
        }
    }

    #[test]
    fn a_secret_is_told_of_where_it_is_named() {
        let text = r#"name = "shop"
[env.common]
ONE = { secret = "shop", key = "token" }
TWO = { key = 'token', secret = 'shop' }
THREE = { "secret" = "shop", key = "other" }
FOUR = "shop"
"#;
        assert_eq!(lines(named("shop", "token"), text), [3, 4]);
        assert_eq!(lines(named("shop", "other"), text), [5]);
        // Somewhere, if it is not seen where.
        assert_eq!(lines(named("gone", "token"), text), [0]);
    }

    #[test]
    fn a_table_of_its_own_has_the_name_in_one_line_and_the_key_in_another() {
        let text = "name = \"shop\"\n[env.common.TOKEN]\nsecret = \"shop\"\nkey = \"token\"\n";
        assert_eq!(lines(named("shop", "token"), text), [3]);
    }

    #[test]
    fn an_external_database_is_no_other_word() {
        let text =
            "[postgres]\nexternal = 'billing'\n[experimental]\nisolate-allow-apps = \"billing\"\n";
        assert_eq!(lines(named("billing", External::KEY), text), [2]);
    }

    #[test]
    fn a_sealed_value_is_told_of_wherever_it_stands() {
        let text = "[env.common]\nA = { encrypted = \"AQCf\" }\nB = { encrypted = 'AQCf' }\n";
        assert_eq!(lines(Source::Sealed("AQCf".to_owned()), text), [2, 3]);
    }
}

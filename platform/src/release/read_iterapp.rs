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
    let names_key = |line: &str| {
        key.is_none_or(|key| {
            let is_external = key == External::KEY && line.trim_start().starts_with("external");
            is_external || quoted(line, key).next().is_some()
        })
    };
    let (mut found, mut less_sure) = (Vec::new(), Vec::new());
    for (file, content) in sources.iter() {
        for place in quoted(content, text) {
            let line = line_at(content, place.start);
            let problem = Diagnostic::new(code, file, message.clone()).at(place);
            match names_key(line) {
                true => found.push(problem.hint(hint.clone())),
                false => less_sure.push(problem.hint(hint.clone())),
            }
        }
    }
    match (found.is_empty(), less_sure.is_empty()) {
        (false, _) => found,
        (true, false) => less_sure,
        (true, true) => vec![Diagnostic::new(code, FILE_NAME, message).hint(hint)],
    }
}

/// Where a text stands between quotes, of either kind.
fn quoted(content: &str, text: &str) -> impl Iterator<Item = Range<usize>> + use<> {
    let length = text.len();
    let mut starts: Vec<usize> = ['"', '\'']
        .iter()
        .flat_map(|quote| {
            let whole = format!("{quote}{text}{quote}");
            let starts = content.match_indices(&whole).map(|(start, _)| start + 1);
            starts.collect::<Vec<_>>()
        })
        .collect();
    starts.sort_unstable();
    starts.into_iter().map(move |start| start..start + length)
}

fn line_at(content: &str, place: usize) -> &str {
    let start = content[..place].rfind('\n').map_or(0, |end| end + 1);
    content[start..].lines().next().unwrap_or_default()
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

//! Reading `iterapp.toml` and its companions at a commit.

use iterapp_schema::{AppName, Assembled, Environment, Iterapp, assemble, render};
use sqlx::PgPool;

use crate::{db, git::CommitTree};

/// What the author has to mend before anything can be released: a few lines, with places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub String);

/// Reads the files of a commit; notes are lines that the author should see all the same.
///
/// # Errors
/// All mistakes of all files at once.
pub fn read(
    app: &AppName,
    tree: &CommitTree,
) -> anyhow::Result<Result<(Iterapp, Vec<String>), Mistakes>> {
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
        Some(iterapp) => Ok((iterapp, text.lines().map(str::to_owned).collect())),
        None => Err(Mistakes(text.trim_end().to_owned())),
    })
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

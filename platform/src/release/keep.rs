//! Finds the images that can stay: those of applings of which nothing that they watch has changed
//! since the commit that they were built from.

use iterapp_schema::AppName;

use super::{
    plan::{Kept, Plan},
    watch::Watched,
};
use crate::{
    db::{self, verdicts::Verdict},
    git::changes,
    platform::Platform,
};

/// Lets the applings of a plan keep the images that can stay, and with them the commits that they
/// were built from. `good` is the newest good version of each appling in the plan's environment, and
/// `commit` the plan's.
///
/// # Errors
/// When Postgres or the git store fails.
pub async fn keep(
    platform: &Platform,
    app: &AppName,
    commit: &str,
    good: &[Verdict],
    plan: &mut Plan,
) -> anyhow::Result<()> {
    for planned in &mut plan.applings {
        let last = good.iter().find(|last| last.appling == planned.spec.name);
        let Some((last, build, image)) =
            last.and_then(|last| Some((last, last.build?, last.image.clone()?)))
        else {
            continue;
        };
        let before = db::builds::get(&platform.db, build).await?;
        let Some(watched) = Watched::of(&before.settings, &planned.build) else {
            continue;
        };
        if has_changed(platform, app, (&last.spec.commit, commit), watched).await? {
            continue;
        }
        planned.spec.commit.clone_from(&last.spec.commit);
        planned.keeps = Some(Kept { build, image });
    }
    Ok(())
}

/// Whether anything that is watched has changed between two commits, as far as anybody can know.
async fn has_changed(
    platform: &Platform,
    app: &AppName,
    (from, to): (&str, &str),
    watched: Watched,
) -> anyhow::Result<bool> {
    let (from, to) = (from.to_owned(), to.to_owned());
    platform
        .store
        .read(app, move |repository| {
            let Some(paths) = changes::between(repository, &from, &to)? else {
                return Ok(true);
            };
            // Where a link points to is not looked at.
            Ok(watched.any_of(&paths) || changes::any_link(repository, &to, watched.files())?)
        })
        .await
}

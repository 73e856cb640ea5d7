//! Asking for a release: the one place where releases are made.

use iterapp_schema::{AppName, Environment};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::tell;
use crate::{
    db::{self, releases::NewRelease},
    git::store::CommitInfo,
    lease::Work,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Identity of the release; its commit is pinned under it beforehand.
    pub id: Uuid,
    /// The app.
    pub app: AppName,
    /// The environment.
    pub environment: Environment,
    /// The branch, tag or commit that was asked for.
    pub reference: String,
    /// The commit that it stood for.
    pub commit: CommitInfo,
    /// `push`, `webhook`, `sweep` or `deploy`.
    pub cause: String,
}

/// Makes a release, supersedes the older unfinished ones of its environment, and makes the
/// environment due; all of it or nothing, with the transaction.
///
/// # Errors
/// When Postgres fails.
pub async fn create(
    tx: &mut Transaction<'_, Postgres>,
    request: &Request,
) -> sqlx::Result<NewRelease> {
    let number = db::apps::next_release_number(tx, &request.app).await?;
    let environment_id =
        db::environments::lock_or_create(tx, &request.app, request.environment).await?;
    let release = NewRelease {
        id: request.id,
        number,
        app: request.app.clone(),
        environment_id,
        reference: request.reference.clone(),
        commit: request.commit.id.clone(),
        subject: request.commit.subject.clone(),
        cause: request.cause.clone(),
    };
    db::releases::insert(tx, &release).await?;
    db::log_lines::append(
        tx,
        release.id,
        None,
        &[tell::requested(&release, request.environment)],
    )
    .await?;
    for superseded in db::releases::supersede(tx, environment_id, &release).await? {
        db::log_lines::append(tx, superseded, None, &[tell::superseded(number)]).await?;
    }
    db::builds::cancel_unwanted(tx, &request.app).await?;
    Work::Environments.nudge(tx, environment_id).await?;
    Ok(release)
}

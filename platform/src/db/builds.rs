//! Builds: one image of one appling at one commit.

use std::collections::BTreeMap;

use iterapp_schema::{AppName, ApplingName, Build as Settings, EnvValue, Environment};
use sqlx::{FromRow, PgExecutor, PgPool, Postgres, Transaction, types::Json};
use uuid::Uuid;

use super::stored;
use crate::lease::Work;

/// One build.
#[derive(Debug, Clone)]
pub struct Build {
    /// Identity; also the stream of its log.
    pub id: Uuid,
    /// The app.
    pub app: AppName,
    /// The appling.
    pub appling: ApplingName,
    /// The commit, 40 hex digits.
    pub commit: String,
    /// The environment whose release asked for it first, and whose secrets it may mount.
    pub environment: Environment,
    /// How the appling's file at that commit says that it is built.
    pub settings: Settings,
    /// Where the image is pushed, `registry/app/appling:commit`.
    pub image: String,
    /// `waiting`, `done`, `failed` or `cancelled`.
    pub state: String,
    /// Digest of the image, once done.
    pub digest: Option<String>,
    /// Why it failed, in words for the author.
    pub reason: Option<String>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    app: String,
    appling: String,
    commit: String,
    dockerfile: String,
    target: Option<String>,
    args: Json<BTreeMap<String, String>>,
    watch: Vec<String>,
    secrets: Json<BTreeMap<String, EnvValue>>,
    environment: Option<String>,
    image: String,
    state: String,
    digest: Option<String>,
    reason: Option<String>,
}

impl TryFrom<Row> for Build {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Build> {
        Ok(Build {
            id: row.id,
            app: stored(&row.app)?,
            appling: stored(&row.appling)?,
            commit: row.commit,
            environment: match row.environment {
                Some(name) => stored(&name)?,
                None => Environment::Test,
            },
            settings: Settings {
                dockerfile: row.dockerfile,
                target: row.target,
                args: row.args.0,
                watch: row.watch,
                secrets: row.secrets.0,
            },
            image: row.image,
            state: row.state,
            digest: row.digest,
            reason: row.reason,
        })
    }
}

impl Build {
    /// The same once more.
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted {
            app: &self.app,
            appling: &self.appling,
            commit: &self.commit,
            environment: self.environment,
            settings: &self.settings,
            image: &self.image,
        }
    }

    /// The image by digest, as it is deployed.
    pub fn image_by_digest(&self) -> Option<String> {
        let (repository, _tag) = self.image.rsplit_once(':')?;
        Some(format!("{repository}@{}", self.digest.as_ref()?))
    }
}

/// What a build is made of.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The app.
    pub app: &'a AppName,
    /// The appling.
    pub appling: &'a ApplingName,
    /// The commit.
    pub commit: &'a str,
    /// The environment that it is wanted in.
    pub environment: Environment,
    /// How it is built.
    pub settings: &'a Settings,
    /// Where the image is pushed.
    pub image: &'a str,
}

/// A build that is done or under way for the same inputs, else a new one that is due.
///
/// # Errors
/// When Postgres fails.
pub async fn find_or_create(
    tx: &mut Transaction<'_, Postgres>,
    wanted: Wanted<'_>,
) -> sqlx::Result<Uuid> {
    let known = sqlx::query_scalar(
        "select id from builds where app = $1 and appling = $2 and commit = $3 and dockerfile = $4
         and target is not distinct from $5 and args = $6 and image = $7 and secrets = $8
         and state in ('waiting', 'done') order by created_at desc limit 1",
    )
    .bind(wanted.app.as_ref())
    .bind(wanted.appling.as_ref())
    .bind(wanted.commit)
    .bind(&wanted.settings.dockerfile)
    .bind(&wanted.settings.target)
    .bind(Json(&wanted.settings.args))
    .bind(wanted.image)
    .bind(Json(&wanted.settings.secrets))
    .fetch_optional(&mut **tx)
    .await?;
    match known {
        Some(id) => Ok(id),
        None => create(tx, wanted).await,
    }
}

async fn create(tx: &mut Transaction<'_, Postgres>, wanted: Wanted<'_>) -> sqlx::Result<Uuid> {
    let id = Uuid::now_v7();
    sqlx::query(
        "insert into builds (id, app, appling, commit, dockerfile, target, args, watch, image, secrets, environment, due_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now())",
    )
    .bind(id)
    .bind(wanted.app.as_ref())
    .bind(wanted.appling.as_ref())
    .bind(wanted.commit)
    .bind(&wanted.settings.dockerfile)
    .bind(&wanted.settings.target)
    .bind(Json(&wanted.settings.args))
    .bind(&wanted.settings.watch)
    .bind(wanted.image)
    .bind(Json(&wanted.settings.secrets))
    .bind(wanted.environment.to_string())
    .execute(&mut **tx)
    .await?;
    Work::Builds.notify(&mut **tx).await?;
    Ok(id)
}

/// One build.
///
/// # Errors
/// When Postgres fails, or there is no such build.
pub async fn get(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Build> {
    sqlx::query_as::<_, Row>("select * from builds where id = $1")
        .bind(id)
        .fetch_one(db)
        .await?
        .try_into()
}

/// How a build ended.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// The image's digest.
    Done(&'a str),
    /// Why there is no image, in words for the author.
    Failed(&'a str),
}

/// Ends a build; `false` when it had ended before.
///
/// # Errors
/// When Postgres fails.
pub async fn end(
    tx: &mut Transaction<'_, Postgres>,
    id: Uuid,
    outcome: Outcome<'_>,
) -> sqlx::Result<bool> {
    let (state, digest, reason) = match outcome {
        Outcome::Done(digest) => ("done", Some(digest), None),
        Outcome::Failed(reason) => ("failed", None, Some(reason)),
    };
    let done = sqlx::query(
        "update builds set state = $2, digest = $3, reason = $4, ended_at = now() where id = $1 and state = 'waiting'",
    )
    .bind(id)
    .bind(state)
    .bind(digest)
    .bind(reason)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Makes the environments due that wait for a build. In a transaction of its own: one that ends a
/// build holds the build's row, and one that makes a release takes the rows the other way round.
///
/// # Errors
/// When Postgres fails; the environments' own timers cover that.
pub async fn nudge_waiting(db: &PgPool, id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update environments set due_at = now() where id in (
             select r.environment from verdicts v join releases r on r.id = v.release
             where v.build = $1 and r.ended_at is null)",
    )
    .bind(id)
    .execute(db)
    .await?;
    Work::Environments.notify(db).await
}

/// Cancels builds that no unfinished release waits for. Whoever runs one loses its lease by this.
///
/// # Errors
/// When Postgres fails.
pub async fn cancel_unwanted(
    tx: &mut Transaction<'_, Postgres>,
    app: &AppName,
) -> sqlx::Result<()> {
    sqlx::query(
        "update builds set state = 'cancelled', ended_at = now(), epoch = epoch + 1, due_at = null, lease_until = null
         where app = $1 and state = 'waiting' and not exists (
             select 1 from verdicts v join releases r on r.id = v.release where v.build = builds.id and r.ended_at is null)",
    )
    .bind(app.as_ref())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

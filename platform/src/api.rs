//! The HTTP API's bodies: what `hops` and the server say to each other, as JSON.
//!
//! Every request under `/api` carries `Authorization: Bearer TOKEN`. An error's body is
//! [`ApiError`]; its status is 400 (the request makes no sense), 401, 403 (the token's scopes do not do), 404, 409 (a clash) or 5xx.
//!
//! | request | body | answer |
//! | --- | --- | --- |
//! | `GET /healthz` | | 200 `ok`, without a token |
//! | `GET /api/apps` | | `[App]` |
//! | `POST /api/apps` | [`CreateApp`] | 201 [`App`] |
//! | `GET /api/apps/{app}` | | [`App`] |
//! | `GET /api/apps/{app}/webhook` | | [`Webhook`] |
//! | `GET /api/apps/{app}/status` | | [`AppStatus`] |
//! | `GET /api/apps/{app}/releases?environment=E&limit=N` | | `[Release]`, newest first |
//! | `GET /api/apps/{app}/releases/{number}` | | [`Release`], by its number within the app |
//! | `POST /api/apps/{app}/environments/{environment}/releases` | [`CreateRelease`] | 202 [`Release`] |
//! | `GET /api/apps/{app}/environments/{environment}/diff?ref=R` | | [`Diff`]: what a release of `R`, or of the default branch, would change; nothing is changed |
//! | `GET /api/apps/{app}/environments/{environment}/secrets` | | `[Secret]`, without their values |
//! | `PUT /api/apps/{app}/environments/{environment}/secrets/{name}/{key}` | [`SecretValue`] | [`SecretSet`] |
//! | `DELETE /api/apps/{app}/environments/{environment}/secrets/{name}?key=K` | | 204; without `key` all keys |
//! | `GET /api/apps/{app}/environments/{environment}/databases` | | `[Database]` |
//! | `DELETE /api/apps/{app}/environments/{environment}/databases?name=N` | | 204; one that an appling uses stays, 409 |
//! | `POST /api/apps/{app}/environments/{environment}/databases/rotate?appling=A` | | 204 |
//! | `GET /api/apps/{app}/environments/{environment}/grants` | | `[Grant]`, newest first, without passwords |
//! | `POST /api/apps/{app}/environments/{environment}/grants` | [`CreateGrant`] | [`Granted`]; the token needs the scope `data`, else 403 |
//! | `DELETE /api/apps/{app}/environments/{environment}/grants/{id}` | | 204, taken back |
//! | `GET /api/apps/{app}/environments/{environment}/grants/{id}/tunnel` | | 101, `Upgrade: hops-postgres`: a connection to the database's server, as if made there; the scope `data` |
//! | `GET /api/apps/{app}/environments/{environment}/backups?limit=N` | | `[Backup]`, newest first |
//! | `GET /api/apps/{app}/environments/{environment}/backups/{id}` | | [`Backup`] |
//! | `POST /api/apps/{app}/environments/{environment}/backups?appling=A` | | [`Asked`] |
//! | `POST /api/apps/{app}/environments/{environment}/backups/{id}/prove` | | 204 |
//! | `POST /api/apps/{app}/environments/{environment}/backups/{id}/restore?environment=E` | | [`Asked`] |
//! | `GET /api/apps/{app}/restores/{id}` | | [`Restore`] |
//! | `GET /api/sealing-key` | | [`SealingKey`], without a token |
//! | `GET /api/releases/{id}` | | [`Release`] |
//! | `GET /api/releases/{id}/log?follow=true` | | newline-delimited [`LogLine`]; with `follow` it ends when the release has ended |
//! | `GET /api/apps/{app}/environments/{environment}/logs?appling=A&tail=N&follow=true` | | newline-delimited [`LogLine`] of the pods |

use std::collections::BTreeSet;

use iterapp_schema::{AppName, ApplingName, Environment};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a request was refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApiError {
    /// A stable word for programs, such as `not_found` or `name_taken`.
    pub code: String,
    /// One sentence for people.
    pub message: String,
    /// What to do about it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What values for `iterapp.toml` are sealed with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SealingKey {
    /// The public key, 32 bytes in URL-safe base64.
    pub key: String,
    /// How values that were sealed with it name it.
    pub id: String,
}

/// A secret of an environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// The key in it.
    pub key: String,
    /// When it was last set.
    pub updated_at: Timestamp,
}

/// A secret's new value. It is never answered.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretValue {
    /// The value.
    pub value: String,
}

/// Answer to setting a secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SecretSet {
    /// The applings, live or on their way, that are built or configured with it.
    pub used_by: BTreeSet<ApplingName>,
}

/// An app to be created.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateApp {
    /// Its name, as the person wrote it; the platform makes a DNS label of it.
    pub name: String,
    /// Where the platform fetches from; `None` for an app that is pushed to the platform.
    #[serde(default)]
    pub repository: Option<String>,
    /// A token for a private http(s) repository.
    #[serde(default)]
    pub token: Option<String>,
    /// Make a deploy key for a private ssh repository.
    #[serde(default)]
    pub deploy_key: bool,
    /// Lines in `known_hosts` format for an ssh repository's host.
    #[serde(default)]
    pub known_hosts: Option<String>,
}

/// One repository known to the platform.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct App {
    /// The app's name, a DNS label.
    pub name: AppName,
    /// Where the platform fetches from; `None` when it is pushed to.
    pub repository: Option<String>,
    /// Address to `git push` to; `None` for an app with a forge.
    pub push_url: Option<String>,
    /// The branch whose pushes are released by themselves; `None` until the first push.
    pub default_branch: Option<String>,
    /// Public half of the deploy key, in OpenSSH format.
    pub deploy_key: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Where a forge sends its webhooks, and the secret it signs them with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Webhook {
    /// Address for the forge's settings.
    pub url: String,
    /// Secret for the forge's settings.
    pub secret: String,
    /// Content type to choose there.
    pub content_type: String,
    /// Events to choose there.
    pub events: Vec<String>,
}

/// A release to be made by hand.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateRelease {
    /// A branch, a tag or a commit.
    #[serde(rename = "ref")]
    pub reference: String,
}

/// Where a release stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseState {
    /// Accepted; `iterapp.toml` not yet read.
    Queued,
    /// Images are being built, or rolled out.
    Running,
    /// Every appling is on this release.
    Live,
    /// At least one appling did not make it.
    Failed,
    /// A newer release took over.
    Superseded,
    /// A person ended it.
    Cancelled,
}

impl ReleaseState {
    /// Whether nothing will change any more.
    pub fn ended(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// Where one appling of a release stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplingState {
    /// Its image is being built, or waits to be.
    Building,
    /// Its release command runs, or waits for that of an older release to end.
    Releasing,
    /// Its pods are being replaced.
    RollingOut,
    /// It is on this release.
    Live,
    /// It stays on the version before; `reason` says why.
    Failed,
    /// A newer release took over first.
    Superseded,
    /// The release has no such appling any more, and it was taken down.
    Removed,
}

/// Bringing one commit of one app to one environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Release {
    /// Identity.
    pub id: Uuid,
    /// Counts from 1 within the app.
    pub number: i64,
    /// The app.
    pub app: AppName,
    /// The environment.
    pub environment: Environment,
    /// The branch, tag or commit that was asked for.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The commit, 40 hex digits.
    pub commit: String,
    /// First line of the commit's message.
    pub subject: String,
    /// What asked for it: `push`, `webhook`, or `deploy`.
    pub cause: String,
    /// Where it stands.
    pub state: ReleaseState,
    /// Why it did not become live, in words for the author; may be several lines.
    pub reason: Option<String>,
    /// One entry per appling, once `iterapp.toml` was read.
    pub applings: Vec<ApplingRelease>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// One appling's part of a release: its verdict.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApplingRelease {
    /// The appling.
    pub name: ApplingName,
    /// Where it stands.
    pub state: ApplingState,
    /// Why it failed, in words for the author; may be several lines.
    pub reason: Option<String>,
    /// Its addresses, the platform's own first.
    pub urls: Vec<String>,
    /// Image by digest, once built.
    pub image: Option<String>,
}

/// An app and what runs of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AppStatus {
    /// The app.
    pub app: App,
    /// Environments that ever had a release.
    pub environments: Vec<EnvironmentStatus>,
}

/// One environment and what runs in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnvironmentStatus {
    /// The environment.
    pub environment: Environment,
    /// The Kubernetes namespace that holds its objects.
    pub namespace: String,
    /// Its newest release.
    pub release: Option<Release>,
    /// What serves now, per appling.
    pub applings: Vec<RunningAppling>,
}

/// What serves of one appling.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunningAppling {
    /// The appling.
    pub name: ApplingName,
    /// One emoji that stands beside the name.
    pub emoji: Option<String>,
    /// Commit of the version that serves.
    pub commit: String,
    /// Number of the release that brought it.
    pub release: i64,
    /// Wanted number of pods; the autoscaler's choice where there is one, as far as it is known.
    pub replicas: u32,
    /// Pods that are ready; `None` when Kubernetes did not answer.
    pub ready: Option<u32>,
    /// Pods that are not, and are to stay: those that take the place of others do not serve yet.
    #[serde(default)]
    pub not_ready: Option<u32>,
    /// Its addresses, the platform's own first.
    pub urls: Vec<String>,
}

/// One line of a log: a release's step, a build's output, a release command's or a pod's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// The appling it is about, if one.
    pub appling: Option<ApplingName>,
    /// `release` (a step of the platform), `build`, `command` (a release command), or `pod`.
    pub source: String,
    /// The pod, for lines of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The line, without its line break.
    pub text: String,
}

/// What a release of a commit would change on the live system, as the apiserver's dry run has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Diff {
    /// The app.
    pub app: AppName,
    /// The environment.
    pub environment: Environment,
    /// The branch, tag or commit that was asked for.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The commit, 40 hex digits.
    pub commit: String,
    /// First line of the commit's message.
    pub subject: String,
    /// Applings whose image is not that of the commit. The objects below are compared as if the image,
    /// and with it `HOPS_GIT_SHA`, stayed.
    pub builds: Vec<PendingBuild>,
    /// Objects that would change; those that would not are left out.
    pub objects: Vec<ObjectDiff>,
}

/// An image that a release would build.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PendingBuild {
    /// The appling.
    pub name: ApplingName,
    /// Commit of the version that serves, if one does.
    pub serving: Option<String>,
}

/// What would become of one Kubernetes object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ObjectDiff {
    /// Its kind, such as `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The appling whose it is, if it is one's.
    pub appling: Option<ApplingName>,
    /// What would become of it.
    pub change: ObjectChange,
    /// Why it would be refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Fields that would change; none of an object that would be made or go.
    pub fields: Vec<FieldDiff>,
}

/// See [`ObjectDiff`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectChange {
    /// It would be made.
    Create,
    /// Some of its fields would change.
    Update,
    /// It would go.
    Delete,
    /// Kubernetes would not take it, or the platform would not touch it.
    Refused,
}

/// A field that would change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FieldDiff {
    /// Where, such as `spec.template.spec.containers[app].env[GREETING].value`.
    pub path: String,
    /// What is there; `null` when the field is new, or masked.
    pub before: Option<serde_json::Value>,
    /// What would be there; `null` when the field would go, or is masked.
    pub after: Option<serde_json::Value>,
    /// Whether the values are kept back because they are secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
}

/// Body of `POST /api/apps/{app}/reseal`: sealed values, as they stand in files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reseal {
    /// Each as `hops seal` printed it.
    pub values: Vec<String>,
}

/// What became of one of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resealed {
    /// The same value, sealed with the newest key.
    Value(String),
    /// Why it does not open, to be read after "the value".
    Shut(String),
}

/// A database of an environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Database {
    /// The appling whose it is; none for the one that all share.
    pub appling: Option<ApplingName>,
    /// Its name on its server.
    pub name: String,
    /// The server, as the platform's settings name it.
    pub server: String,
    /// When it was first wanted.
    pub created_at: Timestamp,
    /// When its password was last changed, if it was.
    pub rotated_at: Option<Timestamp>,
    /// Whether pods with the password before are still there.
    pub rotating: bool,
    /// Whether another has taken its place.
    #[serde(default)]
    pub former: bool,
    /// Its size in bytes; none when the server cannot be asked.
    pub size: Option<i64>,
    /// Connections that it has now.
    pub connections: Option<i64>,
    /// Connections that it takes at most.
    pub connection_limit: u32,
    /// Extensions that are there.
    pub extensions: Option<Vec<Extension>>,
    /// The newest backup of it that was proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// Why the server cannot be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// An extension of a database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The protocol that a tunnel to a database's server is asked for by (RFC 9110, section 7.8).
pub const TUNNEL: &str = "hops-postgres";

/// What somebody may do in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// See what is in it.
    Read,
    /// All that the database's applings may.
    Write,
}

impl Access {
    /// `read` or `write`.
    pub fn as_str(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::Write => "write",
        }
    }
}

/// Asks for a login to a database that ends by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateGrant {
    /// Of several databases, that of this appling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appling: Option<ApplingName>,
    /// What it may do.
    pub access: Access,
    /// How long it lasts: ten seconds to a week.
    pub seconds: u32,
}

/// A login to a database that ends by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Grant {
    /// Its identity.
    pub id: Uuid,
    /// The appling whose database it is for; none for the one that all share.
    pub appling: Option<ApplingName>,
    /// The database's name.
    pub database: String,
    /// The role that logs in.
    pub role: String,
    /// What it may do.
    pub access: Access,
    /// The name of the token that asked for it.
    pub who: String,
    /// When that was.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was taken back, if it was.
    pub ended_at: Option<Timestamp>,
}

/// Answer to [`CreateGrant`]: the only one that has the password.
#[derive(Clone, Serialize, Deserialize)]
pub struct Granted {
    /// What was granted.
    #[serde(flatten)]
    pub grant: Grant,
    /// The password.
    pub password: String,
    /// Where the server is, for those who reach it themselves.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How one makes sure of it, in libpq's words (`verify-full`).
    pub sslmode: String,
    /// The authority of its certificate, PEM, when it is not a public one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// A backup of a database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Backup {
    /// Its identity.
    pub id: Uuid,
    /// The appling whose database it is of; none for the one that all share.
    pub appling: Option<ApplingName>,
    /// The database's name when it was taken.
    pub database: String,
    /// `asked` or `scheduled`.
    pub cause: String,
    /// `waiting`, `taken`, `proved` or `failed`.
    pub state: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// The moment that it holds, once it was taken.
    #[serde(default)]
    pub taken_at: Option<Timestamp>,
    /// Its length in bytes, once it was taken.
    pub bytes: Option<i64>,
    /// How many rows it has.
    pub rows: Option<i64>,
    /// When it was last restored and compared, if it was.
    pub proved_at: Option<Timestamp>,
    /// How long that restore took, seconds.
    pub restore_seconds: Option<f64>,
}

/// Answer to asking for a backup or a restore: its identity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    /// What was asked for.
    pub id: Uuid,
}

/// A restore of a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Restore {
    /// Its identity.
    pub id: Uuid,
    /// The backup.
    pub backup: Uuid,
    /// Whether it is over.
    pub ended: bool,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

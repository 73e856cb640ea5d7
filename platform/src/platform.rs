//! What both roles, server and controller, hold in their hands.

use std::sync::Arc;

use anyhow::Context;
use builder_client::Builder;
use iterapp_schema::AppName;
use secrecy::SecretString;
use sqlx::PgPool;

use crate::{
    config::Config,
    database::{backup, servers::Servers},
    db::{self, apps::App},
    git::{self, Store, address::Address},
    nudge::Nudges,
    registry::RegistryAuth,
    rollout::cluster::Cluster,
    secrets::{at_rest::PlatformKey, fingerprint::Fingerprints, ring::KeyRing},
};

/// Settings, database, repositories, builders and cluster. Cheap to clone.
#[derive(Clone)]
pub struct Platform(Arc<Parts>);

/// See [`Platform`].
pub struct Parts {
    /// The settings.
    pub config: Config,
    /// Postgres.
    pub db: PgPool,
    /// The apps' repositories.
    pub store: Store,
    /// The key that seals secrets.
    pub key: PlatformKey,
    /// What secrets are told from each other by.
    pub fingerprints: Fingerprints,
    /// Notifications from Postgres.
    pub nudges: Nudges,
    /// The BuildKit daemons.
    pub builder: Builder,
    /// Who to be at registries.
    pub registry_auth: RegistryAuth,
    /// The Postgres servers of the apps' databases.
    pub databases: Servers,
    /// Where backups of those are kept.
    pub backups: Option<backup::store::Store>,
    /// Kubernetes.
    pub cluster: Cluster,
}

impl std::ops::Deref for Platform {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Platform {
    /// Opens everything that the settings name, and brings the database up to date.
    ///
    /// # Errors
    /// When a setting is wrong, or Postgres or the Kubernetes configuration is not to be had.
    pub async fn open(config: Config) -> anyhow::Result<Platform> {
        let db = db::connect(&Config::database_url()?).await?;
        db::migrate(&db).await?;
        let registry_auth = RegistryAuth::read(config.registry_auth_file.as_deref())?;
        let cluster = Cluster::connect(config.cluster_settings(&registry_auth))
            .await
            .context("the Kubernetes configuration")?;
        let key = config.key()?;
        KeyRing::make_first(&db, &key).await?;
        let databases = Servers::read(config.postgres_servers.as_deref())?;
        warn_of_lost(&databases, &db).await?;
        warn_of_no_backups(&config, &databases);
        Ok(Platform(Arc::new(Parts {
            store: Store::open(&config.data_dir, config.max_pack_bytes)?,
            fingerprints: Fingerprints::load(&db, &key).await?,
            key,
            nudges: Nudges::listen(db.clone()),
            builder: Builder::new(config.daemons()?),
            registry_auth,
            backups: config
                .backup_url
                .as_ref()
                .map(backup::store::Store::open)
                .transpose()?,
            databases,
            cluster,
            db,
            config,
        })))
    }

    /// Brings an app's repository up to its forge; nothing to do for an app that is pushed to.
    ///
    /// # Errors
    /// With git's words, when the forge cannot be reached or refuses.
    pub async fn fetch(&self, app: &App) -> anyhow::Result<()> {
        let Some(repository) = &app.repository else {
            return Ok(());
        };
        let credentials = git::fetch::Credentials {
            token: self.open_secret("forge-token", &app.name, app.forge_token.as_deref())?,
            deploy_key: self.open_secret("deploy-key", &app.name, app.deploy_key.as_deref())?,
            known_hosts: app.known_hosts.clone(),
        };
        let address = Address::parse(repository)?;
        let private = &self.config.forge_allow_private;
        let default =
            git::fetch::fetch(&self.store, &app.name, &address, &credentials, private).await?;
        if let Some(branch) = default {
            db::apps::set_default_branch(&self.db, &app.name, &branch).await?;
        }
        Ok(())
    }

    fn open_secret(
        &self,
        kind: &str,
        app: &AppName,
        sealed: Option<&[u8]>,
    ) -> anyhow::Result<Option<SecretString>> {
        sealed
            .map(|sealed| self.key.open(&format!("{kind}/{app}"), sealed))
            .transpose()
    }
}

/// Says that what people lose they have lost: nobody looks at settings that are not there.
fn warn_of_no_backups(config: &Config, servers: &Servers) {
    if servers.is_empty() {
        return;
    }
    if config.backup_url.is_none() {
        tracing::warn!("there are no backups of databases: HOPS_BACKUP_URL is not set");
    } else if config.backup_every.is_none() {
        tracing::warn!(
            "databases are backed up when somebody asks for it, and not by themselves: HOPS_BACKUP_EVERY is not set"
        );
    }
}

/// Says which servers the settings have lost while databases are on them.
async fn warn_of_lost(servers: &Servers, db: &PgPool) -> anyhow::Result<()> {
    for (server, databases) in db::databases::count_by_server(db).await? {
        if servers.get(&server).is_none() {
            tracing::warn!(
                server,
                databases,
                "there are databases on a server that HOPS_POSTGRES_SERVERS does not name: what uses them stays as it is until it does"
            );
        }
    }
    Ok(())
}

//! The SQL proxy: a native sidecar through which an appling reaches its database. It alone has the
//! password; the appling speaks plain Postgres to its own loopback.
//!
//! It starts before the app and listens on loopback only, so its startup probe runs inside it: the
//! kubelet's TCP probes would go to the pod's address. It does not wait for the server: that one may be
//! away when a pod starts.
//!
//! Kubernetes sends a native sidecar its SIGTERM when the app has ended. HOPS cuts connections ten
//! seconds after the app's SIGTERM, whether it has ended or not; so the sidecar's `preStop` hook, which
//! begins when the pod is deleted, waits so long and ends the proxy itself.
//! <https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/>

use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, ExecAction, Lifecycle, LifecycleHandler, Probe,
    ResourceRequirements, Secret, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::configuration::OF_GROUP;
use super::{Part, configuration, labels};
use crate::database::connection::{
    self, Address, CLOUD_SQL_PORT, Connection, FOLDER, PROXY_HOST, PROXY_PORT, SETTINGS,
    SOCKET_FOLDER,
};
use crate::release::spec::Database;

/// The sidecar's name, and that of its volume.
pub const PROXY: &str = "sql-proxy";
/// Google's proxy, behind ours.
const CLOUD_SQL_PROXY: &str = "cloud-sql-proxy";
const SOCKETS: &str = "sql-proxy-socket";

/// Connections outlive the app's SIGTERM so long, seconds.
const LAST_SECONDS: i64 = 10;
/// What the end of the proxy takes, seconds.
const END_SECONDS: i64 = 2;

/// What a proxy of this appling connects with, and how; nothing for an appling that has none.
fn proxied<'a>(part: &Part<'a>) -> Option<(Connection, &'a Database)> {
    let spec = &part.version.spec;
    let database = spec.database.as_ref()?;
    let connection = match &database.external {
        Some(external) if external.proxy => {
            let opened = part.wanted.opened.get(&external.address)?;
            let address = Address::parse(&opened.value).ok()?;
            address.connection(&opened.fingerprint)
        }
        Some(_) => return None,
        None => {
            let owner = spec.database_owner()?.cloned();
            part.wanted.databases.0.get(&owner)?.clone()
        }
    };
    Some((connection, database))
}

/// Where an appling's database is, for whoever lets its pods through.
pub(super) struct Server {
    /// None: its address is not known, only its name.
    pub(super) networks: Vec<IpNet>,
    pub(super) ports: Vec<u16>,
}

/// Google's interface, and its instances.
const CLOUD_SQL_PORTS: [u16; 2] = [443, 3307];

/// The server of the appling's database, be it behind a proxy or not.
pub(super) fn server(part: &Part<'_>) -> Option<Server> {
    let spec = &part.version.spec;
    let connection = match spec.external_database() {
        Some(external) => {
            let opened = part.wanted.opened.get(&external.address)?;
            Address::parse(&opened.value).ok()?.connection("")
        }
        None => proxied(part)?.0,
    };
    // Google's proxy goes to more than the instance, wherever that is.
    let (own, ports): (Option<IpAddr>, _) = match connection.cloud_sql_instance {
        None => (connection.host.parse().ok(), vec![connection.port]),
        Some(_) => (None, CLOUD_SQL_PORTS.to_vec()),
    };
    let networks = match connection.networks.as_slice() {
        [] => own.map(IpNet::from).into_iter().collect(),
        given => given.to_vec(),
    };
    Some(Server { networks, ports })
}

/// The plain variables that lead an appling to its proxy.
pub(super) fn variables(part: &Part<'_>) -> Vec<(String, String)> {
    let connection = proxied(part).map(|(connection, _)| connection);
    let variables = connection.map(|connection| connection::variables(&connection));
    variables.into_iter().flatten().collect()
}

/// The sidecars, in the order of their start.
pub(super) fn sidecars(part: &Part<'_>) -> Option<Vec<Container>> {
    let (connection, _) = proxied(part)?;
    let cloud_sql = connection.cloud_sql_instance.as_ref();
    let behind = cloud_sql.map(|instance| cloud_sql_proxy(part, instance));
    Some(behind.into_iter().chain([pgbouncer(part)]).collect())
}

fn pgbouncer(part: &Part<'_>) -> Container {
    let exec = |command: &[&str]| ExecAction {
        command: Some(command.iter().map(|&word| word.to_owned()).collect()),
    };
    let socket = format!("{SOCKET_FOLDER}/.s.PGSQL.{PROXY_PORT}");
    let mount = |name: &str, path: &str, read_only: bool| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    // One of the two is what ends it at once: which of them, has changed between its versions.
    let end = format!(
        "sleep {}; kill -TERM 1; kill -QUIT 1",
        super::pod::drain_seconds(part) + LAST_SECONDS
    );
    Container {
        name: PROXY.to_owned(),
        image: Some(part.settings.pgbouncer_image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        restart_policy: Some("Always".to_owned()),
        command: Some(vec!["pgbouncer".to_owned(), format!("{FOLDER}/{SETTINGS}")]),
        startup_probe: Some(Probe {
            exec: Some(exec(&["test", "-S", &socket])),
            period_seconds: Some(1),
            timeout_seconds: Some(5),
            failure_threshold: Some(60),
            ..Probe::default()
        }),
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                exec: Some(exec(&["sh", "-c", &end])),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        resources: Some(little()),
        security_context: Some(nobody()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![
            mount(PROXY, FOLDER, true),
            mount(SOCKETS, SOCKET_FOLDER, false),
        ]),
        ..Container::default()
    }
}

/// Speaks for the pod to an instance of Cloud SQL; who the pod is there, its node or its service account
/// says. <https://cloud.google.com/sql/docs/postgres/connect-auth-proxy>
fn cloud_sql_proxy(part: &Part<'_>, instance: &str) -> Container {
    let arguments = [
        format!("--address={PROXY_HOST}"),
        format!("--port={CLOUD_SQL_PORT}"),
        "--structured-logs".to_owned(),
        "--exit-zero-on-sigterm".to_owned(),
        // Until the last connection is gone, which is ours.
        "--max-sigterm-delay=30s".to_owned(),
        instance.to_owned(),
    ];
    Container {
        name: CLOUD_SQL_PROXY.to_owned(),
        image: Some(part.settings.cloud_sql_proxy_image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        restart_policy: Some("Always".to_owned()),
        args: Some(arguments.into()),
        resources: Some(little()),
        security_context: Some(nobody()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

/// Enough for some hundred connections.
fn little() -> ResourceRequirements {
    let memory = |amount: &str| ("memory".to_owned(), Quantity(amount.to_owned()));
    let cpu = ("cpu".to_owned(), Quantity("5m".to_owned()));
    ResourceRequirements {
        requests: Some([cpu, memory("16Mi")].into()),
        limits: Some([memory("128Mi")].into()),
        ..ResourceRequirements::default()
    }
}

fn nobody() -> SecurityContext {
    SecurityContext {
        run_as_group: Some(configuration::FILES_GROUP),
        ..super::pod::nobody()
    }
}

/// The proxy's files, and where it makes its socket.
pub(super) fn volumes(part: &Part<'_>) -> Vec<Volume> {
    let Some(name) = secret_name(part) else {
        return Vec::new();
    };
    let files = Volume {
        name: PROXY.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(name),
            default_mode: Some(OF_GROUP),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    };
    let sockets = Volume {
        name: SOCKETS.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    };
    vec![files, sockets]
}

/// The Secret with the proxy's files, named after what they hold: another password rolls the pods.
pub(super) fn secret(part: &Part<'_>) -> Option<Secret> {
    let (connection, database) = proxied(part)?;
    let files = connection::pgbouncer(&connection, database.pooling);
    let mut metadata = configuration::metadata(part, &secret_name(part)?);
    // Tells, as long as it is there, that pods may still log in so.
    if database.external.is_none() {
        let labels = metadata.labels.get_or_insert_default();
        labels.insert(labels::LOGIN.to_owned(), connection.login.clone());
    }
    Some(Secret {
        metadata,
        type_: Some("Opaque".to_owned()),
        data: Some(
            files
                .into_iter()
                .map(|(name, text)| (name, ByteString(text.into_bytes())))
                .collect(),
        ),
        immutable: Some(true),
        ..Secret::default()
    })
}

fn secret_name(part: &Part<'_>) -> Option<String> {
    let (connection, database) = proxied(part)?;
    let hash = super::pod::short_hash(&connection::content(&connection, database.pooling));
    Some(format!("{}-database-{hash}", part.version.spec.name))
}

/// How long the pod's end must be able to take for the proxy's sake, seconds from its deletion.
pub(super) fn grace(part: &Part<'_>) -> i64 {
    match proxied(part) {
        Some(_) => super::pod::drain_seconds(part) + LAST_SECONDS + END_SECONDS,
        None => 0,
    }
}

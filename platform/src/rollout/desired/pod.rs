//! The pods of one version of an appling.

use iterapp_schema::Http;
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, HTTPGetAction, Lifecycle, LifecycleHandler,
    LocalObjectReference, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, SeccompProfile,
    SecurityContext, SleepAction, TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sha2::{Digest, Sha256};

use super::{Part, configuration, labels, pull_secret, resources, sql_proxy};
use crate::secrets::hex;

/// The name of the author's container in every pod.
pub const CONTAINER: &str = "app";

/// The name of the port that the author's container listens on.
pub(super) const PORT_NAME: &str = "http";

/// The pod template, labelled with a hash of everything else in it: two releases with the same
/// content make the same pods, and any difference makes others.
pub(super) fn template(part: &Part<'_>) -> PodTemplateSpec {
    let mut labels = part.labels.clone();
    let spec = pod_spec(part);
    let secrets = configuration::fingerprints(part);
    labels.insert(
        labels::VERSION.to_owned(),
        short_hash(&(&labels, &spec, &secrets)),
    );
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            ..ObjectMeta::default()
        }),
        spec: Some(spec),
    }
}

/// Ten hexadecimal digits that stand for the content.
pub(super) fn short_hash(content: &impl serde::Serialize) -> String {
    let json = serde_json::to_vec(content).expect("Kubernetes' types serialize");
    let digest = Sha256::digest(json);
    hex(&digest[..5])
}

/// Images that run as root must work, so the platform hardens only what none of them notices.
pub(super) fn pod_spec(part: &Part<'_>) -> PodSpec {
    let run = &part.version.spec.run;
    let sidecars = sql_proxy::sidecars(part);
    let pull_secret = part.settings.pull_secret.as_ref().map(|_| {
        let name = pull_secret::NAME.to_owned();
        vec![LocalObjectReference { name }]
    });
    let volumes = configuration::volumes(part).into_iter();
    let has_files = !run.files.is_empty() || sidecars.is_some();
    // Kubernetes counts from before the drain, authors from SIGTERM.
    let own_grace = i64::from(run.grace_period) + drain_seconds(part);
    PodSpec {
        init_containers: sidecars,
        containers: vec![container(part)],
        // An app has no business with the apiserver, and variables for every Service of the
        // namespace would change what it sees with its neighbours.
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(PodSecurityContext {
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            }),
            fs_group: has_files.then_some(configuration::FILES_GROUP),
            ..PodSecurityContext::default()
        }),
        volumes: some(volumes.chain(sql_proxy::volumes(part)).collect()),
        termination_grace_period_seconds: Some(own_grace.max(sql_proxy::grace(part))),
        node_selector: (!run.node_selector.is_empty()).then(|| run.node_selector.clone()),
        topology_spread_constraints: Some(vec![spread(part)]),
        image_pull_secrets: pull_secret,
        ..PodSpec::default()
    }
}

/// As the appling's pods are, but with these arguments, and without what concerns serving: nobody
/// asks it anything, and it ends.
pub(super) fn of_job(part: &Part<'_>, command: Option<&[String]>) -> PodSpec {
    let pod = pod_spec(part);
    let ending = |container| Container {
        args: command.map(arguments),
        ports: None,
        startup_probe: None,
        readiness_probe: None,
        liveness_probe: None,
        lifecycle: None,
        ..container
    };
    // A Job is over when its command is: nobody waits then for connections to be closed.
    let at_once = |sidecar| Container {
        lifecycle: None,
        ..sidecar
    };
    PodSpec {
        restart_policy: Some("Never".to_owned()),
        topology_spread_constraints: None,
        containers: pod.containers.into_iter().map(ending).collect(),
        init_containers: pod
            .init_containers
            .map(|all| all.into_iter().map(at_once).collect()),
        ..pod
    }
}

fn container(part: &Part<'_>) -> Container {
    let spec = &part.version.spec;
    Container {
        name: CONTAINER.to_owned(),
        image: Some(part.version.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: spec.run.command.as_deref().map(arguments),
        env: Some(env(part)),
        env_from: configuration::env_from(part),
        volume_mounts: some(configuration::volume_mounts(part)),
        resources: resources::resources(part),
        ports: spec.http().map(|http| vec![port(http)]),
        startup_probe: spec.http().map(startup),
        readiness_probe: spec.http().map(readiness),
        liveness_probe: spec.http().and_then(liveness),
        lifecycle: drain(part),
        termination_message_policy: Some(termination_message_policy(part).to_owned()),
        ..Container::default()
    }
}

/// What a container of the platform's own may: it needs no right at all.
pub(super) fn nobody() -> SecurityContext {
    SecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(65534),
        read_only_root_filesystem: Some(true),
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            ..Capabilities::default()
        }),
        ..SecurityContext::default()
    }
}

/// The last output of a container that failed is put into the pod's status, where it outlives the
/// container; but not that of one which has secrets to say: whoever may see pods reads it there.
fn termination_message_policy(part: &Part<'_>) -> &'static str {
    match part
        .version
        .spec
        .values()
        .any(|value| value.plain().is_none())
    {
        true => "File",
        false => "FallbackToLogsOnError",
    }
}

fn port(http: &Http) -> ContainerPort {
    ContainerPort {
        name: Some(PORT_NAME.to_owned()),
        container_port: i32::from(http.port),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

/// The platform's own variables, of which only `PORT` can be overridden. Those of the author stand
/// in objects of their own, and what stands here wins.
fn env(part: &Part<'_>) -> Vec<EnvVar> {
    let spec = &part.version.spec;
    let mut all = vec![
        variable("HOPS_APP", part.wanted.app.as_ref()),
        variable("HOPS_APPLING", spec.name.as_ref()),
        variable("HOPS_ENV", &part.wanted.environment.to_string()),
        variable("HOPS_GIT_SHA", &spec.commit),
    ];
    let http = spec.http().filter(|_| !spec.env.contains_key("PORT"));
    all.extend(http.map(|http| variable("PORT", &http.port.to_string())));
    all.extend(configuration::env_elsewhere(part));
    all
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(literal(value)),
        ..EnvVar::default()
    }
}

/// Arguments of an image's entrypoint.
fn arguments(command: &[String]) -> Vec<String> {
    command.iter().map(|argument| literal(argument)).collect()
}

/// A text in which Kubernetes is to replace nothing: it reads `$(NAME)` in a value or an argument as
/// a reference, and `$$` as `$`; authors mean what they wrote.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// Asks the readiness path every second until it answers for the first time. An app is rarely up
/// when it is first asked, and would otherwise wait two seconds more, at each pod of a rollout.
///
/// It does not restart what does not start: the platform tells the author, and the app may take its
/// time. Only where a liveness probe is asked for, which has to wait for this one, patience ends.
fn startup(http: &Http) -> Probe {
    let patience = match http.liveness_path {
        Some(_) => 300,
        None => i32::MAX,
    };
    Probe {
        http_get: Some(get(&http.readiness_path)),
        period_seconds: Some(1),
        timeout_seconds: Some(2),
        success_threshold: Some(1),
        failure_threshold: Some(patience),
        ..Probe::default()
    }
}

/// Every two seconds, as HOPS does. Failing takes the pod out of its Services, no more.
fn readiness(http: &Http) -> Probe {
    Probe {
        http_get: Some(get(&http.readiness_path)),
        period_seconds: Some(2),
        timeout_seconds: Some(2),
        success_threshold: Some(1),
        failure_threshold: Some(3),
        ..Probe::default()
    }
}

/// Slower than readiness: it restarts the container, so it must be sure (half a minute).
fn liveness(http: &Http) -> Option<Probe> {
    let path = http.liveness_path.as_ref()?;
    Some(Probe {
        http_get: Some(get(path)),
        period_seconds: Some(10),
        timeout_seconds: Some(5),
        success_threshold: Some(1),
        failure_threshold: Some(3),
        ..Probe::default()
    })
}

fn get(path: &str) -> HTTPGetAction {
    HTTPGetAction {
        path: Some(path.to_owned()),
        port: IntOrString::String(PORT_NAME.to_owned()),
        scheme: Some("HTTP".to_owned()),
        ..HTTPGetAction::default()
    }
}

/// The kubelet itself waits before it sends SIGTERM, so that this needs no `sleep` in the image
/// and covers apps that exit at once.
fn drain(part: &Part<'_>) -> Option<Lifecycle> {
    let seconds = drain_seconds(part);
    (seconds > 0).then(|| Lifecycle {
        pre_stop: Some(LifecycleHandler {
            sleep: Some(SleepAction { seconds }),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    })
}

/// None for a worker, which nobody sends anything to.
pub(super) fn drain_seconds(part: &Part<'_>) -> i64 {
    match part.version.spec.http() {
        Some(_) => i64::try_from(part.settings.drain.as_secs()).unwrap_or(i64::MAX / 2),
        None => 0,
    }
}

/// On different nodes where there are some: one that dies takes only a part with it.
fn spread(part: &Part<'_>) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some(part.selector.clone()),
            ..LabelSelector::default()
        }),
        // Counts each version by itself, or the old one's pods would push the new one's together.
        match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
        ..TopologySpreadConstraint::default()
    }
}

//! One row per way in which a rollout goes, with statuses as a real cluster gave them.

use std::collections::BTreeMap;

use iterapp_schema::{Autoscale, Run, Scale};
use serde_json::{Value, json};

use super::super::labels;
use super::super::observe::ObservedPod;
use super::*;
use crate::release::spec::ApplingSpec;

const DEADLINE: Duration = Duration::from_secs(300);
const EARLY: Duration = Duration::from_secs(30);

fn version() -> Version {
    Version {
        spec: ApplingSpec {
            emoji: None,
            name: "web".parse().unwrap(),
            commit: "0".repeat(40),
            run: Run::default(),
            hosts: Vec::new(),
            service_names: vec!["web".to_owned()],
            env: BTreeMap::new(),
            database: None,
        },
        image: "registry/web@sha256:ab".to_owned(),
    }
}

/// A Deployment in its third generation, of the version `label`.
fn deployment(label: &str, status: Value) -> Deployment {
    let template = json!({
        "metadata": { "labels": { labels::VERSION: label } },
        "spec": { "containers": [] },
    });
    serde_json::from_value(json!({
        "metadata": { "generation": 3 },
        "spec": { "selector": {}, "template": template },
        "status": status,
    }))
    .unwrap()
}

fn appling(status: Value, pods: Vec<ObservedPod>) -> ObservedAppling {
    ObservedAppling {
        label: "new".to_owned(),
        deployment: Some(deployment("new", status)),
        replica_sets: Vec::new(),
        pods,
    }
}

/// The Deployment while its first new pod is not ready.
fn rolling() -> Value {
    json!({ "observedGeneration": 3, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2 })
}

fn pod(status: Value) -> ObservedPod {
    ObservedPod {
        pod: serde_json::from_value(json!({ "status": status })).unwrap(),
        age: EARLY,
        ..ObservedPod::default()
    }
}

fn ready() -> ObservedPod {
    pod(json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] }))
}

/// A pod whose container is in this state, was in that before, and was so often restarted.
fn with_container(state: Value, last: Value, restarts: i32) -> ObservedPod {
    pod(json!({
        "phase": "Running",
        "conditions": [{ "type": "Ready", "status": "False" }],
        "containerStatuses": [{
            "name": "app", "image": "", "imageID": "", "ready": false,
            "restartCount": restarts, "state": state, "lastState": last,
        }],
    }))
}

fn running(warning: &str) -> ObservedPod {
    ObservedPod {
        warnings: vec![warning.to_owned()],
        ..with_container(json!({ "running": {} }), json!({}), 0)
    }
}

fn waiting(reason: &str, message: &str) -> ObservedPod {
    let state = json!({ "waiting": { "reason": reason, "message": message } });
    with_container(state, json!({}), 0)
}

fn looping(ended: Value, restarts: i32) -> ObservedPod {
    let state = json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 10s" } });
    ObservedPod {
        last_lines: vec!["Error: no database".to_owned()],
        ..with_container(state, json!({ "terminated": ended }), restarts)
    }
}

fn judged(pod: ObservedPod, on_trial_for: Duration) -> Standing {
    judge(
        &version(),
        &appling(rolling(), vec![pod]),
        on_trial_for,
        DEADLINE,
    )
}

fn waits(standing: &Standing) -> &str {
    match standing {
        Standing::Waiting { why } => why,
        other => panic!("not waiting: {other:?}"),
    }
}

fn failed(standing: Standing) -> Reason {
    match standing {
        Standing::Failed { reason } => reason,
        other => panic!("not failed: {other:?}"),
    }
}

#[test]
fn ready_means_all_wanted_pods_of_this_version_and_no_others() {
    let status = |generation: i64, all: i32, updated: i32, available: i32| {
        json!({
            "observedGeneration": generation, "replicas": all,
            "updatedReplicas": updated, "availableReplicas": available,
        })
    };
    let rows = [
        ("done", status(3, 2, 2, 2), true),
        ("change not yet seen", status(2, 2, 2, 2), false),
        ("an old pod still serves", status(3, 3, 2, 3), false),
        ("a new pod is not available", status(3, 2, 2, 1), false),
        ("only old pods", status(3, 2, 0, 2), false),
        ("nothing yet", json!({}), false),
    ];
    for (row, status, expected) in rows {
        let observed = appling(status, vec![ready(), ready()]);
        let standing = judge(&version(), &observed, EARLY, DEADLINE);
        assert_eq!(standing == Standing::Ready, expected, "{row}: {standing:?}");
    }
}

#[test]
fn another_version_that_is_ready_is_not_this_one() {
    let status = json!({ "observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 });
    let mut observed = appling(status.clone(), vec![]);
    observed.deployment = Some(deployment("old", status));
    let standing = judge(&version(), &observed, EARLY, DEADLINE);
    assert_eq!(waits(&standing), "0 of 2 pods ready");
}

#[test]
fn progress_counts_pods_and_names_the_trouble() {
    let observed = appling(
        rolling(),
        vec![
            ready(),
            running("Readiness probe failed: HTTP probe failed with statuscode: 503"),
        ],
    );
    let standing = judge(&version(), &observed, EARLY, DEADLINE);
    assert_eq!(
        waits(&standing),
        "1 of 2 pods ready: the readiness probe GET :3000/health got 503"
    );

    let observed = appling(rolling(), vec![ready(), ready()]);
    let standing = judge(&version(), &observed, EARLY, DEADLINE);
    assert_eq!(
        waits(&standing),
        "2 of 2 pods ready, those before are being stopped"
    );
}

#[test]
fn a_pod_that_has_just_started_is_not_called_broken() {
    let pod = ObservedPod {
        age: Duration::from_secs(3),
        ..running("Startup probe failed: connection refused")
    };
    assert_eq!(waits(&judged(pod, EARLY)), "0 of 2 pods ready");
}

#[test]
fn what_is_hopeless_fails_at_once() {
    let exec = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"/nope\": stat /nope: no such file or directory: unknown";
    let start_error = json!({ "exitCode": 128, "reason": "StartError", "message": exec });
    let rows = [
        (
            looping(json!({ "exitCode": 1, "reason": "Error" }), 2),
            "the app exited with code 1",
        ),
        (
            looping(json!({ "exitCode": 139, "reason": "Error" }), 3),
            "the app was ended by signal 11 (SIGSEGV)",
        ),
        (
            looping(json!({ "exitCode": 137, "reason": "OOMKilled" }), 2),
            "the app was killed because it used more memory than it may (OOMKilled)",
        ),
        (
            looping(start_error, 1),
            "its container cannot be started: exec: \"/nope\": stat /nope: no such file or directory",
        ),
        (
            waiting("CreateContainerConfigError", "secret \"x\" not found"),
            "its container cannot be started: secret \"x\" not found",
        ),
        (
            waiting("ImagePullBackOff", "Back-off pulling image"),
            "its image cannot be pulled: registry/web@sha256:ab",
        ),
        (
            waiting("InvalidImageName", "couldn't parse image name"),
            "its image cannot be pulled: registry/web@sha256:ab",
        ),
    ];
    for (pod, summary) in rows {
        assert_eq!(failed(judged(pod, EARLY)).summary, summary);
    }
}

#[test]
fn a_crash_shows_the_last_lines() {
    let reason = failed(judged(looping(json!({ "exitCode": 1 }), 2), EARLY));
    assert_eq!(
        reason.to_string(),
        "the app exited with code 1\n    Error: no database"
    );

    let mut killed = looping(json!({ "exitCode": 137 }), 2);
    killed.warnings =
        vec!["Liveness probe failed: HTTP probe failed with statuscode: 500".to_owned()];
    let hint = failed(judged(killed, EARLY)).hint.unwrap();
    assert!(
        hint.contains("liveness_path") && hint.contains("500"),
        "{hint}"
    );
}

#[test]
fn what_may_pass_is_waited_for() {
    let young = |pod: ObservedPod| ObservedPod {
        age: Duration::from_secs(2),
        ..pod
    };
    let rows = [
        looping(json!({ "exitCode": 1 }), 1),
        looping(json!({ "exitCode": 0 }), 5),
        with_container(
            json!({ "running": {} }),
            json!({ "terminated": { "exitCode": 1 } }),
            7,
        ),
        young(waiting("ErrImagePull", "timeout")),
        young(waiting("CreateContainerError", "context deadline exceeded")),
        waiting("ContainerCreating", ""),
        running("Readiness probe failed: connection refused"),
    ];
    for pod in rows {
        waits(&judged(pod, EARLY));
    }
}

#[test]
fn at_the_deadline_the_most_telling_reason_is_given() {
    let refused = "Readiness probe failed: Get \"http://10.244.0.9:3000/health\": dial tcp 10.244.0.9:3000: connect: connection refused";
    let slow = "Readiness probe failed: Get \"http://10.244.0.9:3000/health\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    let unscheduled = pod(json!({
        "phase": "Pending",
        "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient cpu.",
        }],
    }));
    let evicted =
        pod(json!({ "phase": "Failed", "reason": "Evicted", "message": "low on memory" }));
    let mut sandbox = waiting("ContainerCreating", "");
    sandbox.warnings = vec!["Failed to create pod sandbox: no IP addresses".to_owned()];
    let rows = [
        (
            running(refused),
            "nothing answers on port 3000: connection refused",
        ),
        (
            running(slow),
            "the readiness probe GET :3000/health got no answer in time",
        ),
        (
            running("Startup probe failed: HTTP probe failed with statuscode: 404"),
            "the readiness probe GET :3000/health got 404",
        ),
        (
            running("Readiness probe failed: Get \"http://10.244.0.9:3000/health\": EOF"),
            "the readiness probe GET :3000/health failed",
        ),
        (
            looping(json!({ "exitCode": 0 }), 5),
            "the app exited with code 0, though it is to go on running",
        ),
        (unscheduled, "no node has room for one of its pods"),
        (evicted, "a node gave up one of its pods (Evicted)"),
        (sandbox, "its node cannot set up one of its pods"),
        (
            waiting("ContainerCreating", ""),
            "after 300 s only 0 of 2 pods ready",
        ),
    ];
    for (pod, summary) in rows {
        assert_eq!(failed(judged(pod, DEADLINE)).summary, summary);
    }
}

#[test]
fn a_quota_is_told_with_kubernetes_own_words() {
    let mut observed = appling(rolling(), vec![]);
    let message = "pods \"web-5d\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2";
    let set = json!({
        "metadata": {},
        "status": { "replicas": 0, "conditions": [{
            "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message,
        }]},
    });
    observed.replica_sets = vec![serde_json::from_value(set).unwrap()];
    let standing = judge(&version(), &observed, EARLY, DEADLINE);
    assert_eq!(
        waits(&standing),
        "0 of 2 pods ready: its pods would go over the namespace's quota"
    );

    let reason = failed(judge(&version(), &observed, DEADLINE, DEADLINE));
    assert_eq!(reason.details, [message]);
}

#[test]
fn the_gravest_of_several_troubles_is_told() {
    let pods = vec![
        running("Readiness probe failed: HTTP probe failed with statuscode: 500"),
        with_container(
            json!({ "running": {} }),
            json!({ "terminated": { "exitCode": 3 } }),
            1,
        ),
    ];
    let reason = failed(judge(
        &version(),
        &appling(rolling(), pods),
        DEADLINE,
        DEADLINE,
    ));
    assert_eq!(reason.summary, "the app exited with code 3");
}

#[test]
fn a_first_crash_is_forgotten_when_the_app_runs_and_answers_wrongly() {
    let ended = json!({ "terminated": { "exitCode": 1 } });
    let mut pod = with_container(json!({ "running": {} }), ended, 1);
    pod.warnings =
        vec!["Readiness probe failed: HTTP probe failed with statuscode: 404".to_owned()];
    let reason = failed(judged(pod, DEADLINE));
    assert_eq!(
        reason.summary,
        "the readiness probe GET :3000/health got 404"
    );
}

fn worker() -> Version {
    let mut worker = version();
    worker.spec.run.http = None;
    worker.spec.service_names.clear();
    worker
}

#[test]
fn a_worker_is_ready_once_it_has_run_for_a_few_seconds() {
    let status = |available: i32| {
        json!({
            "observedGeneration": 3, "replicas": 2, "updatedReplicas": 2,
            "availableReplicas": available, "unavailableReplicas": 2 - available,
        })
    };
    let judged = |available: i32| {
        let observed = appling(status(available), vec![ready(), ready()]);
        judge(&worker(), &observed, EARLY, DEADLINE)
    };
    let running = "2 of 2 pods running, watched for 5 s";
    assert_eq!(waits(&judged(1)), running);
    assert_eq!(judged(2), Standing::Ready);
}

#[test]
fn a_worker_is_told_nothing_of_ports_and_probes() {
    let rows = [
        looping(json!({ "exitCode": 3 }), 2),
        looping(json!({ "exitCode": 0 }), 5),
        waiting("ContainerCreating", ""),
        running("Readiness probe failed: connection refused"),
    ];
    for pod in rows {
        let observed = appling(rolling(), vec![pod]);
        for on_trial_for in [EARLY, DEADLINE] {
            let standing = judge(&worker(), &observed, on_trial_for, DEADLINE);
            let words = format!("{standing:?}");
            for wrong in ["port", "prob", "answer"] {
                assert!(!words.contains(wrong), "{words}");
            }
        }
    }
}

#[test]
fn an_autoscaled_appling_wants_as_many_pods_as_its_autoscaler() {
    let mut version = version();
    let (min, max, cpu) = (2, 5, 80);
    version.spec.run.scale = Scale::Auto(Autoscale { min, max, cpu });
    for (chosen, wanted) in [(0, 2), (2, 2), (4, 4)] {
        let mut observed = appling(rolling(), vec![ready()]);
        let deployment = observed.deployment.as_mut().unwrap();
        deployment.spec.as_mut().unwrap().replicas = Some(chosen);
        let standing = judge(&version, &observed, EARLY, DEADLINE);
        assert_eq!(waits(&standing), format!("1 of {wanted} pods ready"));
    }
}

#[test]
fn a_node_selector_is_blamed_only_when_it_shuts_out_every_node() {
    let mut version = version();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    version.spec.run.node_selector = [pair("disk", "ssd"), pair("gpu", "true")].into();
    let judged = |message: &str| {
        let pod = pod(json!({ "phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
        }]}));
        let observed = appling(rolling(), vec![pod]);
        failed(judge(&version, &observed, DEADLINE, DEADLINE))
    };
    let none = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. \
                preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
    let reason = judged(none);
    assert_eq!(
        reason.summary,
        "no node fits its node_selector: disk=ssd, gpu=true"
    );
    assert_eq!(reason.details, [none]);
    let full = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector.";
    assert_eq!(judged(full).summary, "no node has room for one of its pods");
}

#[test]
fn the_deadline_is_for_what_is_not_ready() {
    let status = json!({ "observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 });
    let standing = judge(&version(), &appling(status, vec![]), DEADLINE * 2, DEADLINE);
    assert_eq!(standing, Standing::Ready);
}

//! Rollouts on a real cluster: what is applied, what becomes of it, and what is said about it.
//!
//! `eval "$(deploy/local/env)"; cargo test -p platform --test rollout -- --ignored`
//!
//! Each test has an app, a namespace and an instance of its own.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; clippy allows it in the tests alone"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures::StreamExt;
use iterapp_schema::{
    AppName, Autoscale, Concurrency, CronAction, CronJob, EnvValue, Environment, Http, Ingress,
    IngressPath, Isolation, Run, Scale,
};
use platform::database::connection::Databases;
use platform::release::spec::{ApplingSpec, Version, WantedEnvironment};
use platform::rollout::apply::{ApplyError, Fence, LeaseLost, apply};
use platform::rollout::cluster::{Cluster, IngressFlavour, Settings};
use platform::rollout::desired::desired;
use platform::rollout::judge::{Reason, Standing, judge};
use platform::rollout::labels;
use platform::rollout::observe::observe;
use platform::rollout::pods::{self, LogQuery};
use platform::rollout::resync;
use platform::secrets::open::Opened;
use serde_json::Value;
use tokio::sync::mpsc;

/// Answers `/health`, `/` with `$BODY`, and `/cgi-bin/broken` with 500; other things by `$MODE`.
/// It logs to standard error alone: between two pipes the kubelet keeps no order.
const DOCKERFILE: &str = r#"
FROM busybox
RUN mkdir -p /www/cgi-bin && echo ok > /www/health \
 && printf '#!/bin/sh\nprintf "Status: 500 Broken\\r\\n\\r\\n"\n' > /www/cgi-bin/broken \
 && chmod +x /www/cgi-bin/broken
RUN printf '%s\n' \
  'exec 1>&2' \
  'echo "starting as $MODE"' \
  'case "$MODE" in' \
  'crash) echo "no database"; exit 3;;' \
  'ends) exit 0;;' \
  'deaf) sleep 3600;;' \
  'esac' \
  'echo "$BODY" > /www/index.html' \
  'exec httpd -f -p "$PORT" -h /www' > /run.sh
CMD ["sh", "/run.sh"]
"#;

/// A program that is not there.
const NO_COMMAND: &str = "FROM busybox\nCMD [\"/nope\"]\n";

struct Held;

impl Fence for Held {
    async fn check(&self) -> Result<(), LeaseLost> {
        Ok(())
    }
}

/// An environment of its own for one test; its namespace goes when the test ends.
struct World {
    cluster: Cluster,
    wanted: WantedEnvironment,
}

impl World {
    async fn new() -> Self {
        Self::with(IngressFlavour::IngressNginx).await
    }

    async fn with(ingress_flavour: IngressFlavour) -> Self {
        let tag = format!("{:08x}", rand::random::<u32>());
        let settings = Settings {
            ingress_flavour,
            drain: Duration::from_secs(2),
            ..Settings::new(format!("rollout-test-{tag}"))
        };
        let wanted = WantedEnvironment {
            app: format!("t{tag}").parse().unwrap(),
            environment: Environment::Test,
            versions: Vec::new(),
            good: Vec::new(),
            commands: Vec::new(),
            opened: Opened::default(),
            databases: Databases::default(),
        };
        let cluster = Cluster::connect(settings).await.unwrap();
        Self { cluster, wanted }
    }

    fn namespace(&self) -> String {
        self.wanted.namespace()
    }

    fn app(&self) -> &AppName {
        &self.wanted.app
    }

    async fn try_apply(&self) -> Result<(), ApplyError> {
        let objects = desired(&self.wanted, self.cluster.settings());
        apply(&self.cluster, &objects, &Held).await
    }

    async fn apply(&self) {
        self.try_apply().await.unwrap();
    }

    /// One pass, as the controller makes it: where each wanted appling stands now, unless
    /// Kubernetes is away for the moment.
    async fn pass(&self, on_trial_for: Duration, deadline: Duration) -> Option<Vec<Standing>> {
        match self.try_apply().await {
            Err(ApplyError::Transient(reason)) => {
                println!("{reason}");
                return None;
            }
            other => other.unwrap(),
        }
        let observed = observe(&self.cluster, &self.wanted).await.ok()?;
        let versions = self.wanted.versions.iter();
        let standings =
            versions.map(|v| judge(v, &observed.applings[&v.spec.name], on_trial_for, deadline));
        Some(standings.collect())
    }

    /// Makes passes until no appling waits any more.
    async fn roll_out(&self, deadline: Duration) -> Vec<Standing> {
        let started = Instant::now();
        let mut said = Vec::new();
        loop {
            let standings = self
                .pass(started.elapsed(), deadline)
                .await
                .unwrap_or_default();
            if said != standings {
                println!("{:>5.1} s {standings:?}", started.elapsed().as_secs_f32());
                said.clone_from(&standings);
            }
            let waits = |standing: &Standing| matches!(standing, Standing::Waiting { .. });
            if !standings.is_empty() && !standings.iter().any(waits) {
                return standings;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn succeed(&self) {
        let standings = self.roll_out(Duration::from_secs(60)).await;
        assert!(
            standings.iter().all(|s| *s == Standing::Ready),
            "{standings:?}"
        );
    }

    async fn fail(&self, deadline: u64) -> Reason {
        match self.roll_out(Duration::from_secs(deadline)).await.remove(0) {
            Standing::Failed { reason } => reason,
            other => panic!("not failed: {other:?}"),
        }
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(&[&["-n", &self.namespace()], arguments].concat())
    }

    fn get(&self, what: &str) -> Value {
        serde_json::from_str(&self.kubectl(&["get", what, "-o", "json"])).unwrap()
    }

    fn names(&self, kind: &str) -> BTreeSet<String> {
        let names = self.kubectl(&["get", kind, "-o", "name"]);
        let name = |line: &str| line.rsplit('/').next().unwrap_or_default().to_owned();
        names.lines().map(name).collect()
    }

    /// What the Service answers at `/`.
    /// Waits until a Service's address answers: nodes learn of pods a moment after they are ready.
    async fn answers(&self, service: &str, body: &str) {
        let is_so = || self.body(service).is_ok_and(|answer| answer == body);
        eventually(&format!("{service} answers {body}"), is_so).await;
    }

    fn body(&self, service: &str) -> std::io::Result<String> {
        let address = self.kubectl(&[
            "get",
            "service",
            service,
            "-o",
            "jsonpath={.spec.clusterIP}",
        ]);
        get(&address)
    }
}

impl Drop for World {
    /// Must not panic: the test may be panicking already.
    fn drop(&mut self) {
        let namespace = self.namespace();
        let delete = [
            "delete",
            "namespace",
            &namespace,
            "--ignore-not-found",
            "--wait=false",
        ];
        let _ = kubectl_command(&delete).output();
    }
}

fn get(address: &str) -> std::io::Result<String> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let address = SocketAddr::new(address.parse().unwrap(), 80);
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    Ok(body.trim().to_owned())
}

/// Fifty requests a second, each over a connection of its own.
struct Asking {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Vec<std::io::Error>)>,
}

impl Asking {
    fn start(address: String) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut asked, mut failures) = (0, Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                asked += 1;
                failures.extend(get(&address).err());
                std::thread::sleep(Duration::from_millis(20));
            }
            (asked, failures)
        });
        Self { stop, thread }
    }

    /// How many requests were made, and which of them failed.
    fn stop(self) -> (usize, Vec<std::io::Error>) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn kubectl(arguments: &[&str]) -> String {
    let output = kubectl_command(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// `ADMIN_KUBECONFIG` lets the platform's own rights be tested while kubectl has more.
fn kubectl_command(arguments: &[&str]) -> Command {
    let mut command = Command::new("kubectl");
    if let Ok(path) = std::env::var("ADMIN_KUBECONFIG") {
        command.env("KUBECONFIG", path);
    }
    command.args(arguments);
    command
}

fn image() -> String {
    static IMAGE: OnceLock<String> = OnceLock::new();
    IMAGE.get_or_init(|| build("app", DOCKERFILE)).clone()
}

/// Builds an image, and gives its reference by digest.
fn build(name: &str, dockerfile: &str) -> String {
    let registry = std::env::var("HOPS_REGISTRY").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    let path = folder.path().display();
    let metadata = folder.path().join("metadata.json");
    let reference = format!("{registry}/rollout-test/{name}");
    let output = Command::new("buildctl")
        .args(["build", "--frontend=dockerfile.v0"])
        .args([
            format!("--local=context={path}"),
            format!("--local=dockerfile={path}"),
        ])
        .arg(format!(
            "--output=type=image,name={reference},push=true,registry.insecure=true"
        ))
        .arg(format!("--metadata-file={}", metadata.display()))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&std::fs::read(metadata).unwrap()).unwrap();
    format!(
        "{reference}@{}",
        metadata["containerimage.digest"].as_str().unwrap()
    )
}

fn version(name: &str, body: &str) -> Version {
    Version {
        spec: ApplingSpec {
            emoji: None,
            name: name.parse().unwrap(),
            commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            run: Run::default(),
            hosts: Vec::new(),
            service_names: vec![name.to_owned()],
            env: BTreeMap::from([("BODY".to_owned(), EnvValue::Text(body.to_owned()))]),
            database: None,
        },
        image: image(),
    }
}

fn http(version: &mut Version) -> &mut Http {
    version.spec.run.http.as_mut().unwrap()
}

fn in_mode(mode: &str) -> Version {
    let mut version = version("web", mode);
    version
        .spec
        .env
        .insert("MODE".to_owned(), EnvValue::Text(mode.to_owned()));
    version
}

fn worker(mode: &str) -> Version {
    let mut worker = in_mode(mode);
    worker.spec.run.http = None;
    worker.spec.service_names.clear();
    worker
}

fn autoscaled(min: u32, max: u32) -> Scale {
    let cpu = Autoscale::DEFAULT_CPU;
    Scale::Auto(Autoscale { min, max, cpu })
}

/// Every number of pods that the Deployment `web` was to have, one after the other.
struct Numbers {
    kubectl: Child,
    output: tempfile::NamedTempFile,
}

impl Numbers {
    /// Watches from now on; the namespace must be there.
    async fn watch(world: &World) -> Self {
        world.apply().await;
        let output = tempfile::NamedTempFile::new().unwrap();
        let kubectl = kubectl_command(&["-n", &world.namespace()])
            .args(["get", "deployments", "--watch-only", "-o"])
            .arg("jsonpath={.metadata.name} {.spec.replicas}{\"\\n\"}")
            .stdout(Stdio::from(output.reopen().unwrap()))
            .spawn()
            .unwrap();
        let numbers = Self { kubectl, output };
        // It watches once it sees what is done here.
        let mark = [
            "create",
            "deployment",
            "mark",
            "--image=busybox",
            "--replicas=0",
        ];
        world.kubectl(&mark);
        eventually("kubectl watches", || {
            world.kubectl(&["annotate", "deployment", "mark", "--overwrite", &now()]);
            numbers.text().contains("mark 0")
        })
        .await;
        numbers
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.output.path()).unwrap()
    }

    /// Those so far, equal neighbours as one.
    fn so_far(&self) -> Vec<u32> {
        let text = self.text();
        let numbers = text.lines().filter_map(|line| line.strip_prefix("web "));
        let mut numbers: Vec<u32> = numbers.map(|number| number.parse().unwrap()).collect();
        numbers.dedup();
        numbers
    }

    async fn must_be(&self, expected: &[u32]) {
        eventually("the last number is seen", || {
            self.so_far().last() == expected.last()
        })
        .await;
        assert_eq!(self.so_far(), expected, "{}", self.text());
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}

/// An annotation with another value each time.
fn now() -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    format!("now={}", now.as_nanos())
}

/// Who manages the Deployment's number of pods.
fn managers_of_replicas(world: &World) -> BTreeSet<String> {
    let deployment: Value = serde_json::from_str(&world.kubectl(&[
        "get",
        "deployment",
        "web",
        "--show-managed-fields",
        "-o",
        "json",
    ]))
    .unwrap();
    let entries = deployment["metadata"]["managedFields"].as_array().unwrap();
    let named = entries
        .iter()
        .filter(|entry| entry["fieldsV1"]["f:spec"]["f:replicas"].is_object());
    named
        .map(|entry| entry["manager"].as_str().unwrap().to_owned())
        .collect()
}

/// Waits for something that the cluster does by itself.
async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..100 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_new_version_replaces_the_old_one_without_a_gap() {
    let mut world = World::new().await;
    world.wanted.versions = vec![version("web", "one")];
    world.succeed().await;
    world.answers("web", "one").await;
    let counts = pods::counts(&world.cluster, world.app(), Environment::Test).await;
    let both = pods::PodCounts {
        ready: 2,
        not_ready: 0,
    };
    assert_eq!(
        counts.unwrap(),
        BTreeMap::from([("web".parse().unwrap(), both)])
    );

    // Requests go on over a change of the version, its port and its number of pods.
    let address = world.kubectl(&["get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"]);
    let asking = Asking::start(address);
    let mut next = version("web", "two");
    http(&mut next).port = 8080;
    next.spec.run.scale = Scale::Fixed(1);
    world.wanted.versions = vec![next];
    world.succeed().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (asked, failures) = asking.stop();
    println!("{asked} requests");
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(world.body("web").unwrap(), "two");
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn applying_again_changes_nothing() {
    let mut world = World::new().await;
    let mut web = version("web", "one");
    web.spec.hosts = vec![format!("{}.test.localhost", world.app())];
    web.spec.service_names.push("other".to_owned());
    world.wanted.versions = vec![web];
    world.succeed().await;
    let kinds = "deployments,services,ingresses,replicasets";
    let versions = || {
        world.kubectl(&[
            "get",
            kinds,
            "-o",
            "jsonpath={.items[*].metadata.resourceVersion}",
        ])
    };
    let before = versions();
    world.apply().await;
    world.apply().await;
    assert_eq!(versions(), before);
    assert_eq!(
        world.names("services"),
        ["other", "web"].map(str::to_owned).into()
    );
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn what_was_changed_by_hand_is_put_right() {
    let mut world = World::new().await;
    world.wanted.versions = vec![version("web", "one")];
    world.succeed().await;
    let (sender, mut changes) = mpsc::channel(8);
    tokio::spawn(resync::watch(world.cluster.clone(), sender));
    tokio::time::sleep(Duration::from_secs(1)).await;
    while changes.try_recv().is_ok() {}

    world.kubectl(&["delete", "service", "web"]);
    world.kubectl(&["scale", "deployment", "web", "--replicas=5"]);
    world.kubectl(&["set", "env", "deployment/web", "EXTRA=1", "BODY=other"]);
    let sidecar = r#"[{"op":"add","path":"/spec/template/spec/containers/-","value":{"name":"extra","image":"busybox"}}]"#;
    world.kubectl(&["patch", "deployment", "web", "--type=json", "-p", sidecar]);

    let place = tokio::time::timeout(Duration::from_secs(20), changes.recv()).await;
    assert_eq!(
        place.unwrap(),
        Some((world.app().clone(), Environment::Test))
    );
    world.succeed().await;
    let spec = &world.get("deployment/web")["spec"];
    assert_eq!(spec["replicas"], 2);
    let containers = spec["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    let env = containers[0]["env"].to_string();
    assert!(!env.contains("EXTRA") && !env.contains("other"), "{env}");
    world.answers("web", "one").await;
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_restart_by_hand_is_let_alone() {
    let mut world = World::new().await;
    world.wanted.versions = vec![version("web", "one")];
    world.succeed().await;
    world.kubectl(&["rollout", "restart", "deployment/web"]);
    world.succeed().await;
    let annotations = &world.get("deployment/web")["spec"]["template"]["metadata"]["annotations"];
    assert!(
        annotations["kubectl.kubernetes.io/restartedAt"].is_string(),
        "{annotations}"
    );
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn only_what_is_ours_and_not_wanted_is_deleted() {
    let mut world = World::new().await;
    let mut api = version("api", "api");
    api.spec.hosts = vec![format!("api.{}.test.localhost", world.app())];
    world.wanted.versions = vec![version("web", "one"), api];
    world.succeed().await;
    world.kubectl(&["create", "service", "clusterip", "mine", "--tcp=80"]);
    world.kubectl(&[
        "create",
        "deployment",
        "mine",
        "--image=busybox",
        "--replicas=0",
    ]);

    world.wanted.versions.pop();
    world.succeed().await;
    let web_and_mine = || ["mine", "web"].map(str::to_owned).into();
    assert_eq!(world.names("deployments"), web_and_mine());
    assert_eq!(world.names("services"), web_and_mine());
    assert!(world.names("ingresses").is_empty());
    eventually("the pods are gone", || {
        world
            .names("pods")
            .iter()
            .all(|pod| !pod.starts_with("api"))
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn what_is_not_ours_is_refused() {
    let mut world = World::new().await;
    world.wanted.versions = vec![version("web", "one")];
    kubectl(&["create", "namespace", &world.namespace()]);
    let Err(refused @ ApplyError::Refused(_)) = world.try_apply().await else {
        panic!("not refused");
    };
    assert!(
        refused.to_string().contains(&world.namespace()),
        "{refused}"
    );
    assert!(world.names("deployments").is_empty());

    let mut world = World::new().await;
    world.apply().await;
    world.kubectl(&[
        "create",
        "deployment",
        "web",
        "--image=busybox",
        "--replicas=0",
    ]);
    world.wanted.versions = vec![version("web", "one"), version("api", "two")];
    let Err(ApplyError::Refused(refusals)) = world.try_apply().await else {
        panic!("not refused");
    };
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0].appling, Some("web".parse().unwrap()));
    assert_eq!(world.get("deployment/web")["spec"]["replicas"], 0);
    assert_eq!(
        world.names("deployments"),
        ["api", "web"].map(str::to_owned).into()
    );
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_namespace_that_is_being_deleted_is_waited_for() {
    let mut world = World::new().await;
    world.apply().await;
    world.kubectl(&["create", "configmap", "slow"]);
    world.kubectl(&[
        "patch",
        "configmap",
        "slow",
        "-p",
        r#"{"metadata":{"finalizers":["hops.dev/test"]}}"#,
    ]);
    kubectl(&["delete", "namespace", &world.namespace(), "--wait=false"]);
    world.wanted.versions = vec![version("web", "one")];
    let error = world.try_apply().await;
    world.kubectl(&[
        "patch",
        "configmap",
        "slow",
        "-p",
        r#"{"metadata":{"finalizers":null}}"#,
    ]);
    let Err(ApplyError::Transient(reason)) = error else {
        panic!("not transient: {error:?}");
    };
    assert!(reason.contains("being deleted"), "{reason}");
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_lost_lease_stops_before_the_first_write() {
    struct Lost;
    impl Fence for Lost {
        async fn check(&self) -> Result<(), LeaseLost> {
            Err(LeaseLost)
        }
    }
    let mut world = World::new().await;
    world.wanted.versions = vec![version("web", "one")];
    let objects = desired(&world.wanted, world.cluster.settings());
    let error = apply(&world.cluster, &objects, &Lost).await;
    assert!(matches!(error, Err(ApplyError::LeaseLost(_))), "{error:?}");
    assert!(kubectl(&["get", "namespace", &world.namespace(), "--ignore-not-found"]).is_empty());
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_crash_is_told_while_the_old_version_serves() {
    let mut world = World::new().await;
    world.wanted.versions = vec![version("web", "one")];
    world.succeed().await;
    let good = world.wanted.versions.clone();

    world.wanted.versions = vec![in_mode("crash")];
    let reason = world.fail(60).await;
    assert_eq!(reason.summary, "the app exited with code 3");
    assert_eq!(reason.details, ["starting as crash", "no database"]);
    assert_eq!(world.body("web").unwrap(), "one");

    world.wanted.versions = good;
    world.succeed().await;
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_probe_that_fails_is_told_at_the_deadline() {
    let mut broken = version("web", "one");
    http(&mut broken).readiness_path = "/cgi-bin/broken".to_owned();
    let mut missing = version("web", "one");
    http(&mut missing).readiness_path = "/missing".to_owned();
    let rows = [
        (
            broken,
            "the readiness probe GET :3000/cgi-bin/broken got 500",
        ),
        (missing, "the readiness probe GET :3000/missing got 404"),
        (
            in_mode("deaf"),
            "nothing answers on port 3000: connection refused",
        ),
    ];
    for (version, summary) in rows {
        let mut world = World::new().await;
        world.wanted.versions = vec![version];
        let reason = world.fail(25).await;
        println!("{reason}");
        assert_eq!(reason.summary, summary);
    }
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_container_that_cannot_start_is_told_at_once() {
    let mut world = World::new().await;
    let mut no_command = version("web", "one");
    no_command.image = build("no-command", NO_COMMAND);
    world.wanted.versions = vec![no_command];
    let reason = world.fail(60).await;
    println!("{reason}");
    assert!(
        reason
            .summary
            .starts_with("its container cannot be started: "),
        "{reason}"
    );
    assert!(reason.summary.contains("/nope"), "{reason}");

    let mut no_image = version("web", "one");
    no_image.image = no_image
        .image
        .replace("rollout-test/app@", "rollout-test/none@");
    world.wanted.versions = vec![no_image];
    let reason = world.fail(60).await;
    println!("{reason}");
    assert!(
        reason.summary.starts_with("its image cannot be pulled: "),
        "{reason}"
    );

    world.wanted.versions = vec![in_mode("ends")];
    let reason = world.fail(20).await;
    println!("{reason}");
    assert!(reason.summary.contains("code 0"), "{reason}");
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_quota_is_told() {
    let mut world = World::new().await;
    world.wanted.versions = vec![version("web", "one")];
    world.succeed().await;
    world.kubectl(&["create", "quota", "small", "--hard=pods=2"]);
    world.wanted.versions = vec![version("web", "two")];
    let reason = world.fail(20).await;
    println!("{reason}");
    assert_eq!(
        reason.summary,
        "its pods would go over the namespace's quota"
    );
    assert_eq!(world.body("web").unwrap(), "one");
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn one_bad_appling_leaves_the_other_alone() {
    let mut world = World::new().await;
    let mut bad = version("bad", "one");
    http(&mut bad).readiness_path = "/missing".to_owned();
    world.wanted.versions = vec![bad, version("good", "two")];
    let standings = world.roll_out(Duration::from_secs(40)).await;
    assert!(
        matches!(standings[0], Standing::Failed { .. }),
        "{standings:?}"
    );
    assert_eq!(standings[1], Standing::Ready);
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn lines_of_all_pods_can_be_read_and_followed() {
    let mut world = World::new().await;
    world.wanted.versions = vec![version("web", "one")];
    let follow = LogQuery {
        follow: true,
        ..LogQuery::default()
    };
    let lines = pods::logs(&world.cluster, world.app(), Environment::Test, follow)
        .await
        .unwrap();
    world.succeed().await;
    let first: Vec<_> = lines.take(2).collect().await;
    let names: BTreeSet<&str> = first.iter().map(|line| line.pod.as_str()).collect();
    assert_eq!(names.len(), 2, "{first:?}");

    let tail = LogQuery {
        tail: Some(1),
        ..LogQuery::default()
    };
    let lines = pods::logs(&world.cluster, world.app(), Environment::Test, tail)
        .await
        .unwrap();
    let lines: Vec<String> = lines.map(|line| line.text).collect().await;
    assert_eq!(lines, ["starting as ", "starting as "]);
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn an_autoscaler_takes_over_and_hands_back_without_a_wrong_number() {
    let mut world = World::new().await;
    let numbers = Numbers::watch(&world).await;
    let mut web = version("web", "one");
    web.spec.run.requests.cpu = Some("50m".to_owned());
    web.spec.run.scale = Scale::Fixed(3);
    world.wanted.versions = vec![web.clone()];
    world.succeed().await;
    assert_eq!(managers_of_replicas(&world), ["hops".to_owned()].into());

    web.spec.run.scale = autoscaled(3, 6);
    world.wanted.versions = vec![web.clone()];
    for _ in 0..3 {
        world.succeed().await;
    }
    assert_eq!(
        managers_of_replicas(&world),
        ["hops-replicas".to_owned()].into()
    );
    let spec = &world.get("hpa/web")["spec"];
    assert_eq!(
        (&spec["minReplicas"], &spec["maxReplicas"]),
        (&3.into(), &6.into())
    );
    let counts = pods::wanted_counts(&world.cluster, world.app(), Environment::Test).await;
    assert_eq!(
        counts.unwrap(),
        BTreeMap::from([("web".parse().unwrap(), 3)])
    );
    let pods_before = world.names("pods");

    web.spec.run.scale = Scale::Fixed(2);
    world.wanted.versions = vec![web];
    world.succeed().await;
    assert!(world.names("hpa").is_empty());
    assert!(managers_of_replicas(&world).contains("hops"));
    numbers.must_be(&[3, 2]).await;
    eventually("one pod less, and no other", || {
        let pods = world.names("pods");
        pods.len() == 2 && pods.is_subset(&pods_before)
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_new_autoscaled_appling_starts_with_its_least_number_of_pods() {
    let mut world = World::new().await;
    let numbers = Numbers::watch(&world).await;
    let mut web = version("web", "one");
    web.spec.run.scale = autoscaled(3, 6);
    world.wanted.versions = vec![web.clone()];
    world.succeed().await;
    numbers.must_be(&[3]).await;

    let version = || {
        let deployment = world.get("deployment/web");
        deployment["metadata"]["resourceVersion"].clone()
    };
    let before = version();
    world.apply().await;
    world.apply().await;
    assert_eq!(version(), before, "applying again changes nothing");

    // An autoscaler does nothing for a Deployment that somebody scaled to nothing.
    world.kubectl(&["scale", "deployment", "web", "--replicas=0"]);
    world.succeed().await;
    numbers.must_be(&[3, 0, 3]).await;
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn what_an_autoscaler_chooses_is_kept() {
    let mut world = World::new().await;
    let numbers = Numbers::watch(&world).await;
    let mut web = version("web", "one");
    // Pods that are not ready tell the real autoscaler nothing, so that it leaves them to this test.
    http(&mut web).readiness_path = "/missing".to_owned();
    web.spec.run.scale = Scale::Fixed(1);
    world.wanted.versions = vec![web.clone()];
    world.apply().await;
    web.spec.run.scale = autoscaled(2, 6);
    world.wanted.versions = vec![web.clone()];
    world.apply().await;

    // As an autoscaler does it, through the subresource; and as somebody by hand.
    world.kubectl(&["scale", "deployment", "web", "--replicas=4"]);
    world.apply().await;
    let by_hand = r#"{"spec":{"replicas":5}}"#;
    world.kubectl(&["patch", "deployment", "web", "-p", by_hand]);
    world.apply().await;
    world.apply().await;
    assert!(!managers_of_replicas(&world).contains("hops"));

    let standings = world.pass(Duration::ZERO, Duration::from_secs(60)).await;
    assert!(
        format!("{standings:?}").contains("0 of 5 pods ready"),
        "as many are wanted as it chose: {standings:?}"
    );
    web.spec.run.scale = autoscaled(2, 3);
    world.wanted.versions = vec![web];
    world.apply().await;
    numbers.must_be(&[1, 2, 4, 5, 3]).await;
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_worker_has_no_names_and_is_live_when_it_runs() {
    let mut world = World::new().await;
    world.wanted.versions = vec![worker("deaf")];
    world.succeed().await;
    assert!(world.names("services").is_empty());
    let deployment = world.get("deployment/web");
    // It must have run for a while.
    assert_eq!(deployment["spec"]["minReadySeconds"], 5);
    let spec = &deployment["spec"]["template"]["spec"]["containers"][0];
    for nothing in ["ports", "readinessProbe", "startupProbe", "lifecycle"] {
        assert!(spec[nothing].is_null(), "{nothing}: {spec}");
    }

    world.wanted.versions = vec![worker("crash")];
    let reason = world.fail(60).await;
    assert_eq!(reason.summary, "the app exited with code 3");
    assert_eq!(reason.details, ["starting as crash", "no database"]);

    world.wanted.versions = vec![worker("ends")];
    let reason = world.fail(20).await;
    assert!(reason.summary.contains("code 0"), "{reason}");
}

/// Everything that is made beside pods, of which there are none.
fn routed_walled_and_scheduled() -> Version {
    let cronjob = |action| CronJob {
        schedule: "@yearly".to_owned(),
        action,
        concurrency: Concurrency::Forbid,
    };
    let call = CronAction::Call {
        path: "/tidy".to_owned(),
        headers: [("X-Key".to_owned(), EnvValue::Text("value".to_owned()))].into(),
    };
    let run = CronAction::Run {
        command: vec!["report".to_owned()],
    };
    let path = |prefix: &str, rewrite: Option<&str>| IngressPath {
        prefix: prefix.to_owned(),
        rewrite: rewrite.map(str::to_owned),
    };
    let ingress = Ingress {
        domains: vec!["www.example.org".to_owned()],
        from_to_www_redirect: true,
        paths: vec![path("/web", None), path("/v1.0", Some("/"))],
    };
    let mut version = without_pods();
    version.spec.hosts = ["web.example.com", "www.example.org"]
        .map(str::to_owned)
        .into();
    http(&mut version).ingress = Some(ingress);
    version.spec.run.isolation = Some(Isolation {
        allow_apps: vec!["other".parse().unwrap()],
    });
    version.spec.run.cronjobs = [
        ("tidy".to_owned(), cronjob(call)),
        ("report".to_owned(), cronjob(run)),
    ]
    .into();
    version
}

fn without_pods() -> Version {
    Version {
        spec: ApplingSpec {
            emoji: None,
            name: "web".parse().unwrap(),
            commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            run: Run {
                scale: Scale::Fixed(0),
                ..Run::default()
            },
            hosts: Vec::new(),
            service_names: vec!["web".to_owned()],
            env: BTreeMap::new(),
            database: None,
        },
        image: format!("registry.invalid/none@sha256:{}", "0".repeat(64)),
    }
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn routes_walls_and_schedules_are_made_put_right_and_taken_away() {
    let kinds = "middlewares.traefik.io,ingressroutes.traefik.io,ingresses,networkpolicies,cronjobs,secrets";
    let mut world = World::with(IngressFlavour::Traefik).await;
    world.wanted.versions = vec![routed_walled_and_scheduled()];
    world.wanted.good = world.wanted.versions.clone();
    world.apply().await;
    let wanted = [
        "web",
        "web.jobs",
        "web.add-www",
        "web.rewrite-1",
        "web-report",
        "web-tidy",
        "cron-web-tidy",
    ];
    let wanted: BTreeSet<String> = wanted.map(str::to_owned).into();
    let names = |world: &World| -> BTreeSet<String> {
        let names = world.names(kinds).into_iter();
        names
            .map(|name| labels::without_content(&name).to_owned())
            .collect()
    };
    assert_eq!(names(&world), wanted);

    // Applying them again changes nothing.
    let versions = || {
        let path = "jsonpath={.items[*].metadata.resourceVersion}";
        world.kubectl(&["get", kinds, "-o", path])
    };
    let before = versions();
    world.apply().await;
    assert_eq!(versions(), before);

    let patch = r#"{"spec":{"replacePathRegex":{"replacement":"/else"}}}"#;
    let edit = ["patch", "middleware.traefik.io", "web.rewrite-1"];
    world.kubectl(&[&edit[..], &["--type=merge", "-p", patch]].concat());
    world.kubectl(&["delete", "cronjob", "web-tidy"]);
    world.apply().await;
    let spec = world.get("middleware.traefik.io/web.rewrite-1")["spec"].clone();
    assert_eq!(spec["replacePathRegex"]["replacement"], "/$2");
    assert_eq!(names(&world), wanted);

    world.wanted.versions = vec![without_pods()];
    world.wanted.good = world.wanted.versions.clone();
    world.apply().await;
    assert_eq!(world.names(kinds), BTreeSet::new());
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn routes_for_ingress_nginx_are_taken() {
    let mut world = World::new().await;
    world.wanted.versions = vec![routed_walled_and_scheduled()];
    world.apply().await;
    let names = ["web", "web.rewrite-1"].map(str::to_owned);
    assert_eq!(world.names("ingresses"), names.into());
}

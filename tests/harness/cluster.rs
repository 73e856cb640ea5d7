//! Kubernetes as an administrator sees it: reads go through one `kubectl proxy`, since tests look
//! often and a `kubectl` for each look would take more of the machine than what is tested;
//! everything else is done by `kubectl` itself.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::{OnceLock, mpsc},
    time::Duration,
};

use serde_json::Value;

/// The cluster.
pub struct Kube;

impl Kube {
    /// The objects of a kind in a namespace.
    ///
    /// # Panics
    /// When Kubernetes does not answer.
    pub fn list(kind: &str, namespace: &str) -> Vec<Value> {
        let (group, kind) = resource(kind);
        let (mut list, what) = read(&format!("{group}/namespaces/{namespace}/{kind}"));
        assert!(list["items"].is_array(), "listing {what}: {list}");
        // Objects in a list do not say of which kind they are; kubectl adds it, and so does this.
        let of_kind = list["kind"]
            .as_str()
            .map(|kind| kind.trim_end_matches("List").to_owned());
        let api_version = list["apiVersion"].clone();
        let mut items = list["items"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        for item in &mut items {
            item["kind"] = of_kind.clone().into();
            item["apiVersion"] = api_version.clone();
        }
        items
    }

    /// Names of the objects of a kind in a namespace, sorted.
    pub fn names(kind: &str, namespace: &str) -> Vec<String> {
        let name = |object: &Value| {
            object["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let mut names: Vec<String> = Kube::list(kind, namespace).iter().map(name).collect();
        names.sort_unstable();
        names
    }

    /// One object; `null` when there is none.
    ///
    /// # Panics
    /// When Kubernetes does not answer.
    pub fn get(kind: &str, name: &str, namespace: &str) -> Value {
        let (group, kind) = resource(kind);
        let path = match kind {
            "namespaces" | "nodes" => format!("{group}/{kind}/{name}"),
            _ => format!("{group}/namespaces/{namespace}/{kind}/{name}"),
        };
        let (object, what) = read(&path);
        match object["kind"].as_str() {
            Some("Status") if object["code"] == 404 => Value::Null,
            Some("Status") | None => panic!("reading {what}: {object}"),
            Some(_) => object,
        }
    }

    /// Copies what happens to the objects of a kind in all namespaces, the ones that are there first; until
    /// the apiserver ends it. (Version 0 is "as they are in the cache": it waits for nothing.)
    ///
    /// # Errors
    /// When the apiserver cannot be asked, or there is nowhere to write to.
    pub fn watch(kind: &str, into: &mut impl Write) -> std::io::Result<()> {
        let (group, kind) = resource(kind);
        let url = format!("{}{group}/{kind}?watch=true&resourceVersion=0", proxy());
        let answer = ureq::get(&url).call().map_err(std::io::Error::other)?;
        std::io::copy(&mut answer.into_body().into_reader(), into).map(drop)
    }

    /// Runs kubectl and returns what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(arguments: &[&str]) -> String {
        let output = Command::new("kubectl")
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("kubectl");
        assert!(
            output.status.success(),
            "kubectl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What went wrong in namespaces with these labels, for people who look for a test's failure: the
    /// pods, and what Kubernetes warned of. Nothing here fails.
    pub(crate) fn warnings(labels: &str) -> String {
        let told = |arguments: &[&str]| {
            let mut kubectl = Command::new("kubectl");
            kubectl.args(arguments).arg("--request-timeout=20s");
            let told = kubectl.stdin(Stdio::null()).output();
            told.map_or_else(
                |error| format!("{error}\n"),
                |told| String::from_utf8_lossy(&told.stdout).into_owned(),
            )
        };
        let named = [
            "get",
            "namespaces",
            "--output",
            "name",
            "--selector",
            labels,
        ];
        let namespaces = told(&named);
        let names = namespaces.lines().map(|name| {
            let name = name.trim_start_matches("namespace/");
            let columns = "--output=custom-columns=FIRST:.firstTimestamp,LAST:.lastTimestamp,TIMES:.count,OBJECT:.involvedObject.name,REASON:.reason,MESSAGE:.message";
            let of = ["--namespace", name, "--ignore-not-found"];
            let pods = told(&[&["get", "pods", "--output", "wide"], &of[..]].concat());
            let warned = ["get", "events", "--field-selector", "type=Warning", columns];
            let events = told(&[&warned, &of[..]].concat());
            format!("{name}\n{pods}{events}")
        });
        names.collect()
    }

    /// Deletes namespaces by their labels, without waiting for their end.
    pub(crate) fn delete_namespaces(labels: &str) {
        // Tidying up; a test says nothing by it.
        let _ = Command::new("kubectl")
            .args(["delete", "namespace", "--wait=false", "--selector", labels])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// The path of a kind's API group, and its name there.
fn resource(kind: &str) -> (&'static str, &'static str) {
    match kind.trim_end_matches('s') {
        "pod" => ("/api/v1", "pods"),
        "service" => ("/api/v1", "services"),
        "secret" => ("/api/v1", "secrets"),
        "configmap" => ("/api/v1", "configmaps"),
        "event" => ("/api/v1", "events"),
        "serviceaccount" => ("/api/v1", "serviceaccounts"),
        "resourcequota" => ("/api/v1", "resourcequotas"),
        "namespace" => ("/api/v1", "namespaces"),
        "node" => ("/api/v1", "nodes"),
        "deployment" => ("/apis/apps/v1", "deployments"),
        "replicaset" => ("/apis/apps/v1", "replicasets"),
        "horizontalpodautoscaler" => ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
        "ingress" | "ingresse" | "ingre" => ("/apis/networking.k8s.io/v1", "ingresses"),
        "networkpolicie" | "networkpolicy" => ("/apis/networking.k8s.io/v1", "networkpolicies"),
        "cronjob" => ("/apis/batch/v1", "cronjobs"),
        "job" => ("/apis/batch/v1", "jobs"),
        "ingressroute" => ("/apis/traefik.io/v1alpha1", "ingressroutes"),
        "middleware" => ("/apis/traefik.io/v1alpha1", "middlewares"),
        "endpointslice" => ("/apis/discovery.k8s.io/v1", "endpointslices"),
        other => panic!("the harness does not know the kind {other}; add it here"),
    }
}

/// What Kubernetes has at a path, and the path. A busy apiserver is asked again.
fn read(path: &str) -> (Value, String) {
    const TRIES: usize = 10;
    let mut last = String::new();
    for _ in 0..TRIES {
        match try_read(path) {
            Ok((status, text)) if status != 429 && status < 500 => {
                let object = serde_json::from_str(&text).unwrap_or(Value::Null);
                return (object, path.to_owned());
            }
            Ok((_, text)) => last = text,
            Err(error) => last = error.to_string(),
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    panic!("reading {path}: {last}")
}

fn try_read(path: &str) -> Result<(u16, String), ureq::Error> {
    let url = format!("{}{path}", proxy());
    let mut answer = ureq::get(&url)
        .config()
        .timeout_global(Some(Duration::from_secs(20)))
        .http_status_as_error(false)
        .build()
        .call()?;
    Ok((
        answer.status().as_u16(),
        answer.body_mut().read_to_string()?,
    ))
}

/// The address of a `kubectl proxy` that ends with the test binary.
fn proxy() -> &'static str {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        // It ends when the thread ends that started it: so that thread must stay.
        std::thread::spawn(move || {
            let mut child = Command::new("setpriv")
                .args([
                    "--pdeathsig",
                    "KILL",
                    "--",
                    "kubectl",
                    "proxy",
                    "--port",
                    "0",
                ])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .expect("kubectl proxy");
            let mut line = String::new();
            let stdout = child.stdout.take().expect("its output");
            BufReader::new(stdout)
                .read_line(&mut line)
                .expect("its address");
            let address = line
                .trim()
                .rsplit(' ')
                .next()
                .unwrap_or_default()
                .to_owned();
            sender
                .send(format!("http://{address}"))
                .expect("nobody waits for the proxy");
            // Panicking here would be seen by nobody; reads fail if it ends early.
            let _ = child.wait();
        });
        receiver.recv().expect("kubectl proxy did not start")
    })
}

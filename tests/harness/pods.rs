//! Pods as Kubernetes has them, and what they answer when they are asked directly.

use std::{
    io::Read,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{Answer, Kube, eventually, web::get_url};

/// One pod, as it was when it was looked at.
#[derive(Debug, Clone)]
pub struct Pod(pub Value);

impl Pod {
    /// The pods of a namespace that are not being stopped.
    pub fn all(namespace: &str) -> Vec<Pod> {
        let pods = Pod::also_stopping(namespace);
        pods.into_iter().filter(|pod| !pod.is_stopping()).collect()
    }

    /// The pods of a namespace, those that are being stopped among them.
    pub fn also_stopping(namespace: &str) -> Vec<Pod> {
        Kube::list("pods", namespace).into_iter().map(Pod).collect()
    }

    /// The same pod as it is now; `null` inside when it is gone.
    pub fn again(&self) -> Pod {
        Pod(Kube::get("pod", self.name(), self.namespace()))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// The namespace that it is in.
    pub fn namespace(&self) -> &str {
        self.0["metadata"]["namespace"].as_str().unwrap_or_default()
    }

    /// Which content of the pod template it was made from.
    pub fn version(&self) -> &str {
        self.label("hops.dev/version")
    }

    /// A label's value.
    pub fn label(&self, name: &str) -> &str {
        self.0["metadata"]["labels"][name]
            .as_str()
            .unwrap_or_default()
    }

    /// Whether somebody asked for its end.
    pub fn is_stopping(&self) -> bool {
        self.0["metadata"]["deletionTimestamp"].is_string()
    }

    /// Whether it gets traffic.
    pub fn is_ready(&self) -> bool {
        self.ready()["status"] == "True"
    }

    /// Since when it is ready or not, to the second.
    pub fn ready_since(&self) -> &str {
        self.ready()["lastTransitionTime"]
            .as_str()
            .unwrap_or_default()
    }

    fn ready(&self) -> &Value {
        let conditions = self.0["status"]["conditions"].as_array();
        conditions
            .and_then(|all| all.iter().find(|condition| condition["type"] == "Ready"))
            .unwrap_or(&Value::Null)
    }

    /// The author's container, as it was asked for.
    pub fn spec(&self) -> &Value {
        &self.0["spec"]["containers"][0]
    }

    /// The names of what starts before the author's container, and runs beside it.
    pub fn sidecars(&self) -> Vec<String> {
        let all = self.0["spec"]["initContainers"].as_array();
        let name = |one: &Value| one["name"].as_str().unwrap_or_default().to_owned();
        all.into_iter().flatten().map(name).collect()
    }

    /// One of those, as it was asked for; null when there is none of this name.
    pub fn sidecar(&self, name: &str) -> Value {
        let all = self.0["spec"]["initContainers"].as_array();
        let named = all.into_iter().flatten().find(|one| one["name"] == name);
        named.cloned().unwrap_or_default()
    }

    /// Ends its SQL proxy, which the kubelet starts again.
    fn kill_proxy(&self) {
        let kill = "kill -TERM 1; kill -QUIT 1";
        // The shell may end with the container before it can say that it has done it: the restart says so.
        let _ = Command::new("kubectl")
            .args([
                "exec",
                "-n",
                self.namespace(),
                self.name(),
                "-c",
                "sql-proxy",
            ])
            .args(["--", "sh", "-c", kill])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }

    /// Its address; empty while it has none.
    pub fn address(&self) -> &str {
        self.0["status"]["podIP"].as_str().unwrap_or_default()
    }

    /// The node that it was given to; nothing while there is none for it.
    pub fn node(&self) -> Option<&str> {
        self.0["spec"]["nodeName"].as_str()
    }

    /// Whether its container runs.
    pub fn is_running(&self) -> bool {
        self.container()["state"]["running"].is_object()
    }

    /// How often its container was restarted.
    pub fn restarts(&self) -> i64 {
        self.container()["restartCount"]
            .as_i64()
            .unwrap_or_default()
    }

    /// How often what runs beside its container was restarted.
    pub fn sidecar_restarts(&self) -> i64 {
        let all = self.0["status"]["initContainerStatuses"].as_array();
        let restarts = |one: &Value| one["restartCount"].as_i64().unwrap_or_default();
        all.into_iter().flatten().map(restarts).sum()
    }

    /// With what its container ended last.
    pub fn last_exit_code(&self) -> Option<i64> {
        self.container()["lastState"]["terminated"]["exitCode"].as_i64()
    }

    fn container(&self) -> &Value {
        &self.0["status"]["containerStatuses"][0]
    }

    /// `GET` at its own address: it answers also when it is not ready.
    pub async fn get(&self, path: &str) -> Answer {
        let address = self.address();
        let port = &self.spec()["ports"][0]["containerPort"];
        get_url(&format!("http://{address}:{port}{path}")).await
    }

    /// Lets `/health` answer with this status from now on; 0 is never.
    ///
    /// # Panics
    /// When the pod does not answer.
    pub async fn set_health(&self, status: u16) {
        let answer = self.get(&format!("/control/health?status={status}")).await;
        assert_eq!(answer.status, 200, "{}: {}", self.name(), answer.body);
    }

    /// What its container has written so far.
    pub fn log(&self) -> String {
        Kube::run(&["logs", self.name(), "--namespace", self.namespace()])
    }

    /// What its container writes, until long after its end.
    pub fn follow_log(&self) -> Watch {
        Watch::start(&[
            "logs",
            "--follow",
            self.name(),
            "--namespace",
            self.namespace(),
        ])
    }
}

/// A kubectl that goes on in the background. It ends when this is dropped.
pub struct Watch {
    child: Child,
    output: tempfile::NamedTempFile,
}

impl Watch {
    /// Starts it.
    ///
    /// # Panics
    /// When kubectl is not there.
    pub fn start(arguments: &[&str]) -> Watch {
        let output = tempfile::NamedTempFile::new().expect("a file");
        let child = Command::new("kubectl")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.reopen().expect("the file twice"))
            .spawn()
            .expect("kubectl");
        Watch { child, output }
    }

    /// What it printed so far.
    ///
    /// # Panics
    /// When the file cannot be read.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut file = self.output.reopen().expect("the file once more");
        file.read_to_string(&mut text).expect("kubectl's words");
        text
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends the SQL proxies of a namespace's pods, and waits until they are back.
pub async fn restart_proxies(namespace: &str) {
    for pod in Pod::all(namespace) {
        pod.kill_proxy();
    }
    eventually("the proxies are back", || async {
        let is_back = |pod: &Pod| pod.sidecar_restarts() > 0;
        Pod::all(namespace).iter().all(is_back).then_some(())
    })
    .await;
}

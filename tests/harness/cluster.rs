//! Kubernetes as an administrator sees it, by `kubectl`: what people would use to look.

use std::process::{Command, Stdio};

use serde_json::Value;

/// The cluster.
pub struct Kube;

impl Kube {
    /// The objects of a kind in a namespace.
    ///
    /// # Panics
    /// When Kubernetes does not answer.
    pub fn list(kind: &str, namespace: &str) -> Vec<Value> {
        let text = Kube::run(&["get", kind, "--namespace", namespace, "--output", "json"]);
        let list: Value = serde_json::from_str(&text).expect("JSON from kubectl");
        list["items"].as_array().cloned().unwrap_or_default()
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
    pub fn get(kind: &str, name: &str, namespace: &str) -> Value {
        let text = Kube::run(&[
            "get",
            kind,
            name,
            "--namespace",
            namespace,
            "--output",
            "json",
            "--ignore-not-found",
        ]);
        serde_json::from_str(&text).unwrap_or(Value::Null)
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

//! `hops plan`: what it prints is what the real apiserver takes.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tests::{Hops, Kube, unique};

/// A namespace that goes with the test.
struct Namespace(String);

impl Namespace {
    fn create(name: &str) -> Namespace {
        Kube::run(&["create", "namespace", name]);
        Namespace(name.to_owned())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Tidying up; the test says nothing by it.
        let _ = Command::new("kubectl")
            .args(["delete", "namespace", "--wait=false", &self.0])
            .output();
    }
}

/// Plans a repository as `app`, and gives back what the apiserver would make of it.
async fn taken(folder: &Path, app: &str, environment: &str) -> Vec<Value> {
    let hops = Hops::stranger();
    let folder_name = folder.display().to_string();
    let plan = ["plan", &folder_name, "-a", app, "-e", environment];
    let planned = hops.run(&plan).await.ok();
    let file = hops.home().join("objects.yaml");
    std::fs::write(&file, &planned.out).expect("a file");
    let file = file.display().to_string();
    let apply = [
        "apply",
        "--server-side",
        "--dry-run=server",
        "--output=json",
        "-f",
        &file,
    ];
    let answer: Value = serde_json::from_str(&Kube::run(&apply)).expect("JSON");
    answer["items"].as_array().cloned().unwrap_or_default()
}

/// The sample repositories.
fn samples() -> Vec<PathBuf> {
    let apps = Path::new(env!("CARGO_MANIFEST_DIR")).join("apps");
    let entries = std::fs::read_dir(apps).expect("the samples");
    let folders = entries.map(|entry| entry.expect("an entry").path());
    let mut samples: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    samples.sort();
    samples
}

#[tokio::test]
async fn the_plan_of_every_sample_is_taken() {
    let samples = samples();
    assert!(!samples.is_empty());
    for sample in samples {
        let app = unique("plan");
        for environment in ["prod", "snap3"] {
            let _namespace = Namespace::create(&format!("apps-{app}-{environment}"));
            let objects = taken(&sample, &app, environment).await;
            let kinds: Vec<&Value> = objects.iter().map(|object| &object["kind"]).collect();
            assert!(
                kinds.contains(&&Value::from("Deployment")),
                "{}: {kinds:?}",
                sample.display()
            );
        }
    }
}

#[tokio::test]
async fn the_plan_of_every_keys_fixture_is_taken() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/keys");
    let app = unique("fixture");
    let _namespace = Namespace::create(&format!("apps-{app}-prod"));
    for fixture in std::fs::read_dir(fixtures).expect("the fixtures") {
        let fixture = fixture.expect("an entry").path();
        let folder = tempfile::tempdir().expect("a folder");
        let write = |file: &str, text: &str| {
            let file = folder.path().join(file);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            std::fs::write(file, text).expect("a file");
        };
        let text = std::fs::read_to_string(&fixture).expect("a fixture");
        write("iterapp.toml", &text);
        for file in ["Dockerfile", "web/Dockerfile", "web/iterapp.toml"] {
            write(file, "");
        }
        let objects = taken(folder.path(), &app, "prod").await;
        let is_deployment = |object: &Value| object["kind"] == "Deployment";
        assert!(objects.iter().any(is_deployment), "{}", fixture.display());
    }
}

/// Every key that changes an object, at once.
const EVERY_KEY: &str = r#"
port = 8080
readiness_path = "/up"
liveness_path = "/alive"
domains = ["shop.example.com"]
from_to_www_redirect = true
command = "node server.js"
release_command = ["node", "migrate.js"]
grace_period = 60
emoji = "🧪"
[node_selector]
disktype = "ssd"
[requests]
cpu = "100m"
memory = "98Mi"
[limits]
memory = "1Gi"
[autoscale]
max = 5
[ingress]
paths = ["/api", { prefix = "/old", rewrite = "/new" }]
[cronjobs.tidy]
schedule = "0 3 * * *"
path = "/tidy"
headers = { Authorization = { encrypted = "c2VjcmV0" } }
[cronjobs.sweep]
schedule = "@daily"
command = "node sweep.js"
concurrency = "replace"
[env.common]
GREETING = "hello"
TOKEN = { secret = "tokens", key = "one" }
[experimental]
isolate-appling = "namespace"
[override.snap0]
worker = false
grace_period = 5
"#;

#[tokio::test]
async fn the_plan_of_every_key_at_once_is_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("Dockerfile"), "FROM x\n").expect("a file");
    std::fs::write(folder.path().join("iterapp.toml"), EVERY_KEY).expect("a file");
    let app = unique("keys");
    for environment in ["prod", "snap0"] {
        let _namespace = Namespace::create(&format!("apps-{app}-{environment}"));
        let objects = taken(folder.path(), &app, environment).await;
        for kind in [
            "Secret",
            "NetworkPolicy",
            "Service",
            "Deployment",
            "HorizontalPodAutoscaler",
            "Ingress",
            "CronJob",
            "Job",
        ] {
            let has = objects.iter().any(|object| object["kind"] == kind);
            assert!(has, "{environment}: {kind}");
        }
    }
}

#[tokio::test]
async fn what_yaml_could_take_for_something_else_stays_what_it_is() {
    let values = [
        "yes",
        "No",
        "on",
        "y",
        "~",
        "null",
        "true",
        "",
        "012",
        "0x1f",
        "1_000",
        "1:30",
        "1e3",
        ".inf",
        "2026-11-21",
        "<<",
        "=",
        "- a",
        "a: b",
        " # a ",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`",
        "{",
        "[",
        "'",
        "\"",
        "a\nb\n",
        "\t",
        "æøå 🧪",
        "\u{2028}\u{feff}",
        "a\u{202e}b",
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let lines = values
        .iter()
        .enumerate()
        .map(|(n, value)| format!("V{n} = {}\n", toml_string(value)));
    let text = format!("[env.common]\n{}", lines.collect::<String>());
    std::fs::write(folder.path().join("Dockerfile"), "FROM x\n").expect("a file");
    std::fs::write(folder.path().join("iterapp.toml"), text).expect("a file");
    let app = unique("yaml");
    let _namespace = Namespace::create(&format!("apps-{app}-test"));
    let objects = taken(folder.path(), &app, "test").await;
    let config_map = objects.iter().find(|object| object["kind"] == "ConfigMap");
    let data = &config_map.expect("a ConfigMap")["data"];
    for (n, value) in values.iter().enumerate() {
        let name = format!("V{n}");
        let found = data[&name].as_str();
        let found = found.unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(found, *value);
    }
}

/// A TOML string with every character escaped that could mean something.
fn toml_string(text: &str) -> String {
    let escaped = text
        .chars()
        .map(|c| format!("\\U{:08x}", u32::from(c)))
        .collect::<String>();
    format!("\"{escaped}\"")
}

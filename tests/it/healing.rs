//! What is changed behind the platform's back is put right; what is not the platform's is left
//! alone.

use std::time::Duration;

use serde_json::Value;
use tests::{App, Kube, Pod, Repo, SlowStep, eventually, eventually_within, setting, shared};

/// The issue's own limit for putting things right.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn deleted_services_and_hand_made_scales_are_put_right() {
    let app = shared().app("heal").await;
    app.push_live(&Repo::server("one", "").await).await;
    let namespace = app.namespace("test");
    services_come_back(&app).await;
    for replicas in ["5", "0"] {
        scale_comes_back(&app, replicas).await;
    }
    Kube::run(&["delete", "deployment", &app.name, "--namespace", &namespace]);
    eventually_within(SOON, "the Deployment is back", || async {
        let deployment = Kube::get("deployment", &app.name, &namespace);
        (deployment["spec"]["replicas"] == 2).then_some(())
    })
    .await;
    Kube::run(&["delete", "ingress", "--all", "--namespace", &namespace]);
    eventually_within(SOON, "the Ingress is back", || async {
        (Kube::names("ingress", &namespace) == [app.name.as_str()]).then_some(())
    })
    .await;
    eventually("two pods are ready again", || async {
        let pods = Pod::all(&namespace);
        (pods.iter().filter(|pod| pod.is_ready()).count() == 2).then_some(())
    })
    .await;
    assert_eq!(app.get("test", "/").await.json()["message"], "one");
}

async fn services_come_back(app: &App<'_>) {
    let namespace = app.namespace("test");
    let before = Kube::names("services", &namespace);
    assert_eq!(before, [app.name.as_str()]);
    Kube::run(&["delete", "service", "--all", "--namespace", &namespace]);
    eventually_within(SOON, "the Service is back", || async {
        (Kube::names("services", &namespace) == before).then_some(())
    })
    .await;
}

async fn scale_comes_back(app: &App<'_>, replicas: &str) {
    let namespace = app.namespace("test");
    let scaled = format!("--replicas={replicas}");
    Kube::run(&[
        "scale",
        "deployment",
        &app.name,
        &scaled,
        "--namespace",
        &namespace,
    ]);
    eventually_within(SOON, "the Deployment wants two pods again", || async {
        let deployment = Kube::get("deployment", &app.name, &namespace);
        (deployment["spec"]["replicas"] == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn healing_goes_on_while_an_image_is_built() {
    let app = shared().app("heal-build").await;
    let repo = Repo::server("one", "").await;
    app.push_live(&repo).await;
    let step = SlowStep::unique();
    repo.write("Dockerfile", &step.dockerfile("message", 60));
    repo.change("two").await;
    let url = app.push_url();
    let refs = ["HEAD:refs/heads/main"];
    repo.push_and_interrupt(&url, &app.platform.token, &refs, &step.mark)
        .await;
    step.runs(1).await;

    services_come_back(&app).await;
    scale_comes_back(&app, "5").await;

    let release = app.releases().await.swap_remove(0);
    assert_eq!(
        release["applings"][0]["state"], "building",
        "it was to be still building: {release}"
    );
    assert_eq!(app.get("test", "/").await.json()["message"], "one");
    assert_eq!(app.last_release().await.state(), "live");
    app.serves("test", "two").await;
}

#[tokio::test]
async fn an_edited_deployment_is_put_right() {
    let app = shared().app("heal-edit").await;
    app.push_live(&Repo::server("one", "[env.common]\nCOLOUR = \"blue\"").await)
        .await;
    let namespace = app.namespace("test");
    let before = template(&app);
    let versions = |pods: Vec<Pod>| {
        pods.iter()
            .map(|pod| pod.version().to_owned())
            .collect::<Vec<_>>()
    };
    let version = versions(Pod::all(&namespace)).swap_remove(0);

    let deployment = format!("deployment/{}", app.name);
    let image = format!("app={}/busybox", setting("HOPS_REGISTRY"));
    for edit in [
        ["image", &image],
        ["env", "COLOUR=red"],
        ["env", "ADDED=1"],
        ["env", "HOPS_ENV-"],
        ["resources", "--requests=cpu=1m"],
    ] {
        Kube::run(&[
            "set",
            edit[0],
            &deployment,
            edit[1],
            "--namespace",
            &namespace,
        ]);
        eventually_within(SOON, &format!("{edit:?} is undone"), || async {
            (template(&app) == before).then_some(())
        })
        .await;
    }

    eventually(
        "two pods of the release serve, and no others are left",
        || async {
            let pods = Pod::also_stopping(&namespace);
            let well = pods.iter().all(|pod| pod.is_ready() && !pod.is_stopping());
            (well && versions(pods) == [version.as_str(), version.as_str()]).then_some(())
        },
    )
    .await;
    let environment = app.get("test", "/env").await.json();
    assert_eq!(environment["COLOUR"], "blue");
    assert_eq!(environment["ADDED"], Value::Null);
}

fn template(app: &App<'_>) -> Value {
    let deployment = Kube::get("deployment", &app.name, &app.namespace("test"));
    deployment["spec"]["template"].clone()
}

#[tokio::test]
async fn a_deleted_namespace_is_made_again() {
    let app = shared().app("heal-all").await;
    app.push_live(&Repo::server("one", "replicas = 1").await)
        .await;
    let namespace = app.namespace("test");
    let before = Kube::get("namespace", &namespace, &namespace)["metadata"]["uid"].clone();
    Kube::run(&["delete", "namespace", &namespace]);
    eventually("everything is there again", || async {
        let now = Kube::get("namespace", &namespace, &namespace)["metadata"]["uid"].clone();
        let serves = now != before && Pod::all(&namespace).iter().any(Pod::is_ready);
        serves.then_some(())
    })
    .await;
    assert_eq!(app.get("test", "/").await.json()["message"], "one");
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let app = shared().app("heal-others").await;
    let repo = Repo::server("one", "").await;
    app.push_live(&repo).await;
    let namespace = app.namespace("test");
    let theirs = [
        ["configmap", "theirs"],
        ["service", "theirs"],
        ["deployment", "theirs"],
    ];
    Kube::run(&[
        "create",
        "configmap",
        "theirs",
        "--from-literal=a=b",
        "--namespace",
        &namespace,
    ]);
    Kube::run(&[
        "create",
        "service",
        "clusterip",
        "theirs",
        "--tcp=80",
        "--namespace",
        &namespace,
    ]);
    Kube::run(&[
        "create",
        "deployment",
        "theirs",
        "--image=theirs",
        "--replicas=0",
        "--namespace",
        &namespace,
    ]);
    // One that says of itself to be of the app, but of another platform.
    Kube::run(&[
        "label",
        "service",
        "theirs",
        "hops.dev/instance=another",
        "--namespace",
        &namespace,
    ]);
    let specs = || theirs.map(|[kind, name]| essence(&Kube::get(kind, name, &namespace)));
    let before = specs();
    assert!(before.iter().all(|(id, _)| id.is_string()), "{before:?}");

    scale_comes_back(&app, "3").await;
    repo.change("two").await;
    app.push_live(&repo).await;
    assert_eq!(specs(), before);
}

/// What identifies an object and what somebody wanted of it.
fn essence(object: &Value) -> (Value, Value) {
    let Value::Object(mut fields) = object.clone() else {
        return (Value::Null, Value::Null);
    };
    fields.remove("status");
    let uid = object["metadata"]["uid"].clone();
    fields.insert("metadata".to_owned(), object["metadata"]["labels"].clone());
    (uid, Value::Object(fields))
}

#[tokio::test]
async fn an_object_of_somebody_else_is_not_taken_over() {
    let app = shared().app("heal-name").await;
    let repo = Repo::server("one", "name = \"first\"\nreplicas = 1").await;
    app.push_live(&repo).await;
    let namespace = app.namespace("test");
    Kube::run(&[
        "create",
        "service",
        "clusterip",
        "second",
        "--tcp=80",
        "--namespace",
        &namespace,
    ]);
    let before = Kube::get("service", "second", &namespace);

    repo.write("iterapp.toml", "name = \"second\"\nreplicas = 1");
    repo.change("two").await;
    let pushed = app.push(&repo).await;

    let told =
        format!("the Service second in the namespace {namespace} was not made by this platform");
    assert!(pushed.remote().contains(&told), "{}", pushed.output);
    let release = app.last_release().await;
    assert_eq!(release.state(), "failed");
    assert!(release.reason().contains(&told), "{}", release.reason());
    assert_eq!(Kube::get("service", "second", &namespace), before);
    assert_eq!(app.get("test", "/").await.json()["message"], "one");
}

/// A namespace made by hand; it goes with the test.
struct Namespace(String);

impl Namespace {
    fn create(name: &str) -> Namespace {
        Kube::run(&["create", "namespace", name]);
        Namespace(name.to_owned())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        Kube::run(&["delete", "namespace", &self.0, "--wait=false"]);
    }
}

#[tokio::test]
async fn a_namespace_that_is_not_ours_is_refused() {
    let app = shared().app("heal-space").await;
    app.push_live(&Repo::server("one", "replicas = 1").await)
        .await;
    let nobodys = Namespace::create(&app.namespace("snap1"));
    let anothers = Namespace::create(&app.namespace("snap2"));
    let labels = ["hops.dev/instance=another", "hops.dev/environment=snap2"];
    let app_label = format!("hops.dev/app={}", app.name);
    Kube::run(&[
        "label",
        "namespace",
        &anothers.0,
        labels[0],
        labels[1],
        &app_label,
    ]);

    for (environment, namespace) in [("snap1", &nobodys.0), ("snap2", &anothers.0)] {
        let before = Kube::get("namespace", namespace, namespace);
        let release = app.deploy(environment, "main").await;
        assert_eq!(release.state(), "failed", "{}", release.0);
        let told = format!("the namespace {namespace}");
        assert!(release.reason().contains(&told), "{}", release.reason());
        let after = Kube::get("namespace", namespace, namespace);
        assert_eq!(essence(&after), essence(&before));
        for kind in ["deployments", "services", "ingresses"] {
            assert_eq!(Kube::names(kind, namespace), Vec::<String>::new());
        }
    }
}

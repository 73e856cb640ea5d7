//! The sample repositories under `tests/apps/`, pushed as they are.

use tests::{Answer, App, Kube, Pod, Repo, eventually, get, shared};

/// The answer at the ingress, which follows the cluster within moments, once it is as expected.
async fn until(host: &str, path: &str, expected: impl Fn(&Answer) -> bool) -> Answer {
    eventually(&format!("{host}{path} answers as expected"), || async {
        Some(get(host, path).await).filter(&expected)
    })
    .await
}

async fn log_has(app: &App<'_>, words: &str) {
    eventually(words, || async {
        let pods = Pod::all(&app.namespace("test"));
        pods.iter()
            .filter(|pod| pod.is_running())
            .any(|pod| pod.log().contains(words))
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_smallest_one_has_a_page() {
    let app = shared().app("hello").await;
    app.push_live(&Repo::sample("hello").await).await;
    let page = app.get("test", "/").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<!doctype html>"), "{}", page.body);
}

#[tokio::test]
async fn one_of_several_applings_is_inside_the_cluster_only() {
    let app = shared().app("several").await;
    app.push_live(&Repo::sample("several").await).await;
    let page = app.get_of("web", "test", "/").await;
    assert!(page.body.contains("The page."), "{}", page.body);
    let hidden = get(&app.host_of("api", "test"), "/status.json").await;
    assert_eq!(hidden.status, 404);
    let namespace = app.namespace("test");
    let web = Pod::all(&namespace)
        .into_iter()
        .find(|pod| pod.label("hops.dev/appling") == "web")
        .expect("a pod of web");
    let address = "http://api/status.json";
    let answer = Kube::run(&[
        "exec",
        "-n",
        &namespace,
        web.name(),
        "--",
        "wget",
        "-qO-",
        address,
    ]);
    assert!(answer.contains("well"), "{answer}");
}

#[tokio::test]
async fn a_worker_works_and_tidies_on_a_schedule() {
    let app = shared().app("worker").await;
    app.push_live(&Repo::sample("worker").await).await;
    log_has(&app, "working on 2").await;
    let namespace = app.namespace("test");
    assert_eq!(Kube::names("ingress", &namespace), [""; 0]);
    let job = eventually("its cron job is there", || async {
        Kube::names("cronjobs", &namespace).pop()
    })
    .await;
    // The schedule is not waited for: the same work, begun now.
    let from = format!("cronjob/{job}");
    Kube::run(&["create", "job", "-n", &namespace, "now", "--from", &from]);
    eventually("it has tidied up", || async {
        let selector = "job-name=now";
        let lines = Kube::run(&["logs", "-n", &namespace, "-l", selector, "--ignore-errors"]);
        lines.contains("tidied up").then_some(())
    })
    .await;
}

// Proves: X16
#[tokio::test]
async fn one_with_every_key_runs() {
    let app = shared().app("everykey").await;
    let release = app.push_live(&Repo::sample("every-key").await).await;
    let page = app.get("test", "/").await;
    assert_eq!(page.body.trim(), "hello, every key");
    until(&app.host("test"), "/v1/ready", |answer| {
        answer.body.trim() == "ready"
    })
    .await;
    let log = app.log(&release).await;
    assert!(log.contains("releasing every key"), "{log}");
    assert!(log.contains("[web] 🧪 live: "), "{log}");
    let pods = Pod::all(&app.namespace("test"));
    let pod = pods
        .iter()
        .find(|pod| pod.label("hops.dev/appling") == "web");
    let pod = pod.expect("a pod of the appling");
    let resources = &pod.spec()["resources"];
    assert_eq!(resources["requests"]["cpu"], "10m");
    assert_eq!(resources["limits"]["memory"], "128Mi");
    assert_eq!(pod.spec()["livenessProbe"]["httpGet"]["path"], "/alive");
    let deployment = Kube::get("deployment", "web", &app.namespace("test"));
    assert_eq!(deployment["spec"]["replicas"], 1);

    app.deploy("prod", "main").await;
    let prod = app.namespace("prod");
    let autoscaler = Kube::get("horizontalpodautoscaler", "web", &prod);
    assert_eq!(autoscaler["spec"]["maxReplicas"], 4);
    let requested = "/spec/template/spec/containers/0/resources/requests/cpu";
    let overridden = Kube::get("deployment", "web", &prod);
    assert_eq!(overridden.pointer(requested), Some(&"50m".into()));
    until("www.every-key.example.com", "/", |answer| {
        answer.body.trim() == "hello, every key"
    })
    .await;
    let redirects = |answer: &Answer| (300..400).contains(&answer.status);
    let apex = until("every-key.example.com", "/a?b=c", redirects).await;
    let place = apex.header("location").unwrap_or_default();
    assert!(
        place.contains("//www.every-key.example.com") && place.ends_with("/a?b=c"),
        "{place}"
    );
}

/// Not of a sample: what editors know of all of them.
#[tokio::test]
async fn the_schema_is_served_to_everybody() {
    let url = format!("{}/schemas/iterapp.json", shared().url);
    let answer = reqwest::get(&url).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let schema: serde_json::Value = answer.json().await.expect("JSON");
    assert_eq!(schema["properties"]["port"]["default"], 3000);
}

//! Work on a schedule: calls of a path, and commands in the appling's image.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{App, Kube, Repo, client, eventually, eventually_within, shared};

/// Kubernetes starts a run at the next full minute, and its pod takes a while.
const A_RUN: Duration = Duration::from_secs(150);

/// Each runs every minute: one calls, one is answered 500, and one is a command.
fn file(app: &App<'_>) -> String {
    format!(
        r#"
        replicas = 1
        [env.common]
        GREETING = "hello"
        [cronjobs.tidy]
        schedule = "* * * * *"
        path = "/collect/tidy"
        [cronjobs.tidy.headers]
        Authorization = 'Bearer open "sesame" \ $(id)'
        X-Empty = ""
        [cronjobs.broken]
        schedule = "* * * * *"
        path = "/broken"
        [cronjobs.report]
        schedule = "* * * * *"
        command = ["ask", "http://{name}/collect/report"]
        concurrency = "replace"
        "#,
        name = app.name
    )
}

#[tokio::test]
async fn cron_jobs_call_their_path_with_their_headers_and_run_their_command() {
    let app = shared().app("cron").await;
    let namespace = app.namespace("test");
    let repo = Repo::server("one", &file(&app)).await;
    app.push_live(&repo).await;
    app.get("test", "/").await;
    let names = ["broken", "report", "tidy"].map(|name| format!("{}-{name}", app.name));
    let there = || async { (Kube::names("cronjobs", &namespace) == names).then_some(()) };
    eventually("there is a CronJob for each", there).await;
    for (name, policy) in names.iter().zip(["Forbid", "Replace", "Forbid"]) {
        let cronjob = Kube::get("cronjob", name, &namespace);
        assert_eq!(cronjob["spec"]["concurrencyPolicy"], policy, "{name}");
    }

    let call = collected(&app, "/collect/tidy").await;
    assert_eq!(call["method"], "GET");
    let headers = &call["headers"];
    assert_eq!(
        headers["Authorization"],
        json!([r#"Bearer open "sesame" \ $(id)"#])
    );
    assert_eq!(headers["X-Empty"], json!([""]));
    let report = collected(&app, "/collect/report").await;
    assert_eq!(report["headers"]["X-Greeting"], json!(["hello"]));

    a_failed_run_is_told(&app).await;
    pods_of_runs_are_none_of_the_applings(&app).await;
    // Header values are in Secrets, and nowhere else.
    for kind in ["cronjobs", "jobs", "pods"] {
        let all = Kube::list(kind, &namespace);
        assert!(!all.is_empty());
        assert!(!format!("{all:?}").contains("sesame"), "{kind}");
    }

    repo.write("iterapp.toml", "replicas = 1\n");
    repo.commit("no cron jobs").await;
    app.push_live(&repo).await;
    let gone = || async {
        let left = ["cronjobs", "jobs"].map(|kind| Kube::names(kind, &namespace));
        let secrets = Kube::names("secrets", &namespace);
        let of_cron = secrets.iter().any(|name| name.starts_with("cron-"));
        (left.concat().is_empty() && !of_cron).then_some(())
    };
    eventually("the cron jobs, their runs and their secrets are gone", gone).await;
}

/// The first request that the appling got at a path.
async fn collected(app: &App<'_>, path: &str) -> Value {
    let called = || async {
        let all = app.get("test", "/collected").await.json();
        let mut all = all.as_array().cloned().unwrap_or_default().into_iter();
        all.find(|call| call["path"] == path)
    };
    eventually_within(A_RUN, &format!("{path} is called"), called).await
}

/// A call that was answered 500 is a failed Job, tried once, and its log says what was answered.
async fn a_failed_run_is_told(app: &App<'_>) {
    let namespace = app.namespace("test");
    let cronjob = |object: &Value| object["metadata"]["labels"]["hops.dev/cronjob"].clone();
    let failed = || async {
        let mut jobs = Kube::list("jobs", &namespace).into_iter();
        jobs.find(|job| cronjob(job) == "broken" && job["status"]["failed"] == 1)
    };
    eventually_within(A_RUN, "a run of the broken one has failed", failed).await;
    let jobs = Kube::list("jobs", &namespace);
    let others = jobs.iter().filter(|job| cronjob(job) != "broken");
    for job in others {
        assert!(job["status"]["failed"].is_null(), "{job}");
    }
    for told in ["out of order", "500 in ", "200 in ", "answered 200"] {
        let is_told = || async { lines(app).await.contains(told).then_some(()) };
        eventually(told, is_told).await;
    }
}

/// What the environment's pods have written.
async fn lines(app: &App<'_>) -> String {
    let request = client()
        .get(format!(
            "{}/api/apps/{}/environments/test/logs",
            app.platform.url, app.name
        ))
        .bearer_auth(&app.platform.token);
    let answer = request.send().await.expect("the API");
    answer.text().await.expect("text")
}

/// No Service sends to them, and the platform does not count them.
async fn pods_of_runs_are_none_of_the_applings(app: &App<'_>) {
    let slices = Kube::list("endpointslices", &app.namespace("test"));
    for slice in &slices {
        let endpoints = slice["endpoints"].as_array().map_or(0, Vec::len);
        assert_eq!(endpoints, 1, "{slice}");
    }
    let status = app.status().await;
    let appling = &status["environments"][0]["applings"][0];
    assert_eq!(appling["ready"], 1, "{status}");
}

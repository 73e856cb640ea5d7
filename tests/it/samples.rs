//! The sample repositories under `tests/apps/`, pushed as they are.

use std::path::Path;

use tests::{App, Kube, Pod, Repo, eventually, shared};

/// A repository with a sample's files.
async fn sample(name: &str) -> Repo {
    let repo = Repo::empty().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("apps")
        .join(name);
    copy(&root, repo.path());
    repo.commit(name).await;
    repo
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

async fn log_has(app: &App<'_>, words: &str) {
    eventually(words, || async {
        let pods = Pod::all(&app.namespace("test"));
        pods.iter()
            .any(|pod| pod.log().contains(words))
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_smallest_one_has_a_page() {
    let app = shared().app("hello").await;
    app.push_live(&sample("hello").await).await;
    let page = app.get("test", "/").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<!doctype html>"), "{}", page.body);
}

#[tokio::test]
async fn one_of_several_applings_is_inside_the_cluster_only() {
    let app = shared().app("several").await;
    app.push_live(&sample("several").await).await;
    let page = app.get_of("web", "test", "/").await;
    assert!(page.body.contains("The page."), "{}", page.body);
    assert_eq!(app.get_of("api", "test", "/status.json").await.status, 404);
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
    app.push_live(&sample("worker").await).await;
    log_has(&app, "working on 2").await;
    let namespace = app.namespace("test");
    assert_eq!(Kube::names("ingress", &namespace), [""; 0]);
    // Not waited for: the same work, begun now.
    let [job] = &Kube::names("cronjob", &namespace)[..] else {
        panic!("one cron job");
    };
    let from = format!("cronjob/{job}");
    Kube::run(&["create", "job", "-n", &namespace, "now", "--from", &from]);
    eventually("it has tidied up", || async {
        let selector = "job-name=now";
        let lines = Kube::run(&["logs", "-n", &namespace, "-l", selector, "--ignore-errors"]);
        lines.contains("tidied up").then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_with_every_key_runs() {
    let app = shared().app("everykey").await;
    let release = app.push_live(&sample("every-key").await).await;
    assert_eq!(
        app.get_of("web", "test", "/").await.status,
        404,
        "its only appling needs no name"
    );
    let page = app.get("test", "/").await;
    assert_eq!(page.body.trim(), "hello, every key");
    assert_eq!(app.get("test", "/v1/ready").await.body.trim(), "ready");
    assert!(app.log(&release).await.contains("releasing every key"));
    let [pod] = &Pod::all(&app.namespace("test"))[..] else {
        panic!("one pod in test");
    };
    let resources = &pod.spec()["containers"][0]["resources"];
    assert_eq!(resources["requests"]["cpu"], "10m");
    assert_eq!(resources["limits"]["memory"], "128Mi");

    app.deploy("prod", "main").await;
    let prod = app.namespace("prod");
    let autoscaler = Kube::get("horizontalpodautoscaler", "web", &prod);
    assert_eq!(autoscaler["spec"]["maxReplicas"], 4);
    let domain = tests::get("www.every-key.example.com", "/").await;
    assert_eq!(domain.body.trim(), "hello, every key");
    let apex = tests::get("every-key.example.com", "/a?b=c").await;
    assert!((300..400).contains(&apex.status), "{}", apex.status);
    let place = apex.header("location").unwrap_or_default();
    assert!(
        place.contains("//www.every-key.example.com") && place.ends_with("/a?b=c"),
        "{place}"
    );
}

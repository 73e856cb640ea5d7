//! `hops diff`: what a release would change, from the apiserver's own dry run.

use serde_json::Value;
use tests::{App, Hops, Kube, Repo, shared};

const GREETING: &str = "replicas = 1\n[env.common]\nGREETING = \"hello\"\n";

/// An app that serves in test with a variable, and its user.
async fn serving(prefix: &str) -> (App<'static>, Repo, Hops) {
    let app = shared().app(prefix).await;
    let repo = Repo::server("one", GREETING).await;
    app.push_live(&repo).await;
    (app, repo, Hops::of(shared()))
}

/// Puts a file on a branch that no environment follows.
async fn on_branch(app: &App<'_>, repo: &Repo, branch: &str, iterapp: &str) {
    repo.write("iterapp.toml", iterapp);
    repo.commit(branch).await;
    let pushed = app
        .push_refs(repo, &[&format!("HEAD:refs/heads/{branch}")])
        .await;
    assert!(pushed.ok, "{}", pushed.output);
}

/// Everything of an environment that a release could have changed.
fn everything(namespace: &str) -> Vec<(String, Value)> {
    let kinds = [
        "deployments",
        "replicasets",
        "services",
        "ingresses",
        "secrets",
        "pods",
    ];
    let objects = kinds.iter().flat_map(|kind| Kube::list(kind, namespace));
    let version = |object: Value| {
        let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
        (name, object["metadata"]["resourceVersion"].clone())
    };
    objects.map(version).collect()
}

#[tokio::test]
async fn right_after_a_release_nothing_would_change() {
    let (app, _repo, hops) = serving("same").await;
    let diff = hops.run(&["diff", "-a", &app.name, "-e", "test"]).await;
    assert_eq!((diff.code, diff.out.as_str()), (0, ""), "{}", diff.err);
    assert!(
        diff.err.contains("main would change nothing"),
        "{}",
        diff.err
    );
    let diff = hops
        .run(&["diff", "-a", &app.name, "-e", "test", "--json"])
        .await
        .ok();
    assert_eq!(diff.json()["objects"], Value::Array(Vec::new()));
    assert_eq!(diff.json()["builds"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn one_changed_variable_is_one_line_and_nothing_is_changed_by_asking() {
    let (app, repo, hops) = serving("line").await;
    on_branch(
        &app,
        &repo,
        "feature",
        &GREETING.replace("hello", "welcome"),
    )
    .await;
    let (before, releases) = (
        everything(&app.namespace("test")),
        app.releases().await.len(),
    );
    let diff = hops
        .run(&["diff", "-a", &app.name, "-e", "test", "-r", "feature"])
        .await;
    assert_eq!(diff.code, 1, "{}", diff.err);
    let line = format!(
        "~ ConfigMap {}-env data.GREETING: \"hello\" → \"welcome\"\n",
        app.name
    );
    assert_eq!(diff.out, line);
    assert!(diff.err.contains("an image is to be built"), "{}", diff.err);
    assert_eq!(everything(&app.namespace("test")), before);
    assert_eq!(app.releases().await.len(), releases);
    // What it said is what comes true.
    assert_eq!(app.deploy("test", "feature").await.state(), "live");
    let diff = hops
        .run(&["diff", "-a", &app.name, "-e", "test", "-r", "feature"])
        .await;
    assert_eq!((diff.code, diff.out.as_str()), (0, ""), "{}", diff.err);
}

#[tokio::test]
async fn what_would_be_made_and_what_would_go_is_told() {
    let (app, repo, hops) = serving("made").await;
    let a = app.name.as_str();
    // An environment that never had a release: everything is new, and nothing is made by asking.
    let diff = hops.run(&["diff", "-a", a, "-e", "prod"]).await;
    assert_eq!(diff.code, 1, "{}", diff.err);
    let namespace = app.namespace("prod");
    for line in [
        format!("+ Namespace {namespace}\n"),
        format!("+ Deployment {a}\n"),
        format!("+ Ingress {a}\n"),
        format!("+ Service {a}\n"),
    ] {
        assert!(diff.out.contains(&line), "{}", diff.out);
    }
    assert!(Kube::get("namespace", &namespace, "").is_null());
    // Two applings instead of one: the old one's objects go.
    for (folder, extra) in [("web", ""), ("api", "[ingress]\ndisable = true\n")] {
        repo.write(
            &format!("{folder}/Dockerfile"),
            &tests::dockerfile("message"),
        );
        let iterapp = format!("replicas = 1\n{extra}");
        repo.write(&format!("{folder}/iterapp.toml"), &iterapp);
    }
    on_branch(&app, &repo, "split", "applings = [\"web\", \"api\"]\n").await;
    let diff = hops
        .run(&["diff", "-a", a, "-e", "test", "-r", "split"])
        .await;
    assert_eq!(diff.code, 1, "{}", diff.err);
    for line in [
        "+ Deployment web\n".to_owned(),
        "+ Deployment api\n".to_owned(),
        format!("- Deployment {a}\n"),
        format!("- Ingress {a}\n"),
    ] {
        assert!(diff.out.contains(&line), "{}", diff.out);
    }
    assert!(!diff.out.contains("Ingress api"), "{}", diff.out);
}

#[tokio::test]
async fn what_would_be_refused_is_told_with_the_reason() {
    let (app, repo, hops) = serving("refused").await;
    let a = app.name.as_str();
    let namespace = app.namespace("test");
    let foreign = ["create", "service", "clusterip", "api", "--tcp=80", "-n"];
    Kube::run(&[&foreign[..], &[&namespace]].concat());
    repo.write("api/Dockerfile", &tests::dockerfile("message"));
    repo.write("api/iterapp.toml", "replicas = 1\n");
    on_branch(
        &app,
        &repo,
        "split",
        "applings = [\".\", \"api\"]\nreplicas = 1\n",
    )
    .await;
    let diff = hops
        .run(&["diff", "-a", a, "-e", "test", "-r", "split"])
        .await;
    assert_eq!(diff.code, 1, "{}", diff.err);
    assert!(
        diff.out
            .contains("! Service api: the Service api in the namespace"),
        "{}",
        diff.out
    );
    assert!(diff.out.contains("+ Deployment api\n"), "{}", diff.out);
}

#[tokio::test]
async fn files_with_mistakes_and_unknown_refs_give_no_answer() {
    let (app, repo, hops) = serving("wrong").await;
    on_branch(&app, &repo, "wrong", "prot = 80\n").await;
    let a = app.name.as_str();
    let diff = hops
        .run(&["diff", "-a", a, "-e", "test", "-r", "wrong"])
        .await;
    assert_eq!((diff.code, diff.out.as_str()), (4, ""));
    assert!(diff.err.contains("there is no key `prot`"), "{}", diff.err);
    let diff = hops
        .run(&["diff", "-a", a, "-e", "test", "-r", "gone"])
        .await;
    assert_eq!((diff.code, diff.out.as_str()), (4, ""));
    assert!(
        diff.err.contains("no branch, tag or commit `gone`"),
        "{}",
        diff.err
    );
}

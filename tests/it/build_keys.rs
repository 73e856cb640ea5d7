//! `[build]`: what an image is made of, and when it stays.

use serde_json::Value;
use tests::{App, Kube, Pod, Repo, dockerfile, eventually, server_image, shared};

/// Waits until the stage, the argument and the commit that the image was built with are these: for a
/// moment after a release is live the pod before, which is being ended, may still get a request.
async fn image_says(app: &App<'_>, wanted: [&str; 3]) {
    let said = || async {
        let mut seen = Vec::new();
        for path in ["/stage", "/greeting", "/sha"] {
            seen.push(app.file("test", path).await.trim().to_owned());
        }
        (seen == wanted).then_some(())
    };
    eventually(&format!("the image says {wanted:?}"), said).await;
}

/// Two stages, of which neither is the other's base; each leaves its name and an argument.
fn stages() -> String {
    let server = server_image();
    format!(
        "FROM busybox AS work\nARG GREETING=none\nARG HOPS_GIT_SHA\n\
         RUN echo \"$GREETING\" > /greeting && echo \"$HOPS_GIT_SHA\" > /sha && echo slim > /slim && echo full > /full\n\
         FROM {server} AS slim\nCOPY --from=work /greeting /sha /\nCOPY --from=work /slim /stage\n\
         FROM {server} AS full\nCOPY --from=work /greeting /sha /\nCOPY --from=work /full /stage\n"
    )
}

#[tokio::test]
async fn dockerfile_target_and_args_are_seen_in_the_running_image() {
    let app = shared().app("keys").await;
    let repo = Repo::empty().await;
    repo.write("docker/web.Dockerfile", &stages());
    repo.write(
        "iterapp.toml",
        "replicas = 1\n[build]\ndockerfile = \"docker/web.Dockerfile\"\n",
    );
    let one = repo.commit("the defaults").await;
    app.push_live(&repo).await;
    image_says(&app, ["full", "none", &one]).await;

    let text = "replicas = 1\n[build]\ndockerfile = \"docker/web.Dockerfile\"\ntarget = \"slim\"\n\
                args = { GREETING = \"hi $USER ${x}\" }\n";
    repo.write("iterapp.toml", text);
    let two = repo.commit("a stage and an argument").await;
    app.push_live(&repo).await;
    image_says(&app, ["slim", "hi $USER ${x}", &two]).await;
}

#[tokio::test]
async fn a_failing_build_points_at_its_own_dockerfile() {
    let app = shared().app("places").await;
    let repo = Repo::empty().await;
    let file = "replicas = 1\n[build]\ndockerfile = \"docker/web.Dockerfile\"\n";
    repo.write("iterapp.toml", file);
    repo.write(
        "docker/web.Dockerfile",
        "FROM busybox\nRUN true\nRUN exit 7\n",
    );
    repo.commit("fails").await;
    let pushed = app.push(&repo).await;
    let reason = app.last_release().await.reason().to_owned();
    for text in ["ended with exit code 7", "--> docker/web.Dockerfile:3"] {
        assert!(
            reason.contains(text),
            "{text:?} is missing: {}",
            pushed.output
        );
    }
    repo.write("docker/web.Dockerfile", &stages());
    repo.write("iterapp.toml", &format!("{file}target = \"fat\"\n"));
    repo.commit("no such stage").await;
    let pushed = app.push(&repo).await;
    let reason = app.last_release().await.reason().to_owned();
    assert!(reason.contains("target stage \"fat\""), "{}", pushed.output);
}

/// Waits until a host is answered by the version of a commit.
async fn runs(app: &App<'_>, host: &str, commit: &str) -> Value {
    let answered = || async {
        let answer = tests::get(host, "/").await.json();
        (answer["sha"] == commit).then_some(answer)
    };
    eventually(&format!("{} runs {commit} at {host}", app.name), answered).await
}

/// Two applings, of which `web` watches its folder and a shared one.
async fn watching() -> Repo {
    let repo = Repo::empty().await;
    repo.write("iterapp.toml", "applings = [\"web\", \"api\"]\n");
    for appling in ["web", "api"] {
        let message = format!("{appling}/message");
        let shared = "COPY shared/lib /shared\n";
        let text = dockerfile(&message) + if appling == "web" { shared } else { "" };
        repo.write(&format!("{appling}/Dockerfile"), &text);
        repo.write(&message, "one");
    }
    web(&repo, "one");
    repo.write("api/iterapp.toml", "replicas = 1\n");
    repo.write("shared/lib", "one");
    repo
}

/// The file of the appling that watches.
fn web(repo: &Repo, word: &str) {
    let text = format!(
        "replicas = 1\n[build]\nwatch = [\"web/message\", \"shared/**\"]\n[env.common]\nWORD = \"{word}\"\n"
    );
    repo.write("web/iterapp.toml", &text);
}

fn pods_of(app: &App<'_>, appling: &str) -> Vec<String> {
    let pods = Pod::all(&app.namespace("test"));
    let of_appling = pods
        .iter()
        .filter(|pod| pod.label("hops.dev/appling") == appling);
    of_appling.map(|pod| pod.name().to_owned()).collect()
}

/// What the Deployment of an appling is to run.
fn container(app: &App<'_>, appling: &str) -> Value {
    let deployment = Kube::get("deployment", appling, &app.namespace("test"));
    deployment["spec"]["template"]["spec"]["containers"][0].clone()
}

// Proves: K29
#[tokio::test]
async fn an_appling_of_which_nothing_watched_changes_keeps_its_image_and_its_pods() {
    let app = shared().app("stays").await;
    let repo = watching().await;
    let one = repo.commit("one").await;
    let first = app.push_live(&repo).await;
    let image = first.appling("web")["image"].clone();
    let (host, api) = (app.host_of("web", "test"), app.host_of("api", "test"));
    runs(&app, &host, &one).await;
    let (pods, before) = (pods_of(&app, "web"), container(&app, "web"));

    // Other files: everything stays, and says of which commit it is. What watches nothing is built.
    repo.write("api/message", "two");
    repo.write("README.md", "two");
    let two = repo.commit("only others").await;
    let pushed = app.push(&repo).await;
    let second = app.last_release().await;
    assert_eq!(second.state(), "live", "{}", pushed.output);
    let stays = format!(
        "[web] nothing it watches has changed since {}, its image stays",
        &one[..8]
    );
    assert!(pushed.remote().contains(&stays), "{}", pushed.output);
    assert!(
        !pushed.remote().contains("[web] #"),
        "an old log is told: {}",
        pushed.output
    );
    assert_eq!(second.appling("web")["image"], image);
    assert_ne!(
        second.appling("api")["image"],
        first.appling("api")["image"]
    );
    runs(&app, &api, &two).await;
    runs(&app, &host, &one).await;
    assert_eq!(pods_of(&app, "web"), pods);
    assert_eq!(container(&app, "web"), before);
    assert_eq!(app.builds().await, 3);

    // Configuration takes effect without a build: the same image and commit, in new pods.
    web(&repo, "two");
    repo.commit("a variable").await;
    let third = app.push_live(&repo).await;
    assert_eq!(third.appling("web")["image"], image);
    let seen = || async {
        let env = tests::get(&host, "/env").await.json();
        (env["WORD"] == "two").then_some(env)
    };
    let env = eventually("the variable is seen", seen).await;
    assert_eq!(env["HOPS_GIT_SHA"], one);

    // What is watched, by its folder or by being the Dockerfile, is built.
    repo.write("shared/lib", "two");
    let four = repo.commit("a shared file").await;
    let fourth = app.push_live(&repo).await;
    assert_ne!(fourth.appling("web")["image"], image);
    runs(&app, &host, &four).await;
    let is_two = || async {
        let shared = app.get_of("web", "test", "/file?path=/shared").await.body;
        (shared == "two").then_some(())
    };
    eventually("the shared file is the new one", is_two).await;
    repo.write("web/Dockerfile", &dockerfile("web/message"));
    let five = repo.commit("the Dockerfile").await;
    app.push_live(&repo).await;
    runs(&app, &host, &five).await;
    repo.write(".dockerignore", "*.md\n");
    let six = repo.commit("the ignore file").await;
    app.push_live(&repo).await;
    runs(&app, &host, &six).await;
}

// The base is the environment's own last good version, also over a history that was rewritten.
#[tokio::test]
async fn what_counts_is_what_serves_in_that_environment() {
    let app = shared().app("base").await;
    let repo = watching().await;
    repo.write("web/Dockerfile", &dockerfile("web/message"));
    let one = repo.commit("one").await;
    app.push_live(&repo).await;
    app.deploy("snap0", "main").await;
    repo.write("web/message", "broken");
    repo.write("web/Dockerfile", "FROM busybox\nRUN exit 7\n");
    repo.commit("a build that fails").await;
    app.push(&repo).await;
    assert_eq!(app.last_release().await.state(), "failed");

    // The tip goes back to where web was, beside the history so far.
    repo.git(&["checkout", "--quiet", "--orphan", "fresh"])
        .await;
    repo.write("web/message", "one");
    repo.write("web/Dockerfile", &dockerfile("web/message"));
    repo.write("api/message", "two");
    let two = repo.commit("rewritten").await;
    app.push_refs(&repo, &["+HEAD:refs/heads/main"]).await;
    assert_eq!(app.last_release().await.state(), "live");
    let host = app.host_of("web", "test");
    assert_eq!(runs(&app, &host, &one).await["message"], "one");
    runs(&app, &app.host_of("api", "test"), &two).await;

    repo.write("web/message", "three");
    let three = repo.commit("three").await;
    app.push_live(&repo).await;
    runs(&app, &host, &three).await;
    // There, the last good version is the first one still.
    let snap = app.host_of("web", "snap0");
    app.deploy("snap0", &two).await;
    runs(&app, &snap, &one).await;
    app.deploy("snap0", &three).await;
    runs(&app, &snap, &three).await;
}

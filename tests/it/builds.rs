//! Builds: what is in the image, and what an author is told whose commit cannot be built.

use tests::{
    App, Hops, Kube, Pushed, Repo, dockerfile, image_config, server_image, shared, want_base_image,
};

/// One small appling, quick to roll out.
const ONE_POD: &str = "replicas = 1\n";

// Proves: H09 H14
#[tokio::test]
async fn the_image_is_built_from_the_dockerfile() {
    let app = shared().app("docker").await;
    let repo = Repo::server("one", ONE_POD).await;
    repo.write("other", "from another file");
    repo.commit("with another file").await;
    app.push_live(&repo).await;
    app.serves("test", "one").await;
    repo.write("Dockerfile", &dockerfile("other"));
    repo.commit("another Dockerfile").await;
    let release = app.push_live(&repo).await;
    app.serves("test", "from another file").await;
    let image = release.appling(&app.name)["image"].as_str();
    let config = image_config(image.expect("an image")).await;
    assert_eq!(config["os"], "linux");
    assert_eq!(config["architecture"], "amd64");
    let pods = Kube::list("pods", &app.namespace("test"));
    assert!(
        pods.iter()
            .any(|pod| pod["spec"]["containers"][0]["image"] == image.unwrap_or_default()),
        "no pod runs {image:?}"
    );
}

// Proves: H13 X17
#[tokio::test]
async fn buildkits_mounts_and_the_commit_are_there_at_build_time() {
    let app = shared().app("mounts").await;
    let repo = Repo::server("one", ONE_POD).await;
    let text = format!(
        "# syntax=docker/dockerfile:1\n\
         FROM busybox AS work\n\
         ARG HOPS_GIT_SHA\n\
         RUN --mount=type=cache,id={},target=/cache echo $HOPS_GIT_SHA >> /cache/shas && mkdir /out \\\n\
           && cp /cache/shas /out/shas && echo $HOPS_GIT_SHA > /out/sha\n\
         FROM {}\n\
         COPY --from=work /out /out\n",
        app.name,
        server_image()
    );
    repo.write("Dockerfile", &text);
    let one = repo.commit("one").await;
    app.push_live(&repo).await;
    commit_is(&app, &one).await;
    app.file_is("test", "/out/shas", &format!("{one}\n")).await;
    let two = repo.commit("two").await;
    app.push_live(&repo).await;
    commit_is(&app, &two).await;
    // What the first build left in the cache, the second one found there.
    app.file_is("test", "/out/shas", &format!("{one}\n{two}\n"))
        .await;
}

/// The commit at build time, and the one at run time.
async fn commit_is(app: &App<'_>, commit: &str) {
    let seen = || async {
        let answer = tests::get(&app.host("test"), "/env").await.json();
        (answer["HOPS_GIT_SHA"] == commit).then_some(answer)
    };
    let env = tests::eventually(&format!("{commit} runs"), seen).await;
    assert_eq!(env["HOPS_ENV"], "test");
    app.file_is("test", "/out/sha", &format!("{commit}\n"))
        .await;
}

// The example of the documentation: static files behind nginx, added by their path from the root.
// Proves: X05
#[tokio::test]
async fn the_documentations_nginx_example_builds() {
    want_base_image("nginx").await;
    let app = shared().app("nginx").await;
    let repo = Repo::empty().await;
    repo.write(
        "iterapp.toml",
        "applings = [\n  \"appling-a\",\n  \"appling-b\",\n]\n",
    );
    for appling in ["appling-a", "appling-b"] {
        let text = format!("FROM nginx\nADD {appling}/public /usr/share/nginx/html\n");
        repo.write(&format!("{appling}/Dockerfile"), &text);
        let file = "port = 80\nreadiness_path = \"/\"\nreplicas = 1\n";
        repo.write(&format!("{appling}/iterapp.toml"), file);
        let page = format!("<h1>{appling}</h1>\n");
        repo.write(&format!("{appling}/public/index.html"), &page);
    }
    repo.commit("two sites").await;
    app.push_live(&repo).await;
    for appling in ["appling-a", "appling-b"] {
        let page = app.get_of(appling, "test", "/").await;
        assert_eq!(page.body, format!("<h1>{appling}</h1>\n"));
        let server = page.header("server").unwrap_or_default();
        assert!(server.starts_with("nginx"), "{server} answers");
    }
}

/// An app that serves `one`, and whose next push is one that fails.
async fn serving(prefix: &str) -> (App<'static>, Repo) {
    let app = shared().app(prefix).await;
    let repo = Repo::server("one", ONE_POD).await;
    app.push_live(&repo).await;
    app.serves("test", "one").await;
    (app, repo)
}

/// The push was stored, its release failed for this reason, which is told once to the pusher and
/// in the status; the version before serves on, untouched.
async fn failed_and_told_once(app: &App<'_>, before: &Kept, pushed: &Pushed, reason: &[&str]) {
    assert!(pushed.ok, "git's exit code is about storing");
    let release = app.last_release().await;
    assert_eq!((release.state(), release.number()), ("failed", 2));
    let told = pushed.remote();
    assert!(told.contains("release 2 failed"), "{told}");
    let status = Hops::of(app.platform)
        .run(&["status", "-a", &app.name])
        .await
        .ok();
    for text in reason {
        for (who, told) in [("git", &told), ("hops status", &status.out)] {
            let times = told.matches(text).count();
            assert_eq!(times, 1, "{who} has {text:?} {times} times:\n{told}");
        }
        assert!(release.reason().contains(text), "{}", release.reason());
    }
    let newest = &app.status().await["environments"][0]["release"];
    assert_eq!(newest["reason"], release.reason());
    assert_eq!(app.get("test", "/").await.json()["message"], "one");
    assert_eq!(
        Kept::of(app),
        *before,
        "something of the old version changed"
    );
}

/// What must not change when a release fails before it is rolled out.
#[derive(Debug, PartialEq)]
struct Kept {
    pods: Vec<String>,
    template: serde_json::Value,
}

impl Kept {
    fn of(app: &App<'_>) -> Kept {
        let namespace = app.namespace("test");
        let deployment = Kube::get("deployment", &app.name, &namespace);
        Kept {
            pods: Kube::names("pods", &namespace),
            template: deployment["spec"]["template"].clone(),
        }
    }
}

#[tokio::test]
async fn a_step_that_fails_is_told_with_its_place_and_last_words() {
    let (app, repo) = serving("step").await;
    let kept = Kept::of(&app);
    repo.write(
        "Dockerfile",
        "FROM busybox\nRUN true\nRUN echo the cheese is $((40 + 2)) percent gone >&2; exit 7\n",
    );
    repo.commit("fails").await;
    let pushed = app.push(&repo).await;
    let reason = [
        "the build failed:",
        "ended with exit code 7",
        "--> Dockerfile:3",
    ];
    failed_and_told_once(&app, &kept, &pushed, &reason).await;
    // The log has the line as the step said it, the reason among its last lines.
    let told = pushed.remote();
    assert!(
        told.matches("the cheese is 42 percent gone").count() >= 2,
        "{told}"
    );
    let reason = app.last_release().await.reason().to_owned();
    assert_eq!(reason.matches("the cheese is 42 percent gone").count(), 1);
    // Mended, it goes live.
    repo.write("Dockerfile", &dockerfile("message"));
    repo.change("mended").await;
    app.push_live(&repo).await;
    app.serves("test", "mended").await;
}

#[tokio::test]
async fn a_dockerfile_that_is_none_is_told() {
    let (app, repo) = serving("nonsense").await;
    let kept = Kept::of(&app);
    repo.write("Dockerfile", "FROM busybox\nRUNN true\n");
    repo.commit("nonsense").await;
    let pushed = app.push(&repo).await;
    let reason = ["unknown instruction: RUNN", "--> Dockerfile:2"];
    failed_and_told_once(&app, &kept, &pushed, &reason).await;
}

#[tokio::test]
async fn a_file_that_is_not_in_the_context_is_told() {
    let (app, repo) = serving("missing").await;
    let kept = Kept::of(&app);
    repo.write(
        "Dockerfile",
        &(dockerfile("message") + "COPY nowhere.txt /\n"),
    );
    repo.commit("a file that was never committed").await;
    let pushed = app.push(&repo).await;
    let reason = ["the build failed", "--> Dockerfile:3"];
    failed_and_told_once(&app, &kept, &pushed, &reason).await;
    let reason = app.last_release().await.reason().to_owned();
    assert!(reason.contains("nowhere.txt"), "{reason}");
}

#[tokio::test]
async fn a_base_image_that_is_not_there_is_told() {
    let (app, repo) = serving("base").await;
    let kept = Kept::of(&app);
    let base = format!("{}/no/such-image:1", tests::setting("HOPS_REGISTRY"));
    repo.write("Dockerfile", &format!("FROM {base}\n"));
    repo.commit("no base").await;
    let pushed = app.push(&repo).await;
    failed_and_told_once(&app, &kept, &pushed, &["--> Dockerfile:1"]).await;
    let reason = app.last_release().await.reason().to_owned();
    assert!(reason.contains("no/such-image:1"), "{reason}");
}

#[tokio::test]
async fn a_missing_dockerfile_is_told() {
    let (app, repo) = serving("none").await;
    let kept = Kept::of(&app);
    repo.delete("Dockerfile");
    repo.commit("no Dockerfile").await;
    let pushed = app.push(&repo).await;
    let reason = [
        "there is no Dockerfile in the repository's root",
        "add `Dockerfile` and commit it",
    ];
    failed_and_told_once(&app, &kept, &pushed, &reason).await;
}

#[tokio::test]
async fn a_repository_without_iterapp_toml_is_told() {
    let app = shared().app("bare").await;
    let repo = Repo::empty().await;
    repo.write("README.md", "# hello\n");
    repo.commit("hello").await;
    let pushed = app.push(&repo).await;
    assert!(pushed.ok, "{}", pushed.output);
    let message = "there is no `iterapp.toml` in the repository's root";
    assert!(pushed.remote().contains(message), "{}", pushed.output);
    assert_eq!(app.last_release().await.state(), "failed");
    let namespace = Kube::get("namespace", &app.namespace("test"), "default");
    assert!(namespace.is_null(), "{namespace}");
}

// Proves: X18
#[tokio::test]
async fn a_key_below_a_header_is_told_with_the_lines_that_would_do() {
    let (app, repo) = serving("slipped").await;
    let kept = Kept::of(&app);
    repo.write(
        "iterapp.toml",
        "[postgres]\napplings = [\"web\", \"api\"]\n",
    );
    repo.commit("a key that slipped").await;
    let pushed = app.push(&repo).await;
    let reason = [
        "`applings` stands below the header `[postgres]`",
        "--> iterapp.toml:2:1",
        "sections go last; the file would have",
    ];
    failed_and_told_once(&app, &kept, &pushed, &reason).await;
    // Where it is, and where it would be.
    let line = "applings = [\"web\", \"api\"]";
    assert_eq!(pushed.remote().matches(line).count(), 2);
    assert_eq!(app.builds().await, 1, "something was built");
}

#[tokio::test]
async fn three_mistakes_are_told_at_once() {
    let (app, repo) = serving("mistakes").await;
    let kept = Kept::of(&app);
    repo.write(
        "iterapp.toml",
        "prot = 80\nreplicas = \"two\"\nreadiness_path = \"up\"\n",
    );
    repo.commit("three mistakes").await;
    let pushed = app.push(&repo).await;
    let reason = [
        "there is no key `prot`",
        "did you mean `port`?",
        "--> iterapp.toml:1:1",
        "--> iterapp.toml:2:12",
        "--> iterapp.toml:3:18",
        "3 errors",
    ];
    failed_and_told_once(&app, &kept, &pushed, &reason).await;
    assert_eq!(app.builds().await, 1, "something was built");
    // `hops check` says the same, before anything is pushed.
    let check = ["check", "--app", &app.name];
    let checked = Hops::stranger().run_in(repo.path(), &check, "").await;
    assert_eq!(checked.code, 1, "{}{}", checked.out, checked.err);
    for text in reason {
        assert!(
            format!("{}{}", checked.out, checked.err).contains(text),
            "{text}"
        );
    }
}

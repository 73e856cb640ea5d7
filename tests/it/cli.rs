//! The command line `hops`, against a real platform.

use std::os::unix::fs::PermissionsExt;

use tests::{App, Hops, Kube, Repo, eventually, shared, unique};

/// One small appling, quick to roll out.
const ONE_POD: &str = "replicas = 1\n";

/// An app that serves `one` in test, and its user.
async fn serving(prefix: &str) -> (App<'static>, Repo, Hops) {
    let app = shared().app(prefix).await;
    let repo = Repo::server("one", ONE_POD).await;
    app.push_live(&repo).await;
    (app, repo, Hops::of(shared()))
}

#[tokio::test]
async fn an_app_is_created_listed_and_shown() {
    let hops = Hops::of(shared());
    let name = unique("created");
    let created = hops.run(&["apps", "create", &name]).await.ok();
    let url = format!("{}/git/{name}.git", shared().url);
    assert!(
        created.out.contains(&format!("git remote add hops {url}")),
        "{}",
        created.out
    );
    let again = hops.run(&["apps", "create", &name]).await;
    assert_eq!(again.code, 1);
    assert!(
        again
            .err
            .contains(&format!("there is an app `{name}` already")),
        "{}",
        again.err
    );
    let listed = hops.run(&["apps", "list", "--json"]).await.ok().json();
    let names: Vec<&str> = listed
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|app| app["name"].as_str())
        .collect();
    assert!(names.contains(&name.as_str()), "{names:?}");
    let shown = hops.run(&["apps", "list"]).await.ok();
    assert!(shown.out.contains(&name), "{}", shown.out);
    let status = hops.run(&["status", "-a", &name]).await.ok();
    assert!(status.out.contains("no releases yet"), "{}", status.out);
    let webhook = hops
        .run(&["apps", "webhook", &name, "--json"])
        .await
        .ok()
        .json();
    let asked = shared().get(&format!("/api/apps/{name}/webhook")).await.1;
    assert_eq!(webhook, asked);
    assert_eq!(
        webhook["url"],
        format!("{}/webhooks/github/{name}", shared().url)
    );
    let printed = hops.run(&["apps", "webhook", &name]).await.ok();
    let secret = asked["secret"].as_str().expect("a secret");
    assert!(printed.out.contains(secret), "{}", printed.out);
}

#[tokio::test]
async fn what_is_refused_ends_with_1_and_what_makes_no_sense_with_2() {
    let hops = Hops::of(shared());
    let reserved = hops.run(&["apps", "create", "prod"]).await;
    assert_eq!(reserved.code, 2, "{}", reserved.err);
    assert!(reserved.err.contains("is reserved"), "{}", reserved.err);
    let name = unique("refused");
    let private = hops
        .run(&["apps", "create", &name, "--repo", "http://10.0.0.1/x"])
        .await;
    assert_eq!(private.code, 1);
    assert!(
        private.err.contains("inside this network"),
        "{}",
        private.err
    );
    let unknown = hops.run(&["status", "-a", "nobody-has-this"]).await;
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("there is no app `nobody-has-this`"));
    assert_eq!(hops.run(&["dance"]).await.code, 2);
    let stranger = Hops::stranger().run(&["status"]).await;
    assert_eq!(stranger.code, 2);
    assert!(stranger.err.contains("hops login"), "{}", stranger.err);
    let wrong = Hops::of(shared()).with("HOPS_TOKEN", "wrong-wrong-wrong");
    let wrong = wrong.run(&["apps", "list"]).await;
    assert_eq!(wrong.code, 1);
    assert!(
        wrong.err.contains("does not accept this token"),
        "{}",
        wrong.err
    );
    let nowhere = Hops::of(shared()).with("HOPS_URL", "http://127.0.0.1:1");
    assert_eq!(nowhere.run(&["apps", "list"]).await.code, 3);
}

// Proves: X03
#[tokio::test]
async fn any_ref_is_deployed_to_any_environment_and_to_no_other() {
    let (app, repo, hops) = serving("any").await;
    let feature = repo.change("a feature").await;
    app.push_refs(&repo, &["HEAD:refs/heads/feature"]).await;
    let a = app.name.as_str();
    let deploy = ["v3", "deploy", "-a", a, "-e", "snap3", "-r", "feature"];
    let accepted = hops.run(&deploy).await.ok();
    let first = format!("release 2 of {a} to snap3: feature ({})", &feature[..8]);
    assert!(accepted.out.contains(&first), "{}", accepted.out);
    assert_eq!(app.ended(2).await.state(), "live");
    app.serves("snap3", "a feature").await;
    for (environment, reference) in [
        ("prod", "feature"),
        ("snap9", &feature[..7]),
        ("snap0", "main"),
    ] {
        let deploy = [
            "deploy",
            "-a",
            a,
            "-e",
            environment,
            "-r",
            reference,
            "--wait",
        ];
        let done = hops.run(&deploy).await.ok();
        let address = format!("http://{}", app.host(environment));
        assert!(done.out.contains(&address), "{}", done.out);
    }
    app.serves("prod", "a feature").await;
    app.serves("snap9", "a feature").await;
    app.serves("snap0", "one").await;
    app.serves("test", "one").await;
    for environment in ["staging", "snap10", "local", "Prod"] {
        let refused = hops
            .run(&["v3", "deploy", "-a", a, "-e", environment, "-r", "main"])
            .await;
        assert_eq!(refused.code, 2, "{environment}: {}", refused.err);
        let why = format!("there is no environment `{environment}`");
        assert!(refused.err.contains(&why), "{}", refused.err);
        let namespace = format!("apps-{a}-{}", environment.to_lowercase());
        if environment != "Prod" {
            assert!(Kube::get("namespace", &namespace, "default").is_null());
        }
    }
    assert_eq!(app.releases().await.len(), 5);
}

#[tokio::test]
async fn deploy_waits_and_its_exit_code_tells() {
    let (app, repo, hops) = serving("waits").await;
    let a = app.name.as_str();
    let deploy = [
        "deploy", "-a", a, "-e", "test", "-r", "main", "--wait", "--json",
    ];
    let done = hops.run(&deploy).await.ok().json();
    assert_eq!(
        (&done["state"], &done["number"]),
        (&"live".into(), &2.into())
    );
    repo.write("Dockerfile", "FROM busybox\nRUN exit 7\n");
    repo.commit("fails").await;
    app.push_refs(&repo, &["HEAD:refs/heads/broken"]).await;
    let deploy = ["deploy", "-a", a, "-e", "test", "-r", "broken", "--wait"];
    let failed = hops.run(&deploy).await;
    assert_eq!(failed.code, 1);
    let told = format!("{}{}", failed.out, failed.err);
    assert!(told.contains("ended with exit code 7"), "{told}");
    assert!(
        told.contains(&format!("release 3 of {a} to test failed")),
        "{told}"
    );
    let unknown = hops
        .run(&["deploy", "-a", a, "-e", "test", "-r", "gone"])
        .await;
    assert_eq!(unknown.code, 1);
    assert!(
        unknown.err.contains("no branch, tag or commit `gone`"),
        "{}",
        unknown.err
    );
    app.serves("test", "one").await;
}

#[tokio::test]
async fn status_releases_and_open_tell_what_runs() {
    let (app, repo, hops) = serving("tells").await;
    let a = app.name.as_str();
    let commit = repo.git(&["rev-parse", "--short=8", "HEAD"]).await;
    let status = hops.run(&["status", "-a", a]).await.ok();
    for text in [
        a,
        &app.namespace("test"),
        "live",
        "1/1",
        commit.trim(),
        &app.host("test"),
    ] {
        assert!(
            status.out.contains(text),
            "{text} is not in:\n{}",
            status.out
        );
    }
    let json = hops.run(&["status", "-a", a, "--json"]).await.ok().json();
    assert_eq!(json, app.status().await);
    let releases = hops.run(&["releases", "-a", a]).await.ok();
    assert!(releases.out.contains(commit.trim()), "{}", releases.out);
    let json = hops
        .run(&["releases", "-a", a, "-e", "test", "--json"])
        .await
        .ok();
    assert_eq!(json.json(), serde_json::Value::from(app.releases().await));
    let none = hops
        .run(&["releases", "-a", a, "-e", "prod", "--json"])
        .await
        .ok();
    assert_eq!(none.out.trim(), "[]");
    let open = hops.run(&["open", "-a", a, "--print"]).await.ok();
    let url = format!("http://{}", app.host("test"));
    assert!(
        open.out.starts_with(&url) && open.out.lines().count() == 1,
        "{}",
        open.out
    );
    let nothing = hops.run(&["open", "-a", a, "-e", "prod", "--print"]).await;
    assert_eq!(nothing.code, 1);
    // In a clone, the remote says which app is meant.
    repo.git(&["remote", "add", "hops", &app.push_url()]).await;
    let here = hops.run_in(repo.path(), &["status"], "").await.ok();
    assert!(here.out.contains(&app.namespace("test")), "{}", here.out);
}

#[tokio::test]
async fn logs_are_those_of_a_release_and_of_pods() {
    let (app, _repo, hops) = serving("logs").await;
    let a = app.name.as_str();
    let release = hops
        .run(&["logs", "-a", a, "--release", "1", "--follow"])
        .await
        .ok();
    for text in ["release 1 of", "COPY message /message", "is live in test"] {
        assert!(
            release.out.contains(text),
            "{text} is not in:\n{}",
            release.out
        );
    }
    let build = hops.run(&["logs", "-a", a, "--build"]).await.ok();
    assert!(build.out.contains("COPY message /message"), "{}", build.out);
    assert!(!build.out.contains("is live in test"), "{}", build.out);
    let said = || async {
        let pods = hops.run(&["logs", "-a", a]).await.ok();
        pods.out.contains("listening on :3000").then_some(())
    };
    eventually("the pods' log is read", said).await;
    let json = hops.run(&["logs", "-a", a, "--json", "-n", "1"]).await.ok();
    let line: serde_json::Value = serde_json::from_str(json.out.trim()).expect("one line");
    assert_eq!(
        (&line["source"], &line["appling"]),
        (&"pod".into(), &a.into())
    );
}

// The file is readable by its owner alone, and one that is not is refused.
#[tokio::test]
async fn a_login_is_kept_in_a_private_file() {
    let user = Hops::stranger();
    let (url, token) = (shared().url.as_str(), shared().token.as_str());
    let login = user
        .run_in(user.home(), &["login", url], &format!("{token}\n"))
        .await;
    let login = login.ok();
    assert!(!format!("{}{}", login.out, login.err).contains(token));
    let file = user.home().join(".config/hops/config.toml");
    let mode = |path| {
        std::fs::metadata(path)
            .expect("a file")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&file), 0o600);
    user.run(&["apps", "list"]).await.ok();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    let refused = user.run(&["apps", "list"]).await;
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("others can read"), "{}", refused.err);
}

#[tokio::test]
async fn check_needs_no_platform() {
    let hops = Hops::stranger();
    let repo = Repo::server("one", "port = 8080\n").await;
    let fine = hops
        .run_in(repo.path(), &["check", "--app", "shop"], "")
        .await
        .ok();
    for text in ["shop", "8080", "GET /health"] {
        assert!(fine.out.contains(text), "{text} is not in:\n{}", fine.out);
    }
    repo.write("iterapp.toml", "prot = 8080\n");
    let wrong = hops
        .run_in(repo.path(), &["check", "--app", "shop"], "")
        .await;
    assert_eq!(wrong.code, 1);
    let told = format!("{}{}", wrong.out, wrong.err);
    assert!(told.contains("did you mean `port`?"), "{told}");
}

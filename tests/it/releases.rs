//! Releases: which environment gets which commit, what supersedes what, what becomes of the rest.

use serde_json::{Value, json};
use tests::{App, Deployed, Kube, Repo, SlowStep, dockerfile, eventually, shared};

/// One small appling, quick to roll out.
const ONE_POD: &str = "replicas = 1\n";

/// The app's namespaces, sorted.
fn namespaces(app: &App<'_>) -> Vec<String> {
    let label = format!("hops.dev/app={}", app.name);
    let found = Kube::run(&[
        "get",
        "namespaces",
        "--selector",
        &label,
        "--output",
        "name",
    ]);
    let mut names: Vec<String> = found
        .lines()
        .map(|line| line.trim_start_matches("namespace/").to_owned())
        .collect();
    names.sort_unstable();
    names
}

fn live(release: &Deployed) {
    assert_eq!(release.state(), "live", "{}", release.0);
}

// Proves: H01 H03 H07 X01
#[tokio::test]
async fn one_app_lives_in_several_environments() {
    let app = shared().app("shop").await;
    let repo = Repo::server("one", ONE_POD).await;
    let one = repo.git(&["rev-parse", "HEAD"]).await;
    live(&app.push_live(&repo).await);
    assert_eq!(namespaces(&app), [app.namespace("test")]);
    live(&app.deploy("prod", "main").await);
    let both = [app.namespace("prod"), app.namespace("test")];
    assert_eq!(namespaces(&app), both);
    let two = repo.change("two").await;
    live(&app.push_live(&repo).await);
    app.serves("test", "two").await;
    app.serves("prod", "one").await;
    assert_eq!(namespaces(&app), both);
    for (environment, commit) in [("test", two.trim()), ("prod", one.trim())] {
        is_by_itself(&app, environment, commit).await;
    }
}

/// The environment runs its own commit, and its Service's name leads to its own pods.
async fn is_by_itself(app: &App<'_>, environment: &str, commit: &str) {
    let namespace = app.namespace(environment);
    assert_eq!(Kube::names("services", &namespace), [app.name.as_str()]);
    // Until it is gone, a pod of the version before may answer too.
    let of_commit = async |path: &str, sha: &str| {
        let answered = || async {
            let answer = app.get(environment, path).await.json();
            (answer[sha] == commit).then_some(answer)
        };
        eventually(&format!("{path} is of {commit}"), answered).await
    };
    let env = of_commit("/env", "HOPS_GIT_SHA").await;
    assert_eq!(env["HOPS_ENV"], environment);
    assert_eq!(env["HOPS_APP"], app.name);
    assert_eq!(env["HOPS_APPLING"], app.name);
    let path = format!("/fetch?url=http://{}/", app.name);
    let inside = of_commit(&path, "sha").await;
    assert_eq!(inside["env"], environment);
}

// Proves: H02
#[tokio::test]
async fn an_underscore_becomes_a_dash() {
    let app = shared().app("my_shop").await;
    assert!(app.name.starts_with("my-shop-"), "{}", app.name);
    let repo = Repo::server("one", "replicas = 1\ndefault_environment = \"prod\"\n").await;
    live(&app.push_live(&repo).await);
    assert_eq!(namespaces(&app), [format!("apps-{}-prod", app.name)]);
    app.serves("prod", "one").await;
}

// Proves: X01
#[tokio::test]
async fn the_default_branch_goes_to_the_default_environment() {
    let app = shared().app("default").await;
    let repo = Repo::server("one", "replicas = 1\ndefault_environment = \"prod\"\n").await;
    let release = app.push_live(&repo).await;
    assert_eq!(release.0["environment"], "prod");
    assert_eq!(namespaces(&app), [app.namespace("prod")]);
    app.serves("prod", "one").await;
    // The commit that is pushed says where it goes.
    repo.write(
        "iterapp.toml",
        "replicas = 1\ndefault_environment = \"snap4\"\n",
    );
    repo.change("two").await;
    let release = app.push_live(&repo).await;
    assert_eq!(release.0["environment"], "snap4");
    app.serves("snap4", "two").await;
    app.serves("prod", "one").await;
}

// Whatever names the commit: the same images, and no build.
#[tokio::test]
async fn a_commit_is_deployed_by_any_of_its_names_and_built_once() {
    let app = shared().app("names").await;
    let repo = Repo::server("one", ONE_POD).await;
    let one = repo.git(&["rev-parse", "HEAD"]).await;
    repo.git(&["tag", "--annotate", "-m", "the first", "v1"])
        .await;
    let first = app.push_live(&repo).await;
    app.push_refs(&repo, &["refs/tags/v1"]).await;
    repo.change("two").await;
    app.push_live(&repo).await;
    assert_eq!(app.builds().await, 2);
    let image = &first.appling(&app.name)["image"];
    for (environment, reference) in [("snap0", "v1"), ("snap1", &one[..7]), ("test", one.trim())] {
        let release = app.deploy(environment, reference).await;
        live(&release);
        assert_eq!(release.0["cause"], "deploy");
        assert_eq!(release.0["ref"], reference);
        assert_eq!(release.0["commit"], one.trim());
        assert_eq!(release.appling(&app.name)["image"], *image);
        app.serves(environment, "one").await;
    }
    assert_eq!(app.builds().await, 2, "something was built again");
}

#[tokio::test]
async fn what_cannot_be_deployed_is_refused() {
    let app = shared().app("refused").await;
    let (status, answer) = app.try_deploy("test", "main").await;
    assert_eq!(
        (status, &answer["hint"]),
        (404, &json!("nothing was pushed yet"))
    );
    let repo = Repo::server("one", ONE_POD).await;
    app.push_live(&repo).await;
    for environment in [
        "staging", "Prod", "snap10", "snap", "local", "prod%20", "test-2",
    ] {
        let (status, answer) = app.try_deploy(environment, "main").await;
        assert_eq!(status, 400, "{environment}: {answer}");
        assert_eq!(answer["code"], "bad_request");
    }
    for reference in [
        "gone",
        "HEAD~1",
        "main^{tree}",
        "0123456",
        "refs/hops/x",
        "--help",
        "",
    ] {
        let (status, answer) = app.try_deploy("test", reference).await;
        assert_eq!(status, 404, "{reference}: {answer}");
        assert_eq!(answer["hint"], "branches: main");
    }
    assert_eq!(app.releases().await.len(), 1);
    assert_eq!(namespaces(&app), [app.namespace("test")]);
}

// Newest wins: a slow build of an older commit is cancelled on the daemon itself.
#[tokio::test]
async fn a_newer_push_supersedes_a_slow_build() {
    let app = shared().app("slow").await;
    let repo = Repo::server("slow", ONE_POD).await;
    let step = SlowStep::unique();
    repo.write("Dockerfile", &step.dockerfile("message", 600));
    repo.commit("slow").await;
    let newer = async {
        step.runs(1).await;
        repo.write("Dockerfile", &dockerfile("message"));
        repo.change("fast").await;
        app.push(&repo).await
    };
    let (slow, fast) = tokio::join!(app.push(&repo), newer);
    assert!(slow.ok && fast.ok, "{}\n{}", slow.output, fast.output);
    let told = slow.remote();
    assert!(told.contains("superseded: release 2 took over"), "{told}");
    assert_eq!(app.ended(1).await.state(), "superseded");
    let first = app.ended(1).await;
    assert_eq!(first.appling(&app.name)["state"], "superseded");
    live(&app.ended(2).await);
    app.serves("test", "fast").await;
    step.runs(0).await;
    assert_eq!(app.releases().await.len(), 2);
}

// Another environment's release is not touched by that.
#[tokio::test]
async fn releases_of_other_environments_go_on() {
    let app = shared().app("apart").await;
    let repo = Repo::server("one", ONE_POD).await;
    app.push_live(&repo).await;
    let (one, two) = tokio::join!(app.deploy("snap0", "main"), app.deploy("snap1", "main"));
    live(&one);
    live(&two);
    app.serves("snap0", "one").await;
    app.serves("snap1", "one").await;
}

/// Two applings in folders, each with its message.
async fn two_applings() -> Repo {
    let repo = Repo::empty().await;
    repo.write("iterapp.toml", "applings = [\"web\", \"api\"]\n");
    for appling in ["web", "api"] {
        let message = format!("{appling}/message");
        repo.write(&format!("{appling}/Dockerfile"), &dockerfile(&message));
        repo.write(&format!("{appling}/iterapp.toml"), ONE_POD);
        repo.write(&message, "one");
    }
    repo.commit("one").await;
    repo
}

/// What the pods of an appling say, all of them, once they agree on this commit.
async fn runs(app: &App<'_>, appling: &str, commit: &str) -> Value {
    let host = app.host_of(appling, "test");
    let answered = || async {
        let answer = tests::get(&host, "/").await.json();
        (answer["sha"] == commit).then_some(answer)
    };
    eventually(&format!("{appling} runs {commit}"), answered).await
}

// Proves: H15
#[tokio::test]
async fn a_change_in_one_folder_releases_all_applings() {
    let app = shared().app("all").await;
    let repo = two_applings().await;
    let first = app.push_live(&repo).await;
    repo.write("web/message", "two");
    let commit = repo.commit("two").await;
    let second = app.push_live(&repo).await;
    assert_eq!(runs(&app, "web", &commit).await["message"], "two");
    assert_eq!(runs(&app, "api", &commit).await["message"], "one");
    for appling in ["web", "api"] {
        let deployment = Kube::get("deployment", appling, &app.namespace("test"));
        let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
        assert_eq!(*image, second.appling(appling)["image"]);
    }
    assert_eq!(app.builds().await, 4);
    assert_ne!(
        first.appling("web")["image"],
        second.appling("web")["image"]
    );
}

// Proves: H18
#[tokio::test]
async fn an_appling_whose_build_fails_fails_alone() {
    let app = shared().app("alone").await;
    let repo = two_applings().await;
    let one = repo.git(&["rev-parse", "HEAD"]).await;
    app.push_live(&repo).await;
    repo.write(
        "web/Dockerfile",
        "FROM busybox\nRUN echo out of cheese; exit 7\n",
    );
    repo.write("api/message", "two");
    let two = repo.commit("two").await;
    let pushed = app.push(&repo).await;
    let release = app.last_release().await;
    assert_eq!(release.state(), "failed");
    assert_eq!(release.appling("api")["state"], "live");
    assert_eq!(release.appling("web")["state"], "failed");
    let reason = release.appling("web")["reason"]
        .as_str()
        .unwrap_or_default();
    assert!(reason.contains("ended with exit code 7"), "{reason}");
    assert!(reason.contains("out of cheese"), "{reason}");
    assert!(
        release.reason().starts_with("web: "),
        "{}",
        release.reason()
    );
    let told = "release 2 failed for web, the others are live";
    assert!(pushed.remote().contains(told), "{}", pushed.output);
    assert_eq!(runs(&app, "api", &two).await["message"], "two");
    assert_eq!(runs(&app, "web", one.trim()).await["message"], "one");
    let status = app.status().await;
    let running = status["environments"][0]["applings"].as_array();
    let commits: Vec<(&Value, &Value)> = running
        .expect("what runs")
        .iter()
        .map(|appling| (&appling["name"], &appling["commit"]))
        .collect();
    let wanted = [
        (json!("api"), json!(two)),
        (json!("web"), json!(one.trim())),
    ];
    assert_eq!(commits.len(), 2, "{commits:?}");
    for (name, commit) in &wanted {
        assert!(commits.contains(&(name, commit)), "{commits:?}");
    }
}

#[tokio::test]
async fn an_appling_that_is_named_no_more_goes_away() {
    let app = shared().app("fewer").await;
    let repo = two_applings().await;
    app.push_live(&repo).await;
    let namespace = app.namespace("test");
    assert_eq!(Kube::names("deployments", &namespace), ["api", "web"]);
    repo.write("iterapp.toml", "applings = [\"web\"]\n");
    repo.commit("without api").await;
    let pushed = app.push(&repo).await;
    let told = "[api] removed: iterapp.toml does not name it any more";
    assert!(pushed.remote().contains(told), "{}", pushed.output);
    // Where it was is told to nobody any more.
    let was_at = app.host_of("api", "test");
    assert!(!pushed.remote().contains(&was_at), "{}", pushed.output);
    live(&app.last_release().await);
    let gone = || async {
        let left =
            ["deployments", "services", "ingresses"].map(|kind| Kube::names(kind, &namespace));
        (left.iter().all(|names| names == &["web"])).then_some(())
    };
    eventually("only web is left, under its one name", gone).await;
    let status = app.status().await;
    let running = status["environments"][0]["applings"].as_array().cloned();
    let names: Vec<Value> = running
        .into_iter()
        .flatten()
        .map(|appling| appling["name"].clone())
        .collect();
    assert_eq!(names, ["web"]);
    // One appling alone has the app's own host.
    app.serves("test", "one").await;
    let host = app.host_of("api", "test");
    let unknown = || async { (tests::get(&host, "/").await.status == 404).then_some(()) };
    eventually("the removed appling's host is unknown", unknown).await;
}

// Proves: X09
#[tokio::test]
async fn an_environments_variables_win_over_the_common_ones() {
    let app = shared().app("env").await;
    let file = "replicas = 1\n[env.test]\nWHO = \"test\"\nPORT_OF = 7\n[env.common]\nWHO = \"common\"\nLIMIT = 16\nDEBUG = true\n\
                LITERAL = \"$(HOPS_APP) $$ ${WHO} \\\"q\\\" ø\"\n";
    let repo = Repo::server("one", file).await;
    live(&app.push_live(&repo).await);
    live(&app.deploy("snap0", "main").await);
    let test = app.get("test", "/env").await.json();
    assert_eq!(
        (&test["WHO"], &test["PORT_OF"]),
        (&json!("test"), &json!("7"))
    );
    let snap = app.get("snap0", "/env").await.json();
    assert_eq!(
        (&snap["WHO"], &snap["PORT_OF"]),
        (&json!("common"), &Value::Null)
    );
    for env in [&test, &snap] {
        assert_eq!(env["LIMIT"], "16");
        assert_eq!(env["DEBUG"], "true");
        assert_eq!(env["LITERAL"], "$(HOPS_APP) $$ ${WHO} \"q\" ø");
        assert_eq!(env["PORT"], "3000");
    }
}

// What did not change rolls nothing; a changed value does, without a change of the image's content.
#[tokio::test]
async fn changed_variables_roll_pods_and_unchanged_ones_do_not() {
    let app = shared().app("rolls").await;
    let repo = Repo::server("one", "replicas = 1\n[env.common]\nWHO = \"a\"\n").await;
    live(&app.push_live(&repo).await);
    let namespace = app.namespace("test");
    let before = Kube::names("pods", &namespace);
    let again = app.deploy("test", "main").await;
    live(&again);
    assert_eq!(Kube::names("pods", &namespace), before);
    assert_eq!(Kube::names("replicasets", &namespace).len(), 1);
    repo.write("iterapp.toml", "replicas = 1\n[env.common]\nWHO = \"b\"\n");
    repo.commit("another value").await;
    live(&app.push_live(&repo).await);
    assert_eq!(Kube::names("replicasets", &namespace).len(), 2);
    let changed = || async {
        let env = tests::get(&app.host("test"), "/env").await.json();
        (env["WHO"] == "b").then_some(())
    };
    eventually("the new value is seen", changed).await;
    assert!(
        Kube::names("pods", &namespace)
            .iter()
            .any(|pod| !before.contains(pod))
    );
}

/// `iterapp.toml` of an app with one domain.
fn with_domain(domain: &str) -> String {
    format!("replicas = 1\ndefault_environment = \"prod\"\ndomains = [\"{domain}\"]\n")
}

// A host is the app's that claimed it first, until a release of that app names it no more.
#[tokio::test]
async fn a_domain_belongs_to_the_app_that_claimed_it_first() {
    let (one, two) = (shared().app("first").await, shared().app("second").await);
    let domain = format!("{}.example.com", one.name);
    let first = Repo::server("the first", &with_domain(&domain)).await;
    live(&one.push_live(&first).await);
    let second = Repo::server("the second", &with_domain(&domain)).await;
    let pushed = two.push(&second).await;
    let told = format!("the domain {domain} belongs to the app {}", one.name);
    assert!(pushed.remote().contains(&told), "{}", pushed.output);
    let refused = two.last_release().await;
    assert_eq!(refused.state(), "failed");
    assert!(refused.reason().contains(&told), "{}", refused.0);
    answers(&domain, "the first").await;
    first.write(
        "iterapp.toml",
        "replicas = 1\ndefault_environment = \"prod\"\n",
    );
    first.commit("without the domain").await;
    live(&one.push_live(&first).await);
    live(&two.deploy("prod", "main").await);
    answers(&domain, "the second").await;
    one.serves("prod", "the first").await;
}

async fn answers(host: &str, message: &str) {
    let answered = || async {
        let answer = tests::get(host, "/").await.json();
        (answer["message"] == message).then_some(())
    };
    eventually(&format!("{host} answers {message:?}"), answered).await;
}

#[tokio::test]
async fn the_platforms_own_hosts_are_no_domains() {
    let app = shared().app("greedy").await;
    for domain in ["other.localhost", "a.b.localhost"] {
        let repo = Repo::server(domain, &with_domain(domain)).await;
        app.push_refs(&repo, &["+HEAD:refs/heads/main"]).await;
        let release = app.last_release().await;
        assert_eq!(release.state(), "failed", "{}", release.0);
        let told = format!(
            "the domain {domain} of appling {} lies below localhost",
            app.name
        );
        assert!(release.reason().contains(&told), "{}", release.0);
    }
    assert!(namespaces(&app).is_empty());
}

//! Whole journeys: a repository made on the spot becomes running applings, by a direct push and by
//! a forge's webhook.

use serde_json::{Value, json};
use tests::{App, Delivery, Deployed, Forge, Kube, Repo, dockerfile, shared};

/// Two applings in folders. Each image holds all of the context below `/all`, so that a test can
/// look at what the context was.
async fn two_applings() -> Repo {
    let repo = Repo::empty().await;
    repo.write("iterapp.toml", "applings = [\"web\", \"api\"]\n");
    for appling in ["web", "api"] {
        let message = format!("{appling}/message");
        let text = dockerfile(&message) + "COPY . /all/\n";
        repo.write(&format!("{appling}/Dockerfile"), &text);
        repo.write(&format!("{appling}/iterapp.toml"), "");
        repo.write(&message, appling);
    }
    repo.write(".dockerignore", "secret.txt\n**/*.key\n!web/public.key\n");
    repo.write("secret.txt", "not for images");
    repo.write("api/private.key", "not for images");
    repo.write("web/public.key", "kept by an exception");
    repo.write("kept.txt", "for images");
    repo.commit("two applings").await;
    repo
}

fn texts(list: &Value) -> Vec<&str> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).collect()
}

/// The objects are those of the specification, and no others.
fn objects_are_as_specified(app: &App<'_>, environment: &str) {
    let (name, namespace) = (&app.name, app.namespace(environment));
    let labels = &Kube::get("namespace", &namespace, &namespace)["metadata"]["labels"];
    assert_eq!(labels["hops.dev/app"], name.as_str());
    assert_eq!(labels["hops.dev/environment"], environment);
    assert_eq!(labels["hops.dev/instance"], app.platform.instance.as_str());
    assert_eq!(Kube::names("deployments", &namespace), ["api", "web"]);
    let mut services = vec![
        "api".to_owned(),
        "web".to_owned(),
        format!("{name}-api"),
        format!("{name}-web"),
    ];
    services.sort_unstable();
    assert_eq!(Kube::names("services", &namespace), services);
    assert_eq!(Kube::names("ingresses", &namespace), ["api", "web"]);
    for appling in ["api", "web"] {
        pods_are_as_specified(appling, &namespace);
        for service in [appling.to_owned(), format!("{name}-{appling}")] {
            service_selects_one_appling(&service, appling, &namespace);
        }
        ingress_is_as_specified(app, appling, environment);
    }
}

fn pods_are_as_specified(appling: &str, namespace: &str) {
    let deployment = Kube::get("deployment", appling, namespace);
    assert_eq!(deployment["status"]["readyReplicas"], 2, "{deployment}");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["name"], "app");
    assert_eq!(container["ports"][0]["containerPort"], 3000);
    let image = container["image"].as_str().unwrap_or_default();
    assert!(image.contains("@sha256:"), "{image} is no digest");
}

/// Its endpoints are the pods of this appling, all of them, and of no other.
fn service_selects_one_appling(service: &str, appling: &str, namespace: &str) {
    let spec = Kube::get("service", service, namespace)["spec"].clone();
    assert_eq!(spec["type"], "ClusterIP");
    assert_eq!(spec["ports"].as_array().map(Vec::len), Some(1));
    assert_eq!(spec["ports"][0]["port"], 80);
    let selector = spec["selector"].as_object().expect("a selector");
    let matches = |pod: &Value| {
        let labels = &pod["metadata"]["labels"];
        selector
            .iter()
            .all(|(label, value)| labels[label] == *value)
    };
    let pods = Kube::list("pods", namespace);
    let selected: Vec<&Value> = pods.iter().filter(|pod| matches(pod)).collect();
    assert_eq!(selected.len(), 2, "{service} selects {selected:?}");
    for pod in selected {
        let labels = &pod["metadata"]["labels"];
        assert_eq!(labels["hops.dev/appling"], appling, "{service}");
    }
}

fn ingress_is_as_specified(app: &App<'_>, appling: &str, environment: &str) {
    let namespace = app.namespace(environment);
    let spec = Kube::get("ingress", appling, &namespace)["spec"].clone();
    assert_eq!(spec["ingressClassName"], "nginx");
    assert_eq!(spec["rules"].as_array().map(Vec::len), Some(1));
    assert_eq!(spec["rules"][0]["host"], app.host_of(appling, environment));
    let backend = &spec["rules"][0]["http"]["paths"][0]["backend"]["service"];
    assert_eq!(backend["name"], format!("{}-{appling}", app.name));
}

/// Both Hosts answer from their own appling, and applings reach each other by every name.
async fn hosts_and_names_answer(app: &App<'_>, environment: &str, commit: &str) {
    for appling in ["web", "api"] {
        let answer = app.get_of(appling, environment, "/").await.json();
        assert_eq!(answer["message"], appling);
        assert_eq!(answer["appling"], appling);
        assert_eq!(answer["sha"], commit);
    }
    for name in ["api".to_owned(), format!("{}-api", app.name)] {
        let answer = app
            .get_of("web", environment, &format!("/fetch?url=http://{name}/"))
            .await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        assert_eq!(answer.json()["appling"], "api", "{name}");
    }
}

/// What `.dockerignore` excludes is not in the image, and what it excepts is.
async fn ignored_files_are_not_in_the_images(app: &App<'_>, environment: &str) {
    let read = async |path: &str| {
        let path = format!("/file?path=/all/{path}");
        app.get_of("web", environment, &path).await
    };
    for ignored in ["secret.txt", "api/private.key"] {
        let path = format!("/file?path=/all/{ignored}");
        let answer = tests::get(&app.host_of("web", environment), &path).await;
        assert_eq!(answer.status, 404, "{ignored}: {}", answer.body);
        // The server's own words: the ingress answers 404 too, to a host that it does not know.
        assert!(answer.body.contains("no such file"), "{}", answer.body);
    }
    assert_eq!(read("kept.txt").await.body, "for images");
    assert_eq!(read("web/public.key").await.body, "kept by an exception");
    // The context is the repository's root, for every appling.
    assert_eq!(read("api/message").await.body, "api");
}

// Proves: H04 H05 H06 H08 H10 H12 H30
#[tokio::test]
async fn two_applings_pushed_to_the_platform() {
    let app = shared().app("two").await;
    let repo = two_applings().await;
    let release = app.push_live(&repo).await;
    assert_eq!(release.0["cause"], "push");
    let commit = repo.git(&["rev-parse", "HEAD"]).await;
    objects_are_as_specified(&app, "test");
    hosts_and_names_answer(&app, "test", commit.trim()).await;
    ignored_files_are_not_in_the_images(&app, "test").await;
    told_with_their_addresses(&app, &release).await;
    the_hood_can_be_popped(&app).await;
}

/// The verdicts and the status name both addresses.
async fn told_with_their_addresses(app: &App<'_>, release: &Deployed) {
    let status = app.status().await;
    let running = &status["environments"][0]["applings"];
    for appling in ["web", "api"] {
        let verdict = release.appling(appling);
        assert_eq!(verdict["state"], "live");
        let url = texts(&verdict["urls"])[0].to_owned();
        assert!(url.contains(&app.host_of(appling, "test")), "{url}");
        let all = running.as_array().expect("what runs").iter();
        let one = all.clone().find(|one| one["name"] == appling);
        let one = one.unwrap_or_else(|| panic!("{appling} is not in {running}"));
        assert_eq!((&one["ready"], &one["replicas"]), (&json!(2), &json!(2)));
        assert_eq!(texts(&one["urls"])[0], url);
    }
}

/// The status names the namespace, and what it holds is found by the app's label, and readable.
async fn the_hood_can_be_popped(app: &App<'_>) {
    let status = app.status().await;
    let namespace = status["environments"][0]["namespace"].as_str();
    let label = format!("hops.dev/app={}", app.name);
    let found = Kube::run(&[
        "get",
        "deployments,services,ingresses,pods",
        "--namespace",
        namespace.expect("a namespace"),
        "--selector",
        &label,
        "--output",
        "name",
    ]);
    let of_kind = |kind: &str| found.lines().filter(|line| line.starts_with(kind)).count();
    assert_eq!(of_kind("deployment.apps/"), 2, "{found}");
    assert_eq!(of_kind("service/"), 4, "{found}");
    assert_eq!(of_kind("ingress.networking.k8s.io/"), 2, "{found}");
    assert_eq!(of_kind("pod/"), 4, "{found}");
    let described = Kube::run(&[
        "describe",
        "deployment/web",
        "--namespace",
        namespace.expect("a namespace"),
    ]);
    assert!(described.contains("HOPS_GIT_SHA"), "{described}");
}

#[tokio::test]
async fn two_applings_by_a_webhook_of_a_forge() {
    let forge = Forge::open().await;
    let app = shared().app_of("hooked", &forge.url).await;
    let repo = two_applings().await;
    forge.receive(&repo, "main").await;
    assert_eq!(forge.announce(&app, "main").await, 202);
    let release = app.first_release().await;
    assert_eq!(release.state(), "live", "{}", release.0);
    assert_eq!(release.0["cause"], "webhook");
    let commit = repo.git(&["rev-parse", "HEAD"]).await;
    objects_are_as_specified(&app, "test");
    hosts_and_names_answer(&app, "test", commit.trim()).await;
    ignored_files_are_not_in_the_images(&app, "test").await;
}

#[tokio::test]
async fn a_private_forge_is_fetched_with_its_token() {
    let password = "forge-token-5d1c0a77";
    let forge = Forge::private(password).await;
    let body =
        json!({ "name": tests::unique("private"), "repository": forge.url, "token": password });
    let app = App::create_as(shared(), &body).await;
    let repo = Repo::server("from a private forge", "replicas = 1").await;
    forge.receive(&repo, "main").await;
    assert_eq!(forge.announce(&app, "main").await, 202);
    let release = app.first_release().await;
    assert_eq!(release.state(), "live", "{}", release.0);
    let answer = app.get("test", "/").await;
    assert_eq!(answer.json()["message"], "from a private forge");
    nobody_was_told(&app, &release, password).await;
}

/// The token is in no answer of the API, in no log, and in the database only sealed.
async fn nobody_was_told(app: &App<'_>, release: &Deployed, password: &str) {
    let shown = app.api(&format!("/api/apps/{}", app.name)).await;
    let told = [
        shown.to_string(),
        app.status().await.to_string(),
        app.log(release).await,
        std::fs::read_to_string(&app.platform.log).expect("the platform's log"),
    ];
    for text in told {
        assert!(!text.contains(password), "{text}");
    }
    let database = app.platform.database().await;
    let query = "select encode(forge_token, 'escape') from apps where name = $1";
    let sealed: Option<String> = sqlx::query_scalar(query)
        .bind(&app.name)
        .fetch_one(&database)
        .await
        .expect("the app's row");
    let sealed = sealed.expect("a token that was kept");
    assert!(!sealed.contains(password), "the token lies there unsealed");
}

// Without its token the repository is not to be had, and the answer says so without the token.
#[tokio::test]
async fn a_wrong_token_of_a_private_forge_is_told() {
    let forge = Forge::private("the-right-one").await;
    let wrong = "the-wrong-one-77";
    let body = json!({ "name": tests::unique("locked"), "repository": forge.url, "token": wrong });
    let app = App::create_as(shared(), &body).await;
    forge
        .receive(&Repo::server("unseen", "").await, "main")
        .await;
    let (status, answer) = app.try_deploy("test", "main").await;
    assert_eq!((status, &answer["code"]), (502, &json!("fetch_failed")));
    let message = answer["message"].as_str().unwrap_or_default();
    let why = "the forge does not accept the app's token";
    assert!(message.contains(why), "{message}");
    assert!(!message.contains(wrong), "{message}");
    let app = shared().app_of("tokenless", &forge.url).await;
    let (_, answer) = app.try_deploy("test", "main").await;
    let message = answer["message"].as_str().unwrap_or_default();
    assert!(message.contains("the forge wants a token"), "{message}");
}

// What is deployed is where the branch is when it is fetched, whatever the delivery says.
#[tokio::test]
async fn the_tip_as_fetched_is_deployed() {
    let forge = Forge::open().await;
    let app = shared().app_of("tip", &forge.url).await;
    let repo = Repo::server("told of", "replicas = 1").await;
    let told_of = repo.git(&["rev-parse", "HEAD"]).await;
    let tip = repo.change("fetched").await;
    forge.receive(&repo, "main").await;
    let body = json!({ "ref": "refs/heads/main", "after": told_of.trim() }).to_string();
    assert_eq!(Delivery::push(&body).send(&app).await, 202);
    let release = app.first_release().await;
    assert_eq!(
        (release.state(), &release.0["commit"]),
        ("live", &json!(tip))
    );
    assert_eq!(app.get("test", "/").await.json()["message"], "fetched");
    // A delivery that comes late, of a commit that was overtaken, deploys nothing.
    assert_eq!(Delivery::push(&body).send(&app).await, 202);
    app.all_pushes_are_read().await;
    assert_eq!(app.releases().await.len(), 1);
}

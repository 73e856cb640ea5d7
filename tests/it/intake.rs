//! What the platform takes in: deliveries of webhooks, direct pushes, apps.

use serde_json::{Value, json};
use tests::{App, Delivery, Forge, Kube, Repo, client, dockerfile, eventually, shared, unique};

const PUSH: &str = r#"{"ref":"refs/heads/main","deleted":false}"#;

/// One small appling, quick to roll out.
const ONE_POD: &str = "replicas = 1\n";

/// A repository that can be pushed, and whose release ends at once, since nothing can be built.
async fn unbuildable() -> Repo {
    let repo = Repo::empty().await;
    repo.write("message", "one");
    repo.commit("one").await;
    repo
}

/// An app whose forge has one commit.
async fn app_with_forge(prefix: &str) -> (App<'static>, Forge, Repo) {
    let forge = Forge::open().await;
    let app = shared().app_of(prefix, &forge.url).await;
    let repo = Repo::server("one", ONE_POD).await;
    forge.receive(&repo, "main").await;
    (app, forge, repo)
}

// A delivery that is not signed by the app's secret is refused before anything is done, and the
// answer does not tell whether there is such an app.
#[tokio::test]
async fn only_signed_deliveries_are_taken() {
    let (app, forge, _) = app_with_forge("signed").await;
    let webhook = app.api(&format!("/api/apps/{}/webhook", app.name)).await;
    let url = webhook["url"].as_str().expect("an address");
    let secret = webhook["secret"].as_str().expect("a secret");
    assert!(secret.len() >= 40, "the secret can be guessed");
    let unsigned = Delivery {
        signed: false,
        ..Delivery::push(PUSH)
    };
    let no_json = Delivery::push("{");
    let unknown = url.replace(&app.name, "nobody-has-this");
    let no_name = url.replace(&app.name, "No%20Name..");
    let answers = [
        Delivery::push(PUSH).send_to(url, "another secret").await,
        Delivery::push(PUSH).send_to(url, "").await,
        unsigned.send_to(url, secret).await,
        no_json.send_to(url, "another secret").await,
        Delivery::push(PUSH).send_to(&unknown, secret).await,
        unsigned.send_to(&unknown, secret).await,
        Delivery::push(PUSH).send_to(&no_name, secret).await,
    ];
    for answer in &answers {
        assert_eq!(answer.0, 401, "{}", answer.1);
        assert_eq!(answer.1, answers[0].1, "the answers differ");
    }
    assert_eq!(app.stored_pushes().await, 0);
    assert_eq!(forge.requests(), 0, "the forge was asked for something");
    assert!(app.releases().await.is_empty());
}

// The signature is over the bytes: one more makes it another body.
#[tokio::test]
async fn a_signature_is_for_one_body() {
    let (app, ..) = app_with_forge("body").await;
    let webhook = app.api(&format!("/api/apps/{}/webhook", app.name)).await;
    let url = webhook["url"].as_str().expect("an address");
    let secret = webhook["secret"].as_str().expect("a secret");
    let sent = client()
        .post(url)
        .header("x-github-event", "push")
        .header("x-github-delivery", "a")
        .header("x-hub-signature-256", tests::sign(secret, PUSH))
        .body(format!("{PUSH} "))
        .send();
    assert_eq!(sent.await.expect("an answer").status(), 401);
    assert_eq!(app.stored_pushes().await, 0);
}

#[tokio::test]
async fn a_delivery_is_acted_on_once() {
    let (app, _forge, _repo) = app_with_forge("once").await;
    let delivery = Delivery::push(PUSH);
    let statuses = send_at_once(&delivery, &app, 8).await;
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 202]);
    assert_eq!(app.first_release().await.state(), "live");
    assert_eq!(delivery.send(&app).await, 200);
    assert_eq!(app.stored_pushes().await, 1);
    assert_eq!(app.releases().await.len(), 1);
    // Another delivery of the same tip is another push, and no second release.
    assert_eq!(Delivery::push(PUSH).send(&app).await, 202);
    app.all_pushes_are_read().await;
    assert_eq!(app.releases().await.len(), 1);
}

/// The statuses that a delivery gets which arrives several times at once, sorted.
async fn send_at_once(delivery: &Delivery, app: &App<'_>, times: usize) -> Vec<u16> {
    let webhook = app.api(&format!("/api/apps/{}/webhook", app.name)).await;
    let (url, secret) = (webhook["url"].clone(), webhook["secret"].clone());
    let send = |_| {
        let (delivery, url, secret) = (delivery.clone(), url.clone(), secret.clone());
        tokio::spawn(async move {
            let (url, secret) = (url.as_str(), secret.as_str());
            let sent = delivery.send_to(url.expect("an address"), secret.expect("a secret"));
            sent.await.0
        })
    };
    let sent: Vec<_> = (0..times).map(send).collect();
    let mut statuses = Vec::new();
    for status in sent {
        statuses.push(status.await.expect("a status"));
    }
    statuses.sort_unstable();
    statuses
}

#[tokio::test]
async fn other_events_are_no_pushes() {
    let (app, forge, _) = app_with_forge("events").await;
    for event in ["ping", "issues", "workflow_run", ""] {
        let delivery = Delivery {
            event: event.to_owned(),
            ..Delivery::push(PUSH)
        };
        assert_eq!(delivery.send(&app).await, 200, "{event}");
    }
    for body in [
        r#"{"ref":"refs/tags/v1"}"#,
        r#"{"ref":"refs/heads/main","deleted":true}"#,
    ] {
        assert_eq!(Delivery::push(body).send(&app).await, 200, "{body}");
    }
    assert_eq!(Delivery::push("ref=main").send(&app).await, 400);
    let no_id = Delivery {
        id: String::new(),
        ..Delivery::push(PUSH)
    };
    assert_eq!(no_id.send(&app).await, 400);
    assert_eq!(app.stored_pushes().await, 0);
    assert_eq!(forge.requests(), 0);
}

// GitHub's largest payload has 25 MB.
#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let (app, ..) = app_with_forge("large").await;
    let padded = |length: usize| {
        let head = r#"{"ref":"refs/heads/main","pad":""#;
        format!("{head}{}\"}}", "x".repeat(length - head.len() - 2))
    };
    let too_large = Delivery::push(&padded((25 << 20) + 1));
    assert_eq!(too_large.send(&app).await, 413);
    assert_eq!(app.stored_pushes().await, 0);
    let largest = Delivery::push(&padded(25 << 20));
    assert_eq!(largest.send(&app).await, 202);
    assert_eq!(app.stored_pushes().await, 1);
}

// 202 says that the push is on disk, no more: the forge need not even answer.
#[tokio::test]
async fn a_delivery_is_taken_while_the_forge_is_away() {
    let (app, forge, _) = app_with_forge("away").await;
    drop(forge);
    assert_eq!(Delivery::push(PUSH).send(&app).await, 202);
    assert_eq!(app.stored_pushes().await, 1);
}

// A forge that is out of order for a moment loses nothing: the push is read again.
#[tokio::test]
async fn a_forge_that_comes_back_is_fetched_from() {
    let (app, forge, _repo) = app_with_forge("back").await;
    forge.set_away(true);
    assert_eq!(Delivery::push(PUSH).send(&app).await, 202);
    let tried = || async { (forge.requests() > 0).then_some(()) };
    eventually("the forge is asked", tried).await;
    assert!(app.releases().await.is_empty());
    forge.set_away(false);
    let release = app.first_release().await;
    assert_eq!(release.state(), "live", "{}", release.0);
    app.serves("test", "one").await;
}

#[tokio::test]
async fn an_empty_repository_of_a_forge_releases_nothing() {
    let forge = Forge::open().await;
    let app = shared().app_of("empty", &forge.url).await;
    assert_eq!(forge.announce(&app, "main").await, 202);
    app.all_pushes_are_read().await;
    assert!(app.releases().await.is_empty());
    let (status, answer) = app.try_deploy("test", "main").await;
    assert_eq!(status, 404, "{answer}");
}

// The address that git's hook uses is for it alone: the API's token does not open it.
#[tokio::test]
async fn only_gits_hook_tells_of_pushes() {
    let app = shared().app("internal").await;
    let url = format!("{}/internal/received/{}", app.platform.url, app.name);
    let zero = "0".repeat(40);
    let change = format!("{zero} {} refs/heads/main\n", "1".repeat(40));
    let request = || client().post(&url).body(change.clone());
    for request in [request(), request().bearer_auth(&app.platform.token)] {
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 401);
    }
    assert_eq!(app.stored_pushes().await, 0);
}

// A forge's push of another branch is stored with a word, and deploys nothing.
#[tokio::test]
async fn a_forges_other_branches_are_not_deployed() {
    let (app, forge, repo) = app_with_forge("branches").await;
    assert_eq!(forge.announce(&app, "main").await, 202);
    app.first_release().await;
    repo.change("a feature").await;
    forge.receive(&repo, "feature").await;
    assert_eq!(forge.announce(&app, "feature").await, 202);
    app.all_pushes_are_read().await;
    assert_eq!(app.releases().await.len(), 1);
    assert_eq!(app.get("test", "/").await.json()["message"], "one");
    // But it was fetched, and can be deployed.
    let release = app.deploy("snap0", "feature").await;
    assert_eq!(release.state(), "live", "{}", release.0);
    app.serves("snap0", "a feature").await;
}

#[tokio::test]
async fn an_app_with_a_forge_refuses_direct_pushes() {
    let (app, forge, repo) = app_with_forge("indirect").await;
    let pushed = app.push(&repo).await;
    assert!(!pushed.ok, "{}", pushed.output);
    let message = format!("This app is fetched from {}: push there", forge.url);
    assert!(pushed.output.contains(&message), "{}", pushed.output);
    assert_eq!(app.stored_pushes().await, 0);
    assert_eq!(shown(&app).await["push_url"], Value::Null);
}

async fn shown(app: &App<'_>) -> Value {
    app.api(&format!("/api/apps/{}", app.name)).await
}

// Proves: X02
#[tokio::test]
async fn another_branch_is_stored_and_nothing_changes() {
    let app = shared().app("other").await;
    let repo = Repo::server("one", ONE_POD).await;
    app.push_live(&repo).await;
    let before = Kube::names("pods", &app.namespace("test"));
    let feature = repo.change("a feature").await;
    let pushed = app.push_refs(&repo, &["HEAD:refs/heads/feature"]).await;
    assert!(pushed.ok, "{}", pushed.output);
    let how = format!("hops deploy -a {} -e test -r feature", app.name);
    assert!(pushed.remote().contains(&how), "{}", pushed.output);
    assert!(pushed.remote().contains("stored"), "{}", pushed.output);
    assert_eq!(app.releases().await.len(), 1);
    assert_eq!(Kube::names("pods", &app.namespace("test")), before);
    assert_eq!(app.get("test", "/").await.json()["message"], "one");
    assert_eq!(refs(&app, &repo).await["refs/heads/feature"], feature);
}

/// What the platform's repository shows of its refs.
async fn refs(app: &App<'_>, repo: &Repo) -> Value {
    let (url, token) = (app.push_url(), &app.platform.token);
    let listed = repo.git_with_token(&["ls-remote", &url], token).await;
    assert!(listed.ok, "{}", listed.output);
    let pairs = listed.printed.lines().filter_map(|line| {
        let (commit, name) = line.split_once('\t')?;
        Some((name.to_owned(), Value::from(commit)))
    });
    Value::Object(pairs.collect())
}

#[tokio::test]
async fn tags_are_stored_and_release_nothing() {
    let app = shared().app("tags").await;
    let repo = Repo::server("one", ONE_POD).await;
    repo.git(&["tag", "v1"]).await;
    repo.git(&["tag", "--annotate", "-m", "one", "v1.0"]).await;
    let tags = ["refs/tags/v1", "refs/tags/v1.0"];
    let pushed = app.push_refs(&repo, &tags).await;
    assert!(pushed.ok, "{}", pushed.output);
    assert_eq!(app.stored_pushes().await, 0);
    assert!(app.releases().await.is_empty());
    let refs = refs(&app, &repo).await;
    for tag in tags {
        assert!(refs[tag].is_string(), "{tag} is not in {refs}");
    }
}

#[tokio::test]
async fn a_force_push_needs_force_and_keeps_what_was_released() {
    let app = shared().app("force").await;
    let repo = Repo::server("one", ONE_POD).await;
    app.push_live(&repo).await;
    let first = repo.git(&["rev-parse", "HEAD"]).await;
    repo.write("message", "rewritten");
    repo.git(&["commit", "--quiet", "--all", "--amend", "-m", "rewritten"])
        .await;
    let refused = app.push(&repo).await;
    assert!(!refused.ok && refused.output.contains("rejected"));
    assert_eq!(app.releases().await.len(), 1);
    let forced = app.push_refs(&repo, &["+HEAD:refs/heads/main"]).await;
    assert!(forced.ok, "{}", forced.output);
    assert_eq!(app.last_release().await.state(), "live");
    app.serves("test", "rewritten").await;
    // No branch has the first commit any more, but a release has.
    let again = app.deploy("test", first.trim()).await;
    assert_eq!(again.state(), "live", "{}", again.0);
    app.serves("test", "one").await;
    // Back to it by force is a release like any other, and needs no build.
    let back = format!("+{}:refs/heads/main", first.trim());
    let pushed = app.push_refs(&repo, &[&back]).await;
    assert!(pushed.ok, "{}", pushed.output);
    let release = app.last_release().await;
    assert_eq!((release.state(), release.number()), ("live", 4));
    assert_eq!(release.0["commit"], first.trim());
    assert_eq!(app.builds().await, 2);
}

// One push of several branches: the default branch is released, the others are told of.
#[tokio::test]
async fn several_branches_at_once_are_each_told_of() {
    let app = shared().app("several").await;
    let repo = Repo::server("one", ONE_POD).await;
    let refs = [
        "HEAD:refs/heads/main",
        "HEAD:refs/heads/a",
        "HEAD:refs/tags/v1",
    ];
    let pushed = app.push_refs(&repo, &refs).await;
    assert!(pushed.ok, "{}", pushed.output);
    let told = pushed.remote();
    assert!(told.contains("is live in test"), "{told}");
    assert!(
        told.contains(&format!("-a {} -e test -r a", app.name)),
        "{told}"
    );
    assert_eq!(shown(&app).await["default_branch"], "main");
    assert_eq!(app.releases().await.len(), 1);
}

#[tokio::test]
async fn branches_can_be_deleted() {
    let app = shared().app("delete").await;
    let repo = unbuildable().await;
    let pushed = app.push(&repo).await;
    assert!(pushed.ok, "{}", pushed.output);
    app.push_refs(&repo, &["HEAD:refs/heads/feature"]).await;
    let deleted = app.push_refs(&repo, &[":refs/heads/feature"]).await;
    assert!(deleted.ok, "{}", deleted.output);
    assert!(deleted.output.contains("[deleted]"), "{}", deleted.output);
    assert_eq!(refs(&app, &repo).await["refs/heads/feature"], Value::Null);
    let (status, answer) = app.try_deploy("test", "feature").await;
    assert_eq!((status, &answer["code"]), (404, &json!("not_found")));
    assert_eq!(answer["hint"], "branches: main");
    assert_eq!(app.releases().await.len(), 1);
    // Git does not delete the branch that a clone would check out.
    let refused = app.push_refs(&repo, &[":refs/heads/main"]).await;
    assert!(!refused.ok, "{}", refused.output);
    assert!(refs(&app, &repo).await["refs/heads/main"].is_string());
}

// Released commits are pinned below refs/hops, which is nobody's business.
#[tokio::test]
async fn the_platforms_own_refs_are_hidden() {
    let app = shared().app("hidden").await;
    let repo = unbuildable().await;
    app.push(&repo).await;
    assert_eq!(app.releases().await.len(), 1);
    let refs = refs(&app, &repo).await;
    let names: Vec<&String> = refs.as_object().expect("refs").keys().collect();
    assert_eq!(names, ["HEAD", "refs/heads/main"]);
    let pushed = app
        .push_refs(&repo, &["HEAD:refs/hops/releases/mine"])
        .await;
    assert!(!pushed.ok, "{}", pushed.output);
}

#[tokio::test]
async fn ctrl_c_stops_the_telling_and_not_the_release() {
    let app = shared().app("ctrl-c").await;
    let repo = Repo::server("one", ONE_POD).await;
    let (url, token) = (app.push_url(), &app.platform.token);
    let told = repo
        .push_and_interrupt(&url, token, &["HEAD:refs/heads/main"], "building")
        .await;
    assert!(!told.contains("is live"), "it was told to the end:\n{told}");
    let release = app.last_release().await;
    assert_eq!(release.state(), "live", "{}", release.0);
    app.serves("test", "one").await;
}

#[tokio::test]
async fn a_push_is_told_as_it_happens() {
    let app = shared().app("told").await;
    let repo = Repo::server("one", ONE_POD).await;
    let commit = repo.git(&["rev-parse", "HEAD"]).await;
    let pushed = app.push(&repo).await;
    let told = pushed.remote();
    let mut rest = told.as_str();
    let steps = [
        format!("release 1 of {} to test: {} one", app.name, &commit[..8]),
        format!("[{}] building", app.name),
        "COPY message /message".to_owned(),
        format!("[{}] built sha256:", app.name),
        format!("[{}] live: http://{}", app.name, app.host("test")),
        format!("release 1 of {} is live in test", app.name),
        format!("http://{}", app.host("test")),
    ];
    for step in steps {
        let at = rest.find(&step);
        let at = at.unwrap_or_else(|| panic!("{step:?} does not follow in:\n{told}"));
        rest = &rest[at + step.len()..];
    }
}

#[tokio::test]
async fn a_wrong_token_opens_nothing() {
    let app = shared().app("token").await;
    let repo = Repo::server("one", "").await;
    for token in ["", "wrong", "token-"] {
        let pushed = repo
            .push(&app.push_url(), token, &["HEAD:refs/heads/main"])
            .await;
        assert!(!pushed.ok, "{token:?} was taken: {}", pushed.output);
    }
    assert_eq!(app.stored_pushes().await, 0);
    assert_eq!(shown(&app).await["default_branch"], Value::Null);
    let url = format!("{}/info/refs?service=git-receive-pack", app.push_url());
    let answer = client().get(url).send().await.expect("an answer");
    assert_eq!(answer.status(), 401);
    let challenge = answer.headers().get("www-authenticate");
    let challenge = challenge.and_then(|value| value.to_str().ok());
    assert!(challenge.is_some_and(|text| text.starts_with("Basic ")));
    let url = format!("{}/api/apps/{}", app.platform.url, app.name);
    let answer = client().get(url).bearer_auth("wrong").send().await;
    assert_eq!(answer.expect("an answer").status(), 401);
}

#[tokio::test]
async fn an_unknown_app_cannot_be_pushed_to() {
    let repo = Repo::server("one", "").await;
    let name = unique("nobody");
    let url = format!("{}/git/{name}.git", shared().url);
    let pushed = repo
        .push(&url, &shared().token, &["HEAD:refs/heads/main"])
        .await;
    assert!(!pushed.ok);
    let message = format!("There is no app `{name}`. To create it: hops apps create {name}");
    assert!(pushed.output.contains(&message), "{}", pushed.output);
}

// The name is a path's only part: nothing outside the store can be named.
#[tokio::test]
async fn paths_that_are_no_names_lead_nowhere() {
    let token = &shared().token;
    for path in [
        "..%2f..%2fetc.git/info/refs?service=git-upload-pack",
        "%2e%2e.git/info/refs?service=git-upload-pack",
        "-x.git/info/refs?service=git-upload-pack",
        "test.git/info/refs?service=git-upload-pack",
    ] {
        let url = format!("{}/git/{path}", shared().url);
        let answer = client().get(url).basic_auth("x", Some(token)).send().await;
        assert_eq!(answer.expect("an answer").status(), 404, "{path}");
    }
}

#[tokio::test]
async fn what_was_pushed_can_be_cloned() {
    let app = shared().app("clone").await;
    let repo = unbuildable().await;
    repo.git(&["branch", "--move", "trunk"]).await;
    let pushed = app.push_refs(&repo, &["HEAD:refs/heads/trunk"]).await;
    assert!(pushed.ok, "{}", pushed.output);
    assert_eq!(shown(&app).await["default_branch"], "trunk");
    let (url, token) = (app.push_url(), &app.platform.token);
    let cloned = repo
        .git_with_token(&["clone", "--quiet", &url, "copy"], token)
        .await;
    assert!(cloned.ok, "{}", cloned.output);
    let heads = repo.git(&["rev-parse", "HEAD"]).await;
    let copys = repo.git(&["-C", "copy", "rev-parse", "HEAD"]).await;
    assert_eq!(copys, heads);
    let branch = repo.git(&["-C", "copy", "branch", "--show-current"]).await;
    assert_eq!(branch.trim(), "trunk");
    let message = std::fs::read_to_string(repo.path().join("copy/message"));
    assert_eq!(message.expect("a file of the clone"), "one");
}

// Git packs questions of more than 1 KB, such as those of a clone with commits of its own.
#[tokio::test]
async fn a_packed_question_is_understood() {
    let app = shared().app("packed").await;
    let repo = unbuildable().await;
    app.push_refs(&repo, &["HEAD:refs/heads/main"]).await;
    for number in 0..60 {
        repo.commit(&format!("mine {number}")).await;
    }
    let other = Repo::server("two", ONE_POD).await;
    app.push_refs(&other, &["HEAD:refs/heads/other"]).await;
    let (url, token) = (app.push_url(), &app.platform.token);
    for version in ["protocol.version=0", "protocol.version=2"] {
        let fetch = ["-c", version, "fetch", "--verbose", &url, "other"];
        let fetched = repo.git_traced(&fetch, token).await;
        assert!(fetched.ok, "{}", fetched.output);
        let packed = fetched.output.to_lowercase();
        assert!(packed.contains("content-encoding: gzip"), "{packed}");
        let head = repo.git(&["rev-parse", "FETCH_HEAD"]).await;
        assert_eq!(head, other.git(&["rev-parse", "HEAD"]).await);
        // Forget it, so that the other protocol has to fetch it too.
        repo.git(&["update-ref", "-d", "FETCH_HEAD"]).await;
        repo.git(&["prune", "--expire=now"]).await;
    }
}

#[tokio::test]
async fn a_large_push_is_stored_whole() {
    let app = shared().app("large").await;
    let repo = Repo::server("one", ONE_POD).await;
    let mut noise = vec![0; 20 << 20];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    // What does not compress; xorshift is random enough for that.
    for byte in &mut noise {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = (state >> 32) as u8;
    }
    std::fs::write(repo.path().join("large.bin"), &noise).expect("writing a file");
    repo.write(
        "Dockerfile",
        &(dockerfile("message") + "COPY large.bin /large.bin\n"),
    );
    repo.commit("large").await;
    app.push_live(&repo).await;
    let url = "/file?path=/large.bin";
    let host = app.host("test");
    app.serves("test", "one").await;
    let address = tests::setting("HOPS_INGRESS_URL").replace("localhost", "127.0.0.1");
    let address = format!("{}{url}", address.trim_end_matches('/'));
    let answer = client().get(address).header("host", host).send().await;
    let served = answer.expect("an answer").bytes().await.expect("a body");
    assert!(served == noise, "{} bytes of another content", served.len());
}

#[tokio::test]
async fn names_that_clash_or_are_reserved_are_refused() {
    let platform = shared();
    let create = async |name: &str| platform.create_app(&json!({ "name": name })).await;
    for name in ["prod", "test", "snap0", "snap9", "local", "hops", "www"] {
        let (status, answer) = create(name).await;
        assert_eq!(status, 400, "{name}: {answer}");
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(message.contains("is reserved"), "{name}: {message}");
        assert!(answer["hint"].is_string(), "{name}: {answer}");
    }
    for name in [
        "", "Shop", "9lives", "-shop", "shop-", "a b", "a.b", "../x", "æ",
    ] {
        let (status, answer) = create(name).await;
        assert_eq!(status, 400, "{name}: {answer}");
    }
    let name = unique("my_shop");
    let (status, app) = create(&name).await;
    assert_eq!(status, 201, "{app}");
    assert_eq!(app["name"], name.replace('_', "-"));
    for taken in [name.clone(), name.replace('_', "-")] {
        let (status, answer) = create(&taken).await;
        assert_eq!((status, &answer["code"]), (409, &json!("name_taken")));
    }
}

#[tokio::test]
async fn addresses_that_are_not_to_be_fetched_from_are_refused() {
    let platform = shared();
    let addresses = [
        ("file:///etc", "`file:`"),
        ("/etc/passwd", "not an address"),
        ("ext::sh -c id", "a repository's address is wanted"),
        ("ext::sh", "`ext:`"),
        ("--upload-pack=id", "a repository's address is wanted"),
        ("git://github.com/x/y", "`git:`"),
        ("ssh://-oProxyCommand=id/x", ""),
        ("https://user:pw@example.com/x", "must not hold"),
        ("http://10.0.0.1/x", "inside this network"),
        ("http://167772161/x", "inside this network"),
        ("http://169.254.169.254/latest", "inside this network"),
        ("http://[::1]/x", "inside this network"),
        ("http://[::ffff:10.0.0.1]/x", "inside this network"),
        ("http://127.0.0.2/x", "inside this network"),
        ("http://0.0.0.0/x", "inside this network"),
    ];
    for (address, why) in addresses {
        let name = unique("nowhere");
        let asked = json!({ "name": name, "repository": address });
        let (status, answer) = platform.create_app(&asked).await;
        assert_eq!(status, 400, "{address}: {answer}");
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(message.contains(why), "{address}: {message}");
        let (status, _) = platform.get(&format!("/api/apps/{name}")).await;
        assert_eq!(status, 404, "{address} made an app all the same");
    }
}

// A credential needs a repository of its kind, and ssh needs to know whom it speaks to.
#[tokio::test]
async fn credentials_must_fit_the_address() {
    let platform = shared();
    let ssh = "git@127.0.0.1:me/app.git";
    let http = "http://127.0.0.1:1/app.git";
    for asked in [
        json!({ "token": "x" }),
        json!({ "deploy_key": true }),
        json!({ "repository": ssh, "token": "x", "known_hosts": "h" }),
        json!({ "repository": ssh, "deploy_key": true }),
        json!({ "repository": http, "deploy_key": true }),
    ] {
        let mut asked = asked;
        asked["name"] = unique("unfit").into();
        let (status, answer) = platform.create_app(&asked).await;
        assert_eq!(status, 400, "{asked}: {answer}");
    }
    let asked = json!({ "name": unique("keyed"), "repository": ssh, "deploy_key": true, "known_hosts": "127.0.0.1 ssh-ed25519 AAAA" });
    let (status, app) = platform.create_app(&asked).await;
    assert_eq!(status, 201, "{app}");
    let key = app["deploy_key"].as_str().unwrap_or_default();
    assert!(key.starts_with("ssh-ed25519 "), "{app}");
    assert!(!app.to_string().contains("PRIVATE"), "{app}");
}

#[tokio::test]
async fn a_submodule_is_told_of() {
    let app = shared().app("submodule").await;
    let repo = Repo::server("one", "").await;
    let commit = repo.git(&["rev-parse", "HEAD"]).await;
    let entry = format!("160000,{},vendor/lib", commit.trim());
    repo.git(&["update-index", "--add", "--cacheinfo", &entry])
        .await;
    repo.git(&["commit", "--quiet", "-m", "a submodule"]).await;
    let pushed = app.push(&repo).await;
    assert!(pushed.ok, "{}", pushed.output);
    let message = "the repository has a git submodule (`vendor/lib`), which is not supported yet";
    assert!(pushed.remote().contains(message), "{}", pushed.output);
    let release = app.last_release().await;
    assert_eq!(release.state(), "failed");
    assert!(release.reason().contains(message), "{}", release.0);
    assert!(release.reason().contains("hint: commit its files instead"));
}

#[tokio::test]
async fn an_lfs_pointer_is_told_of() {
    let app = shared().app("lfs").await;
    let repo = Repo::server("one", ONE_POD).await;
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    repo.write("model.bin", pointer);
    repo.write(
        "Dockerfile",
        &(dockerfile("message") + "COPY model.bin /\n"),
    );
    repo.commit("a pointer").await;
    let pushed = app.push(&repo).await;
    let message = "`model.bin` is kept in Git LFS, which is not supported yet";
    assert!(pushed.remote().contains(message), "{}", pushed.output);
    let release = app.last_release().await;
    assert_eq!(release.state(), "failed");
    assert!(release.reason().contains(message), "{}", release.0);
    // One that no step wants does no harm.
    repo.write("Dockerfile", &dockerfile("message"));
    repo.commit("not wanted").await;
    app.push_live(&repo).await;
}

// A crash between git's storing of a push and the platform's: the next look finds the commit.
#[tokio::test]
async fn a_push_whose_hook_did_not_run_is_found() {
    let app = shared().app("unhooked").await;
    let repo = Repo::server("one", ONE_POD).await;
    app.push_live(&repo).await;
    let missed = repo.change("missed").await;
    let store = app.platform.folder().join(format!("git/{}.git", app.name));
    let store = store.to_str().expect("a path of text");
    let silent = "core.hooksPath=/nonexistent";
    repo.git(&[
        "push",
        "--quiet",
        "--receive-pack",
        &format!("git -c {silent} receive-pack"),
        store,
        "HEAD:refs/heads/main",
    ])
    .await;
    let found = || async { (app.releases().await.len() == 2).then_some(()) };
    eventually("the missed commit is released", found).await;
    let release = app.last_release().await;
    assert_eq!(
        (release.state(), &release.0["commit"]),
        ("live", &json!(missed))
    );
}

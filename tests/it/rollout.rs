//! How a version takes over from the one before, what becomes of one that does not make it, and
//! what probes do to running pods.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;
use tests::{
    Answer, App, Kube, Platform, Pod, Pushed, Repo, client, dockerfile, eventually, get, get_with,
    impatient, shared,
};

// Proves: H16 H17
#[tokio::test]
async fn versions_overlap_while_one_replaces_the_other() {
    let app = shared().app("overlap").await;
    let repo = Repo::server("one", "").await;
    app.push_live(&repo).await;
    assert_eq!(app.get("test", "/").await.json()["message"], "one");
    let namespace = app.namespace("test");

    repo.write(
        "iterapp.toml",
        "[env.common]\nSTART = \"slow\"\nSLOW_MS = 5000",
    );
    repo.change("two").await;
    let overlap = eventually(
        "both versions serve, each by a ReplicaSet of its own",
        || async {
            let messages = messages(&app.host("test"), 10).await;
            let sets = Kube::list("replicasets", &namespace);
            let serving = sets
                .iter()
                .filter(|set| set["status"]["readyReplicas"].as_u64() >= Some(1));
            let both = BTreeSet::from(["one".to_owned(), "two".to_owned()]);
            (serving.count() == 2 && messages == both).then_some(())
        },
    );
    let (pushed, ()) = tokio::join!(app.push(&repo), overlap);
    assert!(pushed.ok, "{}", pushed.output);
    assert_eq!(
        app.last_release().await.state(),
        "live",
        "{}",
        pushed.output
    );
    eventually("the new version alone serves", || async {
        let new = BTreeSet::from(["two".to_owned()]);
        (messages(&app.host("test"), 10).await == new).then_some(())
    })
    .await;
}

/// What so many requests in a row are answered with; none may fail.
async fn messages(host: &str, count: usize) -> BTreeSet<String> {
    let client = client();
    let mut messages = BTreeSet::new();
    for _ in 0..count {
        let answer = get_with(&client, host, "/").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        messages.insert(
            answer.json()["message"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        );
    }
    messages
}

// Proves: H18
#[tokio::test]
async fn applings_fail_alone() {
    let app = impatient().app("alone").await;
    let repo = Repo::empty().await;
    repo.write("iterapp.toml", "applings = [\"web\", \"api\"]");
    for appling in ["web", "api"] {
        repo.write(&format!("{appling}/iterapp.toml"), "replicas = 1");
        repo.write(&format!("{appling}/Dockerfile"), &dockerfile("message"));
    }
    repo.change("one").await;
    app.push_live(&repo).await;

    repo.write(
        "api/iterapp.toml",
        "replicas = 1\n[env.common]\nSTART = \"health=500\"",
    );
    let commit = repo.change("two").await;
    let pushed = app.push(&repo).await;

    let release = app.last_release().await;
    assert_eq!(release.state(), "failed");
    assert_eq!(release.appling("web")["state"], "live");
    assert_eq!(release.appling("api")["state"], "failed");
    let told = "the readiness probe GET :3000/health got 500";
    for text in [
        release.appling("api")["reason"].to_string(),
        pushed.remote(),
    ] {
        assert!(text.contains(told), "{text}");
    }
    assert_told_once(&pushed, &format!("[api] failed: {told}"));
    assert!(
        pushed
            .remote()
            .contains("failed for api, the others are live"),
        "{}",
        pushed.output
    );
    assert_eq!(
        app.get_of("web", "test", "/").await.json()["message"],
        "two"
    );
    assert_eq!(
        app.get_of("api", "test", "/").await.json()["message"],
        "one"
    );

    let status = app.status().await;
    let environment = &status["environments"][0];
    assert_eq!(
        environment["release"]["applings"][1]["state"], "failed",
        "{environment}"
    );
    let serves = |name: &str| {
        let applings = environment["applings"].as_array().expect("applings");
        let appling = applings.iter().find(|appling| appling["name"] == name);
        let appling = appling.expect("the appling");
        (
            appling["release"].clone(),
            appling["commit"] == commit.as_str(),
        )
    };
    assert_eq!(serves("web"), (Value::from(2), true));
    assert_eq!(serves("api"), (Value::from(1), false));
}

/// The platform's words contain a line that begins so, once.
fn assert_told_once(pushed: &Pushed, line: &str) {
    let remote = pushed.remote();
    let told = remote.lines().filter(|other| other.starts_with(line));
    assert_eq!(told.count(), 1, "once, and not: {line}\n{}", pushed.output);
}

/// An app whose first version serves, and what its pods were made from.
async fn serving(
    platform: &'static Platform,
    prefix: &str,
    iterapp: &str,
) -> (App<'static>, Repo, String) {
    let app = platform.app(prefix).await;
    let repo = Repo::server("one", iterapp).await;
    app.push_live(&repo).await;
    assert_eq!(app.get("test", "/").await.json()["message"], "one");
    let version = Pod::all(&app.namespace("test"))
        .swap_remove(0)
        .version()
        .to_owned();
    (app, repo, version)
}

/// The newest release failed for this reason, which was told once and clearly; the version before
/// serves, and nothing is left of the candidate.
async fn assert_taken_back(app: &App<'_>, pushed: &Pushed, told: &[&str], before: &str) {
    assert!(
        pushed.ok,
        "a push is stored whatever becomes of it:\n{}",
        pushed.output
    );
    assert_told_once(pushed, &format!("[{}] failed: {}", app.name, told[0]));
    let release = app.last_release().await;
    assert_eq!(release.state(), "failed");
    for words in told {
        assert!(
            pushed.remote().contains(words),
            "{words:?} is not in\n{}",
            pushed.output
        );
        assert!(
            release.reason().contains(words),
            "{words:?} is not in\n{}",
            release.reason()
        );
    }
    let namespace = app.namespace("test");
    eventually("the candidate is taken back", || async {
        let deployment = Kube::get("deployment", &app.name, &namespace);
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        let pods = Pod::also_stopping(&namespace);
        let only = pods
            .iter()
            .all(|pod| pod.version() == before && pod.is_ready());
        (labels["hops.dev/version"] == before && only && !pods.is_empty()).then_some(())
    })
    .await;
    assert_eq!(
        messages(&app.host("test"), 20).await,
        BTreeSet::from(["one".to_owned()])
    );
}

// Proves: H19
#[tokio::test]
async fn an_unready_version_gets_no_traffic() {
    let (app, repo, before) = serving(impatient(), "unready", "").await;
    repo.write("iterapp.toml", "[env.common]\nSTART = \"health=500\"");
    repo.change("two").await;
    let candidate_runs = async {
        let namespace = app.namespace("test");
        let candidate = || async {
            let pods = Pod::all(&namespace);
            pods.into_iter()
                .find(|pod| pod.version() != before && pod.is_running())
        };
        let candidate = eventually("a pod of the new version runs", candidate).await;
        let answers =
            || async { (candidate.get("/").await.json()["message"] == "two").then_some(()) };
        eventually("it answers by itself", answers).await;
        let answers = messages(&app.host("test"), 100).await;
        let now = candidate.again();
        assert!(now.is_running(), "it was to run all the while");
        assert_eq!(
            now.restarts(),
            0,
            "what does not become ready is not restarted"
        );
        assert_eq!(answers, BTreeSet::from(["one".to_owned()]));
    };
    let (pushed, ()) = tokio::join!(app.push(&repo), candidate_runs);
    let told = ["the readiness probe GET :3000/health got 500"];
    assert_taken_back(&app, &pushed, &told, &before).await;
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_told() {
    let (app, repo, before) = serving(impatient(), "port", "replicas = 1").await;
    repo.write("iterapp.toml", "replicas = 1\n[env.common]\nPORT = 4000");
    repo.change("two").await;
    let pushed = app.push(&repo).await;
    let told = [
        "nothing answers on port 3000: connection refused",
        "If it listens on another port, set `port` in iterapp.toml",
    ];
    assert_taken_back(&app, &pushed, &told, &before).await;
}

#[tokio::test]
async fn a_crash_at_the_start_is_told_with_its_last_lines() {
    let (app, repo, before) = serving(impatient(), "crash", "replicas = 1").await;
    repo.write(
        "iterapp.toml",
        "replicas = 1\n[env.common]\nSTART = \"crash\"",
    );
    repo.change("two").await;
    let pushed = app.push(&repo).await;
    let told = [
        "the app exited with code 3",
        "its last lines:",
        "cannot find the configuration",
        "giving up",
    ];
    assert_taken_back(&app, &pushed, &told, &before).await;
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_told() {
    let (app, repo, before) = serving(impatient(), "pull", "replicas = 1").await;
    lose_next_image(&app).await;
    repo.change("two").await;
    let pushed = app.push(&repo).await;
    let missing = format!("{}@sha256:{}", app.name, "0".repeat(64));
    let told = ["its image cannot be pulled: ", &missing, "not found"];
    assert_taken_back(&app, &pushed, &told, &before).await;
}

/// The platform takes the next image of this app to be one that the registry does not have, as if
/// it had been lost there between build and rollout.
async fn lose_next_image(app: &App<'_>) {
    let database = app.platform.database().await;
    sqlx::raw_sql(
        "create table lost_images (app text);
         create function lose_image() returns trigger language plpgsql as $$ begin
             if new.digest is not null and new.app in (select app from lost_images) then
                 new.digest := 'sha256:' || repeat('0', 64);
             end if;
             return new;
         end $$;
         create trigger lose_image before update on builds for each row execute function lose_image()",
    )
    .execute(&database)
    .await
    .expect("the trigger");
    let lose = sqlx::query("insert into lost_images values ($1)").bind(&app.name);
    lose.execute(&database).await.expect("the app's name");
}

#[tokio::test]
async fn a_full_quota_is_told() {
    let (app, repo, before) = serving(impatient(), "quota", "replicas = 1").await;
    let namespace = app.namespace("test");
    Kube::run(&[
        "create",
        "quota",
        "small",
        "--hard=pods=1",
        "--namespace",
        &namespace,
    ]);
    repo.change("two").await;
    let pushed = app.push(&repo).await;
    let told = [
        "its pods would go over the namespace's quota",
        "exceeded quota: small",
        "ask for fewer `replicas` in iterapp.toml, or for a larger quota",
    ];
    assert_taken_back(&app, &pushed, &told, &before).await;
}

// Proves: H20
#[tokio::test]
async fn an_old_pod_is_told_to_stop_only_after_its_replacement_is_ready() {
    let (app, repo, before) = serving(shared(), "sigterm", "replicas = 1").await;
    let namespace = app.namespace("test");
    let old = Pod::all(&namespace).swap_remove(0);
    let old_log = old.follow_log();
    repo.write(
        "iterapp.toml",
        "replicas = 1\n[env.common]\nSTART = \"slow\"\nSLOW_MS = 6000",
    );
    repo.change("two").await;
    app.push_live(&repo).await;

    let new = Pod::all(&namespace)
        .into_iter()
        .find(|pod| pod.version() != before);
    let new = new.expect("the replacement");
    assert!(new.is_ready());
    let line = eventually("the old pod logs SIGTERM", || async {
        let text = old_log.text();
        text.lines()
            .find(|line| line.ends_with("SIGTERM"))
            .map(str::to_owned)
    })
    .await;
    // `2026/01/02 03:04:05.678901 SIGTERM` against `2026-01-02T03:04:05Z`, both UTC.
    let told = line.replace('/', "-").replacen(' ', "T", 1);
    assert!(
        told.as_str() > new.ready_since().trim_end_matches('Z'),
        "{line}: {}",
        new.ready_since()
    );
}

// Proves: H21 H22
#[tokio::test]
async fn the_host_header_picks_the_app() {
    let (one, two) = (shared().app("host").await, shared().app("host").await);
    let (repo_one, repo_two) = (
        Repo::server("one", "replicas = 1").await,
        Repo::server("two", "replicas = 1").await,
    );
    tokio::join!(one.push_live(&repo_one), two.push_live(&repo_two));
    for (app, message) in [(&one, "one"), (&two, "two")] {
        let answer = app.get("test", "/").await.json();
        assert_eq!(answer["message"], message);
        assert_eq!(answer["app"], app.name.as_str());
    }
    for unknown in [
        "nobody.test.localhost",
        &format!("other-{}", one.host("test")),
        "127.0.0.1",
    ] {
        assert_eq!(get(unknown, "/").await.status, 404, "{unknown}");
    }
    let ingresses = Kube::list("ingresses", &one.namespace("test"));
    assert_eq!(ingresses.len(), 1);
    let spec = &ingresses[0]["spec"];
    assert_eq!(spec["ingressClassName"], "nginx");
    assert_eq!(spec["rules"][0]["host"], one.host("test"));
}

// Proves: H22
#[tokio::test]
async fn every_appling_has_an_ingress_of_its_own() {
    let app = shared().app("ingresses").await;
    let repo = Repo::empty().await;
    repo.write("iterapp.toml", "applings = [\"web\", \"api\"]");
    for appling in ["web", "api"] {
        repo.write(&format!("{appling}/iterapp.toml"), "replicas = 1");
        repo.write(&format!("{appling}/Dockerfile"), &dockerfile("message"));
    }
    repo.change("one").await;
    app.push_live(&repo).await;
    let mut routes: Vec<(String, String)> = Vec::new();
    for ingress in Kube::list("ingresses", &app.namespace("test")) {
        assert_eq!(ingress["spec"]["ingressClassName"], "nginx");
        let rules = ingress["spec"]["rules"].as_array().expect("rules");
        assert_eq!(rules.len(), 1, "{ingress}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let backend = &rules[0]["http"]["paths"][0]["backend"]["service"]["name"];
        routes.push((text(&rules[0]["host"]), text(backend)));
    }
    routes.sort_unstable();
    let route = |appling: &str| {
        (
            app.host_of(appling, "test"),
            format!("{}-{appling}", app.name),
        )
    };
    assert_eq!(routes, [route("api"), route("web")]);
    for appling in ["api", "web"] {
        assert_eq!(
            app.get_of(appling, "test", "/").await.json()["appling"],
            appling
        );
    }
}

// Proves: H24 X13
#[tokio::test]
async fn readiness_is_asked_every_two_seconds_and_liveness_never() {
    let app = shared().app("probe").await;
    let repo = Repo::server("one", "replicas = 1\n[env.common]\nLOG_PROBES = 1").await;
    app.push_live(&repo).await;
    let pod = Pod::all(&app.namespace("test")).swap_remove(0);
    let container = &pod.0["spec"]["containers"][0];
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/health");
    assert_eq!(container["livenessProbe"], Value::Null);
    // It only spares the wait until the first readiness probe: nothing is restarted by it.
    let startup = &container["startupProbe"];
    assert_eq!(startup["httpGet"]["path"], "/health");
    assert_eq!(startup["failureThreshold"], i32::MAX);

    let probes = eventually("the app logs a dozen probes", || async {
        let log = pod.log();
        let probes: Vec<f64> = log.lines().filter_map(probed_at).collect();
        (probes.len() >= 12).then_some(probes)
    })
    .await;
    let mut gaps: Vec<f64> = probes
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).rem_euclid(86_400.0))
        .collect();
    gaps.sort_by(f64::total_cmp);
    // Of the middle: the machine may be busy, and the first probe comes out of turn.
    let median = gaps[gaps.len() / 2];
    assert!((1.8..2.2).contains(&median), "{gaps:?}");
}

/// The second of the day of `2026/01/02 03:04:05.678901 probe 200`.
fn probed_at(line: &str) -> Option<f64> {
    let (at, _) = line.split_once(" probe 200")?;
    let (_, time) = at.split_once(' ')?;
    let mut parts = time.split(':').map(|part| part.parse::<f64>().ok());
    Some(parts.next()?? * 3600.0 + parts.next()?? * 60.0 + parts.next()??)
}

// Proves: H25
#[tokio::test]
async fn answers_from_200_to_399_are_ready_and_nothing_else_is() {
    let app = shared().app("answers").await;
    app.push_live(&Repo::server("one", "replicas = 3").await)
        .await;
    let pods = Pod::all(&app.namespace("test"));
    assert_eq!(pods.len(), 3);
    // Twice, the second time with each answer at another pod.
    for shift in 0..2 {
        for (bad, pod) in [404, 500, 0]
            .into_iter()
            .zip(pods.iter().cycle().skip(shift))
        {
            pod.set_health(bad).await;
        }
        for pod in &pods {
            becomes_ready(pod, false).await;
        }
        for (good, pod) in [204, 302, 399]
            .into_iter()
            .zip(pods.iter().cycle().skip(shift))
        {
            pod.set_health(good).await;
        }
        for pod in &pods {
            becomes_ready(pod, true).await;
        }
    }
    assert!(pods.iter().all(|pod| pod.again().restarts() == 0));
}

async fn becomes_ready(pod: &Pod, wanted: bool) {
    eventually(&format!("{} is ready: {wanted}", pod.name()), || async {
        (pod.again().is_ready() == wanted).then_some(())
    })
    .await;
}

// Proves: H26 H27
#[tokio::test]
async fn an_unready_pod_gets_no_traffic_until_it_recovers() {
    let app = shared().app("recover").await;
    app.push_live(&Repo::server("one", "").await).await;
    let pods = Pod::all(&app.namespace("test"));
    let all: BTreeSet<String> = pods.iter().map(|pod| pod.name().to_owned()).collect();
    answered_by(&app, &all).await;

    let sick = &pods[0];
    sick.set_health(500).await;
    becomes_ready(sick, false).await;
    let others: BTreeSet<String> = all
        .iter()
        .filter(|name| *name != sick.name())
        .cloned()
        .collect();
    answered_by(&app, &others).await;
    let now = sick.again();
    assert_eq!(
        (now.restarts(), now.is_running(), now.is_stopping()),
        (0, true, false)
    );

    sick.set_health(200).await;
    answered_by(&app, &all).await;
    assert_eq!(sick.again().restarts(), 0);
}

/// Waits until these pods, and no others, answer forty requests in a row.
async fn answered_by(app: &App<'_>, pods: &BTreeSet<String>) {
    let client = client();
    eventually(&format!("requests are answered by {pods:?}"), || async {
        let mut seen = BTreeSet::new();
        for _ in 0..40 {
            let answer = get_with(&client, &app.host("test"), "/").await;
            seen.insert(answer.json()["pod"].as_str().unwrap_or("none").to_owned());
        }
        (seen == *pods).then_some(())
    })
    .await;
}

// Proves: H28
#[tokio::test]
async fn a_container_that_exits_is_restarted_whatever_its_code() {
    let app = shared().app("exits").await;
    app.push_live(&Repo::server("one", "replicas = 1").await)
        .await;
    let pod = Pod::all(&app.namespace("test")).swap_remove(0);
    for (code, restarts) in [(0, 1), (3, 2)] {
        let answer: Answer = pod.again().get(&format!("/exit?code={code}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        eventually(
            &format!("the container runs again after exit {code}"),
            || async {
                let now = pod.again();
                let again = now.restarts() == restarts && now.is_ready();
                (again && now.last_exit_code() == Some(code)).then_some(())
            },
        )
        .await;
    }
    assert_eq!(app.get("test", "/").await.json()["message"], "one");
}

// Proves: H29
#[tokio::test]
async fn the_file_changes_the_defaults() {
    let app = shared().app("settings").await;
    let domain = format!("www.{}.example", app.name);
    let iterapp = format!(
        "default_environment = \"prod\"\nport = 8000\nreplicas = 3\ndomains = [\"{domain}\"]\n\
         readiness_path = \"/alive\"\nliveness_path = \"/health\"\n"
    );
    app.push_live(&Repo::server("one", &iterapp).await).await;
    let ready = || async {
        let pods = Pod::all(&app.namespace("prod"));
        pods.iter().all(Pod::is_ready).then_some(pods)
    };
    let pods = eventually("its pods are ready", ready).await;
    assert_eq!(pods.len(), 3);
    assert_eq!(app.get("prod", "/env").await.json()["PORT"], "8000");
    eventually("the domain is routed", || async {
        let answer = get(&domain, "/request").await;
        (answer.status == 200 && answer.json()["host"] == domain.as_str()).then_some(())
    })
    .await;

    // Ready by one path, restarted by the other.
    let pod = &pods[0];
    pod.set_health(500).await;
    eventually("the container is restarted", || async {
        let now = pod.again();
        assert!(now.is_ready() || now.restarts() > 0 || !now.is_running());
        (now.restarts() == 1 && now.is_ready()).then_some(())
    })
    .await;
    assert!(pods[1..].iter().all(|pod| pod.again().restarts() == 0));
}

#[tokio::test]
async fn the_port_is_told_to_the_app_unless_it_is_set() {
    let app = shared().app("port-env").await;
    let repo = Repo::server("one", "replicas = 1").await;
    app.push_live(&repo).await;
    assert_eq!(app.get("test", "/env").await.json()["PORT"], "3000");
    repo.write(
        "iterapp.toml",
        "replicas = 1\nport = 4000\n[env.common]\nPORT = \"4000\"\n[env.test]\nSTART = \"\"",
    );
    repo.change("two").await;
    app.push_live(&repo).await;
    tests::eventually_within(
        Duration::from_secs(20),
        "the new version answers",
        || async {
            let environment = app.get("test", "/env").await.json();
            (environment["PORT"] == "4000" && environment["START"] == "").then_some(())
        },
    )
    .await;
}

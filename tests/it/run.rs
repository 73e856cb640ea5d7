//! How an appling runs, as its `iterapp.toml` says: with which arguments and variables, on which
//! nodes, with how much of them, how many times, and how long it may take to end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};
use tests::{
    App, Hops, Kube, Options, Platform, Pod, Repo, Watch, dockerfile, eventually,
    eventually_within, impatient, shared,
};

#[tokio::test]
async fn a_command_is_the_arguments_of_the_entrypoint() {
    let app = shared().app("command").await;
    let list = r#"command = ["--price", "$(PORT) $$ $HOME", "two words", ""]"#;
    let repo = Repo::server("one", &format!("replicas = 1\n{list}")).await;
    app.push_live(&repo).await;
    assert_eq!(
        app.get("test", "/arguments").await.json(),
        json!(["--price", "$(PORT) $$ $HOME", "two words", ""]),
        "as they were written"
    );

    let split = r#"command = "--name 'two words' a\\ b""#;
    repo.write("iterapp.toml", &format!("replicas = 1\n{split}"));
    repo.change("two").await;
    app.push_live(&repo).await;
    let words = json!(["--name", "two words", "a b"]);
    eventually("the new version has the words", || async {
        (app.get("test", "/arguments").await.json() == words).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_app_has_its_grace_period_to_end() {
    let app = shared().app("grace").await;
    let repo = Repo::empty().await;
    repo.write("iterapp.toml", "applings = [\"patient\", \"hasty\"]");
    for (appling, grace) in [("patient", 10), ("hasty", 2)] {
        let iterapp = format!(
            "replicas = 1\ngrace_period = {grace}\n[env.common]\nON_SIGTERM = \"linger=8\""
        );
        repo.write(&format!("{appling}/iterapp.toml"), &iterapp);
        repo.write(&format!("{appling}/Dockerfile"), &dockerfile("message"));
    }
    repo.change("one").await;
    app.push_live(&repo).await;
    let namespace = app.namespace("test");
    let old = Pod::all(&namespace);
    let pod_of = |appling: &str| {
        let mut pods = old.iter();
        pods.find(|pod| pod.label("hops.dev/appling") == appling)
            .expect("its pod")
    };
    let logs = ["patient", "hasty"].map(|appling| pod_of(appling).follow_log());

    repo.change("two").await;
    app.push_live(&repo).await;
    let names: BTreeSet<&str> = old.iter().map(Pod::name).collect();
    eventually("the old pods are gone", || async {
        let left = Pod::also_stopping(&namespace);
        let gone = left.iter().all(|pod| !names.contains(pod.name()));
        gone.then_some(())
    })
    .await;
    let said = || async {
        let [patient, hasty] = logs.each_ref().map(|log| log.text());
        let patient_ended = patient.contains("SIGTERM") && patient.contains("ended by itself");
        (patient_ended && hasty.contains("SIGTERM")).then_some(hasty)
    };
    let hasty = eventually("their last lines are there", said).await;
    assert!(!hasty.contains("ended by itself"), "{hasty}");
}

#[tokio::test]
async fn a_worker_works_and_is_not_asked() {
    let app = shared().app("worker").await;
    let iterapp = "worker = true\nreplicas = 1\ncommand = \"work\"\n";
    let repo = Repo::server("one", iterapp).await;
    let release = app.push_live(&repo).await;
    assert_eq!(release.appling(&app.name)["state"], "live");
    let namespace = app.namespace("test");
    for kind in ["services", "ingresses"] {
        assert_eq!(Kube::names(kind, &namespace), [""; 0], "{kind}");
    }
    let pod = Pod::all(&namespace).swap_remove(0);
    for nothing in ["ports", "readinessProbe", "startupProbe", "livenessProbe"] {
        assert_eq!(pod.spec()[nothing], Value::Null, "{nothing}");
    }
    assert!(!variables(&pod).contains_key("PORT"));

    let status = app.status().await;
    let running = &status["environments"][0]["applings"][0];
    assert_eq!(running["ready"], 1, "{running}");
    assert_eq!(running["urls"], json!([]));
    let hops = Hops::of(app.platform);
    eventually("its log is shown", || async {
        let logs = hops.run(&["logs", "-a", &app.name]).await.ok();
        logs.out.contains("working on 5").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_crashes_is_told_without_a_word_of_ports() {
    let app = impatient().app("crashing").await;
    let iterapp = "worker = true\nreplicas = 1\n[env.common]\nSTART = \"crash\"\n";
    let repo = Repo::server("one", iterapp).await;
    let pushed = app.push(&repo).await;
    let told = pushed.remote();
    for words in ["the app exited with code 3", "giving up"] {
        assert!(told.contains(words), "{words:?} is not in\n{told}");
    }
    let release = app.last_release().await;
    let rollout = told.lines().filter(|line| line.contains("rolling out"));
    let words = format!("{}{:?}", release.reason(), rollout.collect::<Vec<_>>());
    for wrong in ["port", "probe"] {
        assert!(!words.contains(wrong), "{wrong:?} is in\n{words}");
    }
}

/// The variables that a pod's container was asked for with.
fn variables(pod: &Pod) -> BTreeMap<&str, &str> {
    let all = pod.spec()["env"].as_array().expect("variables");
    all.iter()
        .filter_map(|entry| Some((entry["name"].as_str()?, entry["value"].as_str()?)))
        .collect()
}

#[tokio::test]
async fn what_a_pod_may_use_and_how_many_there_are_is_seen_in_the_pods() {
    let app = shared().app("settings").await;
    let iterapp = "name = \"front\"\nreplicas = 3\nliveness_path = \"/alive\"\n\
                   [requests]\ncpu = \"24m\"\nmemory = \"32Mi\"\n\
                   [limits]\ncpu = 1\nmemory = \"98Mi\"\n";
    let repo = Repo::server("one", iterapp).await;
    let release = app.push_live(&repo).await;
    assert_eq!(release.appling("front")["state"], "live");
    let namespace = app.namespace("test");
    assert_eq!(Kube::names("deployments", &namespace), ["front"]);
    let pods = Pod::all(&namespace);
    assert_eq!(pods.len(), 3);
    for pod in &pods {
        let resources = &pod.spec()["resources"];
        assert_eq!(
            resources["requests"],
            json!({ "cpu": "24m", "memory": "32Mi" })
        );
        assert_eq!(resources["limits"], json!({ "cpu": "1", "memory": "98Mi" }));
        let liveness = &pod.spec()["livenessProbe"]["httpGet"];
        assert_eq!(liveness["path"], "/alive");
    }
    assert_eq!(
        app.get("test", "/env").await.json()["HOPS_APPLING"],
        "front"
    );
}

#[tokio::test]
async fn the_platforms_settings_hold_where_the_author_says_nothing() {
    let settings = [
        ("HOPS_DEFAULT_CPU_REQUEST", "120m"),
        ("HOPS_DEFAULT_MEMORY_LIMIT", "96Mi"),
    ];
    let platform = Platform::start(Options {
        variables: settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..Options::default()
    });
    let app = platform.app("defaults").await;
    let repo = Repo::server("one", "replicas = 1").await;
    app.push_live(&repo).await;
    let resources = || {
        let pod = Pod::all(&app.namespace("test")).swap_remove(0);
        pod.spec()["resources"].clone()
    };
    // Kubernetes requests of memory what it limits, where nobody says otherwise.
    let wanted = json!({
        "requests": { "cpu": "120m", "memory": "96Mi" },
        "limits": { "memory": "96Mi" },
    });
    assert_eq!(resources(), wanted);

    repo.write(
        "iterapp.toml",
        "replicas = 1\n[requests]\nmemory = \"16Mi\"\n[limits]\ncpu = \"100m\"\nmemory = \"48Mi\"\n",
    );
    repo.commit("its own").await;
    app.push_live(&repo).await;
    let wanted = json!({
        "requests": { "cpu": "100m", "memory": "16Mi" },
        "limits": { "cpu": "100m", "memory": "48Mi" },
    });
    eventually("the pod has its own", || async {
        (Pod::all(&app.namespace("test")).len() == 1 && resources() == wanted).then_some(())
    })
    .await;
}

/// The name of the local stack's only node.
fn node() -> String {
    let node = Kube::run(&["get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"]);
    assert!(!node.is_empty());
    node
}

// Proves: Y17 Y19
#[tokio::test]
async fn pods_land_on_the_node_that_they_are_pinned_to() {
    let app = shared().app("pinned").await;
    let node = node();
    let iterapp = format!(
        "replicas = 1\n[node_selector]\n\"kubernetes.io/hostname\" = \"{node}\"\n\
         \"kubernetes.io/os\" = \"linux\"\n"
    );
    app.push_live(&Repo::server("one", &iterapp).await).await;
    let pod = Pod::all(&app.namespace("test")).swap_remove(0);
    assert_eq!(
        pod.0["spec"]["nodeSelector"],
        json!({ "kubernetes.io/hostname": node, "kubernetes.io/os": "linux" })
    );
    assert_eq!(pod.node(), Some(node.as_str()));
}

// Proves: Y18 Y19
#[tokio::test]
async fn a_node_that_has_only_some_of_the_labels_is_not_used() {
    let one_of_two = "\"kubernetes.io/os\" = \"linux\"\n\"hops.dev/disk\" = \"ssd\"\n";
    let another_node = "\"kubernetes.io/hostname\" = \"elsewhere\"\n";
    tokio::join!(finds_no_node(one_of_two), finds_no_node(another_node));
}

/// Releases an app with this selector, which no node fits.
async fn finds_no_node(selector: &str) {
    let app = impatient().app("nodeless").await;
    let iterapp = format!("replicas = 1\n[node_selector]\n{selector}");
    let repo = Repo::server("one", &iterapp).await;
    let namespace = app.namespace("test");
    let refused = eventually("the scheduler has found no node", || async {
        let pods = Pod::all(&namespace);
        assert!(pods.iter().all(|pod| pod.node().is_none()));
        let refused = pods.iter().any(|pod| {
            pod.0["status"]["conditions"]
                .to_string()
                .contains("Unschedulable")
        });
        refused.then_some(())
    });
    let (pushed, ()) = tokio::join!(app.push(&repo), refused);
    let told = pushed.remote();
    for words in [
        "failed: no node fits its node_selector: ",
        "a node must have every one of these labels",
    ] {
        assert!(told.contains(words), "{words:?} is not in\n{told}");
    }
    assert_eq!(app.last_release().await.state(), "failed");
}

#[tokio::test]
async fn an_appling_is_scaled_by_its_load() {
    let app = shared().app("scaled").await;
    let namespace = app.namespace("test");
    let autoscaled = "[requests]\ncpu = \"20m\"\n[autoscale]\nmin = 1\nmax = 3\n";
    let repo = Repo::server("one", autoscaled).await;
    app.push_live(&repo).await;
    assert_eq!(pods_of(&app).await, (1, 1));
    let numbers = Watch::start(&[
        "get",
        "deployment",
        &app.name,
        "--namespace",
        &namespace,
        "--watch",
        "-o",
        "jsonpath={.spec.replicas}{\"\\n\"}",
    ]);

    // Ten times of what one pod requests.
    let pod = Pod::all(&namespace).swap_remove(0);
    let answer = pod.get("/control/burn?percent=20&seconds=600").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let measured = Duration::from_secs(240);
    eventually_within(
        measured,
        "there are as many pods as there may be",
        || async { (pods_of(&app).await == (3, 3)).then_some(()) },
    )
    .await;

    // A new version has as many, though it does not work yet; and `replicas` takes over from there.
    repo.change("two").await;
    app.push_live(&repo).await;
    assert_eq!(pods_of(&app).await, (3, 3));
    repo.write("iterapp.toml", "replicas = 2\n[requests]\ncpu = \"20m\"\n");
    repo.commit("fixed").await;
    app.push_live(&repo).await;
    eventually("two pods are left", || async {
        (pods_of(&app).await == (2, 2)).then_some(())
    })
    .await;
    assert_eq!(Kube::names("horizontalpodautoscalers", &namespace), [""; 0]);
    let text = numbers.text();
    let mut seen: Vec<&str> = text.lines().collect();
    seen.dedup();
    assert!(
        seen == ["1", "3", "2"] || seen == ["1", "2", "3", "2"],
        "{seen:?}"
    );
}

/// How many pods the platform says there are to be, and how many are ready.
async fn pods_of(app: &App<'_>) -> (u64, u64) {
    let status = app.status().await;
    let running = &status["environments"][0]["applings"][0];
    let number = |name: &str| running[name].as_u64().unwrap_or_default();
    (number("replicas"), number("ready"))
}

/// In the form of variables. They stand in a ConfigMap whose name is made of what it holds: so what is not
/// changed rolls nothing, and what is changed rolls gradually and is taken back when it fails.
// Proves: K28 K29 K30
#[tokio::test]
async fn changed_variables_replace_the_pods_and_not_the_image() {
    let app = shared().app("variables").await;
    let iterapp = |greeting: &str| {
        format!(
            "[env.common]\nGREETING = \"{greeting}\"\nNUMBER = 7\nTRUTH = true\nPLACE = \"any\"\n\
             [env.test]\nPLACE = \"test\"\n[env.prod]\nPLACE = \"prod\"\n"
        )
    };
    let repo = Repo::server("one", &iterapp("hello $(PLACE) $")).await;
    app.push_live(&repo).await;
    let seen = app.get("test", "/env").await.json();
    let wanted = [
        ("GREETING", "hello $(PLACE) $"),
        ("NUMBER", "7"),
        ("TRUTH", "true"),
        ("PLACE", "test"),
    ];
    for (name, value) in wanted {
        assert_eq!(seen[name], value, "{name}");
    }
    let namespace = app.namespace("test");
    let names = |pods: &[Pod]| {
        pods.iter()
            .map(|pod| pod.name().to_owned())
            .collect::<BTreeSet<_>>()
    };
    let before = Pod::all(&namespace);

    assert_eq!(app.deploy("test", "main").await.state(), "live");
    assert_eq!(
        names(&Pod::also_stopping(&namespace)),
        names(&before),
        "nothing was changed"
    );

    repo.write("iterapp.toml", &iterapp("welcome"));
    repo.commit("another greeting").await;
    app.push_live(&repo).await;
    let after = Pod::all(&namespace);
    let images: BTreeSet<String> = before
        .iter()
        .chain(&after)
        .map(|pod| pod.spec()["image"].to_string())
        .collect();
    assert_eq!(images.len(), 1, "{images:?}");
    assert!(
        names(&after).is_disjoint(&names(&before)),
        "every pod is another one"
    );
    eventually("the app sees the new value", || async {
        let seen = app.get("test", "/env").await.json();
        (seen["GREETING"] == "welcome" && seen["PLACE"] == "test").then_some(())
    })
    .await;
}

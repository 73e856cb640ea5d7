//! Release commands: they run once, before any pod is replaced, and whatever becomes of the
//! platform meanwhile. The tests hold them at a place of their own choice, and look.

use serde_json::Value;
use tests::{
    App, Deployed, Hops, Kube, Options, Platform, Pod, Repo, Role, eventually, server_image, shared,
};

/// An app that keeps words, for commands that tell and tests that read, and the other way round.
const NOTES: &str = r#"
FROM busybox
RUN mkdir -p /www/cgi-bin && echo ok > /www/health && touch /notes \
 && printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\necho "$QUERY_STRING" >> /notes\n' > /www/cgi-bin/add \
 && printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\ncat /notes\n' > /www/cgi-bin/all \
 && chmod +x /www/cgi-bin/add /www/cgi-bin/all
CMD ["sh", "-c", "exec httpd -f -p $PORT -h /www"]
"#;

/// The program of the apps under test: with an argument a release command, else the server.
const RUN: &str = r#"
add() { wget -q -O - "http://$NOTES/cgi-bin/add?$1-$HOPS_GIT_SHA"; }
case "$1" in
migrate)
    trap 'add killed; exit 143' TERM
    echo "migrating $HOPS_APPLING of $HOPS_APP in $HOPS_ENV with $2"
    add begin || exit 9
    until wget -q -O - "http://$NOTES/cgi-bin/all" | grep -q "^go-$HOPS_GIT_SHA$"; do sleep 1; done
    echo "migrated"
    add end
    ;;
fail)
    echo "the table is locked"
    exit 4
    ;;
*) exec /server ;;
esac
"#;

fn dockerfile() -> String {
    format!(
        "FROM {} AS server\nFROM busybox\nCOPY --from=server /server /server\nCOPY run.sh message /\n\
         ENTRYPOINT [\"sh\", \"/run.sh\"]\n",
        server_image()
    )
}

struct Notes<'p> {
    app: App<'p>,
    /// Where it is inside the cluster.
    address: String,
}

impl<'p> Notes<'p> {
    async fn start(platform: &'p Platform) -> Notes<'p> {
        let app = platform.app("notes").await;
        let repo = Repo::empty().await;
        repo.write("Dockerfile", NOTES);
        repo.write("iterapp.toml", "replicas = 1\n");
        repo.commit("notes").await;
        app.push_live(&repo).await;
        let service = Kube::get("service", &app.name, &app.namespace("test"));
        let address = service["spec"]["clusterIP"].as_str().unwrap_or_default();
        let address = address.to_owned();
        Notes { app, address }
    }

    /// An app whose release command waits for the word to go on.
    async fn repo(&self) -> Repo {
        let repo = Repo::empty().await;
        repo.write("Dockerfile", &dockerfile());
        repo.write("run.sh", RUN);
        self.configure(&repo, r#"["migrate", "$(HOPS_APP) $$ ${HOME}"]"#);
        repo
    }

    fn configure(&self, repo: &Repo, command: &str) {
        let text = format!(
            "replicas = 1\nrelease_command = {command}\n[env.common]\nNOTES = \"{}\"\n",
            self.address
        );
        repo.write("iterapp.toml", &text);
    }

    /// Lets the command of a commit come to its end.
    async fn go(&self, commit: &str) {
        let path = format!("/cgi-bin/add?go-{commit}");
        assert_eq!(self.app.get("test", &path).await.status, 200);
    }

    async fn all(&self) -> Vec<String> {
        let answer = self.app.get("test", "/cgi-bin/all").await;
        answer.body.lines().map(str::to_owned).collect()
    }

    async fn count(&self, word: &str, commit: &str) -> usize {
        let note = format!("{word}-{commit}");
        self.all().await.iter().filter(|one| **one == note).count()
    }

    /// Waits until a command has said so.
    async fn hear(&self, word: &str, commit: &str) {
        let said = || async { (self.count(word, commit).await > 0).then_some(()) };
        eventually(&format!("the command of {commit} says {word}"), said).await;
    }

    /// It ran once, to its end.
    async fn ran_once(&self, commit: &str) {
        for (word, times) in [("begin", 1), ("end", 1), ("killed", 0)] {
            let counted = self.count(word, commit).await;
            assert_eq!(counted, times, "{word} of {commit}: {:?}", self.all().await);
        }
    }
}

/// The Job of the app's release of this number; `null` when there is none.
fn job(app: &App<'_>, release: i64) -> Value {
    let jobs = Kube::list("jobs", &app.namespace("test"));
    let release = release.to_string();
    let of_release = |job: &Value| {
        job["metadata"]["labels"]["hops.dev/release"].as_str() == Some(release.as_str())
    };
    jobs.into_iter().find(of_release).unwrap_or(Value::Null)
}

/// Names of the pods that belong to the app's only appling.
fn pods(app: &App<'_>) -> Vec<String> {
    let pods = Pod::all(&app.namespace("test"));
    let of_appling = pods
        .iter()
        .filter(|pod| pod.label("hops.dev/appling") == app.name);
    of_appling.map(|pod| pod.name().to_owned()).collect()
}

/// Addresses to which the app's Service sends.
fn endpoints(app: &App<'_>) -> usize {
    let slices = Kube::list("endpointslices", &app.namespace("test"));
    let endpoints = slices
        .iter()
        .filter_map(|slice| slice["endpoints"].as_array());
    endpoints.map(Vec::len).sum()
}

/// The only appling of the newest release, once it is in this state with such a reason.
async fn stands(app: &App<'_>, state: &str, reason: &str) {
    let seen = || async {
        let newest = Deployed(app.releases().await.swap_remove(0));
        let appling = newest.appling(&app.name);
        let told = appling["reason"].as_str().unwrap_or_default();
        (appling["state"] == state && told.contains(reason)).then_some(())
    };
    eventually(&format!("{} is {state}: {reason}", app.name), seen).await;
}

/// The lines of a text that contain these words come in this order.
fn assert_order(text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        let (_, after) = rest
            .split_once(word)
            .unwrap_or_else(|| panic!("{word:?} is missing, or too early:\n{text}"));
        rest = after;
    }
}

#[tokio::test]
async fn it_runs_before_any_pod_is_replaced() {
    let notes = Notes::start(shared()).await;
    let app = shared().app("migrates").await;
    let repo = notes.repo().await;
    let one = repo.change("one").await;
    notes.go(&one).await;
    app.push_live(&repo).await;
    app.serves("test", "one").await;
    notes.ran_once(&one).await;

    let before = pods(&app);
    let two = repo.change("two").await;
    let looked = async {
        notes.hear("begin", &two).await;
        stands(&app, "releasing", "its release command runs").await;
        // The world sees the old version, and the command's pod gets none of its requests.
        assert_eq!(pods(&app), before);
        assert_eq!(endpoints(&app), 1);
        assert_eq!(app.get("test", "/").await.json()["sha"], one);
        let running = &app.status().await["environments"][0]["applings"][0];
        assert_eq!(
            (&running["ready"], &running["release"]),
            (&1.into(), &1.into())
        );
        notes.go(&two).await;
    };
    let (pushed, ()) = tokio::join!(app.push(&repo), looked);
    let release = app.last_release().await;
    assert_eq!(release.state(), "live", "{}", pushed.output);
    app.serves("test", "two").await;
    notes.ran_once(&two).await;
    let name = &app.name;
    let migrating =
        format!("[{name}] migrating {name} of {name} in test with $(HOPS_APP) $$ ${{HOME}}");
    let steps = [
        &format!("[{name}] built"),
        &format!("[{name}] its release command runs"),
        &migrating,
        &format!("[{name}] migrated"),
        &format!("[{name}] its release command succeeded"),
        &format!("[{name}] live"),
    ];
    assert_order(&pushed.remote(), &steps.map(String::as_str));
    let done = job(&app, 2);
    assert_eq!(done["status"]["succeeded"], 1, "{done}");
    // A deployment of the same commit is a release like any other.
    app.deploy("test", "main").await;
    assert_eq!(notes.count("end", &two).await, 2);
    // Of the Jobs only the last one stays.
    let last = || async { (job(&app, 2).is_null() && !job(&app, 3).is_null()).then_some(()) };
    eventually("the Jobs before the last one are gone", last).await;
}

#[tokio::test]
async fn one_that_fails_leaves_the_version_before_serving() {
    let notes = Notes::start(shared()).await;
    let app = shared().app("locked").await;
    let repo = notes.repo().await;
    notes.configure(&repo, "\"fail\"");
    repo.change("zero").await;
    let pushed = app.push(&repo).await;
    assert_eq!(
        app.last_release().await.state(),
        "failed",
        "{}",
        pushed.output
    );
    assert!(pods(&app).is_empty());
    repo.write("iterapp.toml", "replicas = 1\n");
    let one = repo.change("one").await;
    app.push_live(&repo).await;
    app.serves("test", "one").await;

    let before = pods(&app);
    notes.configure(&repo, "\"fail\"");
    repo.change("two").await;
    let pushed = app.push(&repo).await;
    assert!(pushed.ok, "git's exit code is about storing");
    let release = app.last_release().await;
    assert_eq!(release.state(), "failed", "{}", pushed.output);
    let told = pushed.remote();
    let line = format!("[{}] the table is locked", app.name);
    let failed = format!(
        "[{}] failed: its release command exited with code 4",
        app.name
    );
    assert_order(
        &told,
        &[&line, &failed, "its last lines:", "the table is locked"],
    );
    let status = Hops::of(app.platform)
        .run(&["status", "-a", &app.name])
        .await
        .ok();
    for text in [
        "its release command exited with code 4",
        "the table is locked",
    ] {
        assert!(status.out.contains(text), "{}", status.out);
        assert!(release.reason().contains(text), "{}", release.reason());
    }
    assert_eq!(pods(&app), before);
    assert_eq!(app.get("test", "/").await.json()["sha"], one);

    notes.configure(&repo, "[\"/no/such/program\"]");
    repo.write(
        "Dockerfile",
        &dockerfile().replace("\"sh\", \"/run.sh\"", ""),
    );
    repo.change("three").await;
    let pushed = app.push(&repo).await;
    let reason = app.last_release().await.reason().to_owned();
    assert!(
        reason.contains("its release command cannot be started"),
        "{}",
        pushed.output
    );
    assert_eq!(pods(&app), before);
}

#[tokio::test]
async fn a_newer_release_waits_for_it_and_does_not_end_it() {
    let notes = Notes::start(shared()).await;
    let app = shared().app("waits").await;
    let repo = notes.repo().await;
    let one = repo.change("one").await;
    notes.go(&one).await;
    app.push_live(&repo).await;
    let before = pods(&app);

    let two = repo.change("two").await;
    let newer = async {
        notes.hear("begin", &two).await;
        let three = repo.change("three").await;
        notes.go(&three).await;
        let looked = async {
            let waits = "waits for the release command of release 2 to end";
            stands(&app, "releasing", waits).await;
            assert_eq!(notes.count("begin", &three).await, 0);
            assert_eq!(pods(&app), before);
            notes.go(&two).await;
        };
        let (pushed, ()) = tokio::join!(app.push(&repo), looked);
        (three, pushed)
    };
    let (older, (three, newer)) = tokio::join!(app.push(&repo), newer);
    assert!(
        older.remote().contains("superseded: release 3 took over"),
        "{}",
        older.output
    );
    assert_eq!(app.ended(2).await.state(), "superseded");
    assert_eq!(app.ended(3).await.state(), "live", "{}", newer.output);
    notes.ran_once(&two).await;
    notes.ran_once(&three).await;
    let all = notes.all().await.join("\n");
    assert_order(&all, &[&format!("end-{two}"), &format!("begin-{three}")]);
    app.serves("test", "three").await;
    // What it did after it was superseded is told all the same.
    let log = app.log(&app.ended(2).await).await;
    assert_order(&log, &["superseded: ", "migrated"]);
    assert!(log.contains("its release command succeeded"), "{log}");
}

#[tokio::test]
async fn a_killed_controller_runs_it_once() {
    let platform = Platform::start(Options {
        roles: vec![Role::Server, Role::Controller],
        rollout_deadline: 120,
        ..Options::default()
    });
    let notes = Notes::start(&platform).await;
    let app = platform.app("once").await;
    let repo = notes.repo().await;
    let first = repo.change("first").await;
    notes.go(&first).await;
    app.push_live(&repo).await;
    for moment in ["made", "begin", "go", "end"] {
        let commit = repo.change(moment).await;
        let number = app.last_release().await.number() + 1;
        let killed = async {
            if moment == "made" {
                eventually("the Job is there", || async {
                    (!job(&app, number).is_null()).then_some(())
                })
                .await;
            } else {
                if moment != "begin" {
                    notes.hear("begin", &commit).await;
                    notes.go(&commit).await;
                }
                notes.hear(moment, &commit).await;
            }
            assert!(platform.kill(Role::Controller));
            platform.spawn(Role::Controller);
            if matches!(moment, "made" | "begin") {
                notes.go(&commit).await;
            }
        };
        let (pushed, ()) = tokio::join!(app.push(&repo), killed);
        let release = app.ended(number).await;
        assert_eq!(release.state(), "live", "{moment}: {}", pushed.output);
        notes.ran_once(&commit).await;
        app.serves("test", moment).await;
        let log = app.log(&release).await;
        for line in ["migrated", "its release command succeeded"] {
            assert_eq!(log.matches(line).count(), 1, "{moment}: {log}");
        }
    }
}

#[tokio::test]
async fn one_that_does_not_end_or_is_deleted_has_failed() {
    let platform = Platform::start(Options {
        variables: vec![("HOPS_RELEASE_COMMAND_DEADLINE".to_owned(), "30".to_owned())],
        ..Options::default()
    });
    let notes = Notes::start(&platform).await;
    let app = platform.app("hangs").await;
    let repo = notes.repo().await;
    let one = repo.change("one").await;
    notes.go(&one).await;
    app.push_live(&repo).await;
    let before = pods(&app);

    repo.change("two").await;
    let pushed = app.push(&repo).await;
    let late = "its release command had not ended after 30 s, and was ended";
    assert!(pushed.remote().contains(late), "{}", pushed.output);
    assert!(app.last_release().await.reason().contains(late));

    let three = repo.change("three").await;
    let deleted = async {
        notes.hear("begin", &three).await;
        let job = job(&app, 3)["metadata"]["name"].clone();
        let job = job.as_str().expect("a name");
        Kube::run(&[
            "delete",
            "job",
            job,
            "--namespace",
            &app.namespace("test"),
            "--wait=false",
        ]);
    };
    let (pushed, ()) = tokio::join!(app.push(&repo), deleted);
    let gone = "was deleted before its end was seen";
    assert!(pushed.remote().contains(gone), "{}", pushed.output);
    assert_eq!(notes.count("begin", &three).await, 1);
    assert_eq!(pods(&app), before);
    assert_eq!(app.get("test", "/").await.json()["sha"], one);
}

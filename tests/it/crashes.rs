//! Controllers that die, that are several, or that come back from the dead: every release ends
//! once, and nothing happens twice.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;
use sqlx::PgPool;
use tests::{
    App, Connections, Hops, Kube, Load, Options, Platform, Pod, Repo, Role, SlowStep, Watch,
    dockerfile, eventually, superuser,
};
use uuid::Uuid;

/// Kills of a controller, at random moments.
const KILLS: usize = 30;
/// Releases that are asked for meanwhile, at least.
const PUSHES: usize = 8;

/// A server that lives on, and so many controllers.
fn platform(controllers: usize) -> Platform {
    let roles =
        std::iter::once(Role::Server).chain(std::iter::repeat_n(Role::Controller, controllers));
    Platform::start(Options {
        roles: roles.collect(),
        rollout_deadline: 120,
        ..Options::default()
    })
}

/// Notes from now on whenever a release ends, or changes after its end.
async fn note_ends(platform: &Platform) -> PgPool {
    let database = platform.database().await;
    sqlx::raw_sql(
        "create table ends (release uuid, state_before text, state text);
         create function note_end() returns trigger language plpgsql as $$ begin
             if new.ended_at is not null then
                 insert into ends values (new.id, old.state, new.state);
             end if;
             return new;
         end $$;
         create trigger note_end after update on releases for each row execute function note_end()",
    )
    .execute(&database)
    .await
    .expect("the trigger");
    database
}

/// Every release ended exactly once, well, and said so once.
async fn assert_ended_once(app: &App<'_>, database: &PgPool) {
    for release in app.releases().await {
        let release = app
            .ended(release["number"].as_i64().expect("a number"))
            .await;
        let (number, state) = (release.number(), release.state().to_owned());
        let id: Uuid = release.0["id"]
            .as_str()
            .and_then(|id| id.parse().ok())
            .expect("an id");
        let noted = sqlx::query_as::<_, (String, String)>(
            "select state_before, state from ends where release = $1",
        )
        .bind(id)
        .fetch_all(database)
        .await
        .expect("the notes");
        assert_eq!(
            noted.len(),
            1,
            "release {number} ended {} times: {noted:?}",
            noted.len()
        );
        assert!(
            ["live", "superseded"].contains(&state.as_str()),
            "{}",
            release.0
        );
        let log = app.log(&release).await;
        let last_words = log.lines().filter(|line| {
            line.starts_with("superseded: ")
                || *line == format!("release {number} of {} is live in test", app.name)
        });
        assert_eq!(last_words.count(), 1, "release {number}:\n{log}");
    }
}

/// No push, build or release is left undone.
async fn assert_nothing_left(database: &PgPool) {
    for (what, undone) in [
        (
            "pushes",
            "select count(*) from pushes where release is null and outcome is null",
        ),
        (
            "builds",
            "select count(*) from builds where state = 'waiting'",
        ),
        (
            "releases",
            "select count(*) from releases where ended_at is null",
        ),
    ] {
        let count: i64 = sqlx::query_scalar(undone)
            .fetch_one(database)
            .await
            .expect("a count");
        assert_eq!(count, 0, "{what} are left undone");
    }
}

/// Numbers without a pattern; the seed is printed, so that a failure can be looked at again.
struct Random(u64);

impl Random {
    fn new() -> Random {
        let (seed, _) = Uuid::new_v4().as_u64_pair();
        println!("seed {seed}");
        Random(seed | 1)
    }

    /// Below a limit, by xorshift.
    fn below(&mut self, limit: u64) -> u64 {
        for (left, shift) in [(true, 13), (false, 7), (true, 17)] {
            self.0 ^= if left {
                self.0 << shift
            } else {
                self.0 >> shift
            };
        }
        self.0 % limit
    }
}

#[tokio::test]
async fn killed_controllers_lose_nothing_and_do_nothing_twice() {
    let platform = platform(1);
    let database = note_ends(&platform).await;
    let apps = [platform.app("kill").await, platform.app("kill").await];
    let step = SlowStep::unique();
    let repos = [two_applings(&step).await, two_applings(&step).await];
    let (pushed, over) = (Cell::new(0), Cell::new(false));
    let mut sets = [ReplicaSets::default(), ReplicaSets::default()];
    let [sets_one, sets_two] = &mut sets;
    tokio::join!(
        async {
            kill_at_random(&platform, &pushed).await;
            over.set(true);
        },
        push_until(&apps[0], &repos[0], &pushed, &over, sets_one),
        push_until(&apps[1], &repos[1], &pushed, &over, sets_two),
    );

    for ((app, repo), sets) in apps.iter().zip(&repos).zip(&mut sets) {
        let commit = repo.change("last").await;
        let last = app.push_live(repo).await;
        assert_eq!(last.0["commit"], commit.as_str());
        for appling in ["web", "api"] {
            let host = app.host_of(appling, "test");
            let is_last = || async {
                let answer = tests::get(&host, "/").await.json();
                (answer["message"] == "last" && answer["sha"] == commit.as_str()).then_some(())
            };
            eventually(&format!("{host} answers with the last version"), is_last).await;
        }
        assert_ended_once(app, &database).await;
        sets.look(app);
        sets.assert_one_per_version();
        assert_nothing_too_many(app).await;
    }
    assert_nothing_left(&database).await;
    step.runs(0).await;
}

/// One Deployment and one pod of each appling.
async fn assert_nothing_too_many(app: &App<'_>) {
    let namespace = app.namespace("test");
    assert_eq!(Kube::names("deployments", &namespace), ["api", "web"]);
    eventually("one pod of each appling is left", || async {
        let pods = Pod::also_stopping(&namespace);
        let ready = pods.iter().filter(|pod| pod.is_ready());
        (pods.len() == 2 && ready.count() == 2).then_some(())
    })
    .await;
}

async fn two_applings(step: &SlowStep) -> Repo {
    let repo = Repo::empty().await;
    repo.write("iterapp.toml", "applings = [\"web\", \"api\"]");
    for appling in ["web", "api"] {
        repo.write(&format!("{appling}/iterapp.toml"), "replicas = 1");
        repo.write(
            &format!("{appling}/Dockerfile"),
            &step.dockerfile("message", 1),
        );
    }
    repo
}

/// Kills a controller now and then, until enough was asked for meanwhile; the next one is started
/// at once, or is there already.
async fn kill_at_random(platform: &Platform, pushed: &Cell<usize>) {
    let mut random = Random::new();
    let mut killed = 0;
    while killed < KILLS || pushed.get() < PUSHES {
        let another_is_there = killed % 2 == 1;
        if another_is_there {
            platform.spawn(Role::Controller);
        }
        tokio::time::sleep(Duration::from_millis(100 + random.below(8_000))).await;
        let oldest = platform.processes(Role::Controller)[0];
        platform.kill_process(oldest);
        if !another_is_there {
            platform.spawn(Role::Controller);
        }
        killed += 1;
    }
    println!("{killed} kills, {} releases", pushed.get());
}

/// Pushes one commit after the other, every third one on the heels of the one before.
async fn push_until(
    app: &App<'_>,
    repo: &Repo,
    pushed: &Cell<usize>,
    over: &Cell<bool>,
    sets: &mut ReplicaSets,
) {
    for number in 1.. {
        if over.get() {
            return;
        }
        pushed.set(pushed.get() + 1);
        repo.change(&format!("change {number}")).await;
        if number % 3 == 2 {
            let (url, refs) = (app.push_url(), ["HEAD:refs/heads/main"]);
            let token = &app.platform.token;
            repo.push_and_interrupt(&url, token, &refs, "building")
                .await;
        } else {
            let answer = app.push(repo).await;
            assert!(answer.ok, "{}", answer.output);
        }
        sets.look(app);
    }
}

/// The ReplicaSets that were ever seen, by appling and commit and by appling and version.
#[derive(Default)]
struct ReplicaSets(BTreeMap<String, BTreeSet<String>>);

impl ReplicaSets {
    fn look(&mut self, app: &App<'_>) {
        for set in Kube::list("replicasets", &app.namespace("test")) {
            let text = |pointer: &str| {
                set.pointer(pointer)
                    .and_then(|value| value.as_str())
                    .unwrap_or("none")
                    .to_owned()
            };
            let variables = set.pointer("/spec/template/spec/containers/0/env");
            let variables = variables.and_then(|all| all.as_array()).expect("variables");
            let commit = variables
                .iter()
                .find(|variable| variable["name"] == "HOPS_GIT_SHA");
            let commit = commit
                .and_then(|variable| variable["value"].as_str())
                .unwrap_or("none");
            let appling = text("/metadata/labels/hops.dev~1appling");
            let version = text("/metadata/labels/hops.dev~1version");
            for key in [
                format!("{appling} at {commit}"),
                format!("{appling} {version}"),
            ] {
                self.0.entry(key).or_default().insert(text("/metadata/uid"));
            }
        }
    }

    fn assert_one_per_version(&self) {
        assert!(
            self.0.len() >= 4,
            "too few were seen to say anything: {:?}",
            self.0
        );
        for (version, sets) in &self.0 {
            assert_eq!(sets.len(), 1, "{version}: {sets:?}");
        }
    }
}

/// Rotations of a password that are cut off, at random moments.
const CUT_OFF: usize = 6;

#[tokio::test]
async fn rotations_that_are_cut_off_lose_no_query_and_leave_one_login() {
    let platform = platform(1);
    let app = platform.app("cutoff").await;
    app.push_live(&Repo::driver("libpq", "[postgres]").await)
        .await;
    let rotate = ["db", "rotate", "-a", &app.name, "-e", "test"];
    let info = ["--json", "db", "info", "-a", &app.name, "-e", "test"];
    let load = Load::of_path(&app.host("test"), "/select1", 10, Connections::Kept);
    let mut random = Random::new();
    let mut begun = 0;
    for round in 0..=CUT_OFF {
        let moment = Duration::from_millis(random.below(600));
        let cut_off = async {
            tokio::time::sleep(moment).await;
            // One of the two asks the server, the other one finishes. The last round is left in peace.
            match round % 2 {
                _ if round == CUT_OFF => {}
                0 => {
                    platform.kill(Role::Server);
                    platform.spawn(Role::Server);
                    platform.wait_until_it_answers();
                }
                _ => {
                    platform.kill(Role::Controller);
                    platform.spawn(Role::Controller);
                }
            }
        };
        let hops = Hops::of(&platform);
        let (rotated, ()) = tokio::join!(hops.run(&rotate), cut_off);
        begun += usize::from(rotated.code == 0);
        println!("cut off after {moment:?}: {}", rotated.err.trim());
        eventually("it is over", || async {
            let info = hops.run(&info).await.ok().json();
            (info[0]["rotating"] == false).then_some(())
        })
        .await;
    }
    let tally = load.stop();
    assert!(tally.failed.is_empty(), "{}", tally.failures());
    // At least those whose controller was killed, and the last.
    assert!(begun > CUT_OFF / 2, "{begun}");

    let who = app.get("test", "/whoami").await.json();
    let logins =
        "select rolname::text from pg_roles where starts_with(rolname, $1) and rolcanlogin";
    let logins: Vec<String> = sqlx::query_scalar(logins)
        .bind(who["database"].as_str())
        .fetch_all(&superuser("postgres").await)
        .await
        .expect("the roles");
    assert_eq!(logins, [who["session_user"].as_str().expect("a login")]);
}

#[tokio::test]
async fn builds_end_on_the_daemon_with_their_controller_or_their_release() {
    let platform = platform(1);
    let database = note_ends(&platform).await;
    let app = platform.app("builds").await;
    let (url, refs) = (app.push_url(), ["HEAD:refs/heads/main"]);
    let step = SlowStep::unique();
    let repo = Repo::server("one", "replicas = 1").await;
    repo.write("Dockerfile", &step.dockerfile("message", 600));
    repo.commit("a build that takes its time").await;
    repo.push_and_interrupt(&url, &platform.token, &refs, &step.mark)
        .await;
    step.runs(1).await;

    assert!(platform.kill(Role::Controller));
    step.runs(0).await;
    platform.spawn(Role::Controller);
    step.runs(1).await;
    assert_eq!(app.releases().await.swap_remove(0)["state"], "running");

    repo.write("Dockerfile", &dockerfile("message"));
    repo.change("two").await;
    app.push_live(&repo).await;
    step.runs(0).await;
    assert_eq!(app.ended(1).await.state(), "superseded");
    assert_ended_once(&app, &database).await;
    assert_nothing_left(&database).await;
    app.serves("test", "two").await;
}

#[tokio::test]
async fn two_controllers_share_the_work_and_do_not_fight() {
    let platform = platform(2);
    let database = note_ends(&platform).await;
    let (one, two) = (platform.app("share").await, platform.app("share").await);
    let steps = [SlowStep::unique(), SlowStep::unique()];
    let repos = [two_applings(&steps[0]).await, two_applings(&steps[1]).await];
    for version in ["one", "two"] {
        for repo in &repos {
            repo.change(version).await;
        }
        tokio::join!(one.push_live(&repos[0]), two.push_live(&repos[1]));
    }
    for app in [&one, &two] {
        let namespace = app.namespace("test");
        assert_ended_once(app, &database).await;
        let generations = || -> Vec<i64> {
            let deployments = Kube::list("deployments", &namespace);
            let generation = |deployment: &Value| deployment["metadata"]["generation"].as_i64();
            deployments.iter().filter_map(generation).collect()
        };
        // Made once, changed once.
        assert_eq!(generations(), [2, 2]);
        // Each deletion makes both controllers look.
        for service in Kube::names("services", &namespace) {
            Kube::run(&["delete", "service", &service, "--namespace", &namespace]);
            eventually("the Service is back", || async {
                Kube::names("services", &namespace)
                    .contains(&service)
                    .then_some(())
            })
            .await;
        }
        assert_eq!(generations(), [2, 2]);
        let mut sets = ReplicaSets::default();
        sets.look(app);
        sets.assert_one_per_version();
    }
    let claims: Vec<i64> = sqlx::query_scalar("select epoch from builds")
        .fetch_all(&database)
        .await
        .expect("builds");
    assert_eq!(claims, [1; 8], "each image was to be built once");
    assert_nothing_left(&database).await;
}

#[tokio::test]
async fn a_paused_controller_that_comes_back_changes_nothing() {
    let platform = platform(1);
    let database = note_ends(&platform).await;
    let app = platform.app("paused").await;
    let step = SlowStep::unique();
    let repo = Repo::server("v0", "replicas = 1").await;
    let mut commits = vec![repo.git(&["rev-parse", "HEAD"]).await.trim().to_owned()];
    app.push_live(&repo).await;
    repo.write("Dockerfile", &step.dockerfile("message", 2));
    let served = watch_commits(&app);
    let mut change = async |message: String| commits.push(repo.change(&message).await);

    // Paused while it builds, and while it rolls out.
    for (round, moment) in [step.mark.as_str(), "rolling out"].into_iter().enumerate() {
        let paused = platform.processes(Role::Controller)[0];
        change(format!("paused {round}")).await;
        let (url, refs) = (app.push_url(), ["HEAD:refs/heads/main"]);
        repo.push_and_interrupt(&url, &platform.token, &refs, moment)
            .await;
        platform.signal(paused, "STOP");
        platform.spawn(Role::Controller);
        // Another one takes over and goes on to a newer commit.
        change(format!("newer {round}")).await;
        app.push_live(&repo).await;
        platform.signal(paused, "CONT");
        // Once it is the only one and brings a release to its end, it has said all it had to say.
        assert!(platform.kill(Role::Controller));
        assert_eq!(platform.processes(Role::Controller), [paused]);
        change(format!("alone {round}")).await;
        app.push_live(&repo).await;
    }

    let order = eventually("the last commit is seen", || async {
        let text = served.text();
        let order: Vec<usize> = text.lines().map(|line| place(&commits, line)).collect();
        (order.last() == Some(&(commits.len() - 1))).then_some(order)
    })
    .await;
    assert_never_back(&order, &live(&app, &commits).await);
    assert_ended_once(&app, &database).await;
    assert_nothing_left(&database).await;
    step.runs(0).await;
    let mut sets = ReplicaSets::default();
    sets.look(&app);
    sets.assert_one_per_version();
}

/// Which commits became live.
async fn live(app: &App<'_>, commits: &[String]) -> BTreeSet<usize> {
    let releases = app.releases().await;
    let live = releases.iter().filter(|release| release["state"] == "live");
    let commit = |release: &Value| release["commit"].as_str().unwrap_or_default().to_owned();
    live.map(|release| place(commits, &commit(release)))
        .collect()
}

/// A candidate that never became live may be taken back; what became live gives way to nothing
/// older.
fn assert_never_back(order: &[usize], live: &BTreeSet<usize>) {
    let mut newest = 0;
    for commit in order {
        assert!(
            *commit >= newest,
            "{commit} after {newest}: {order:?}, live: {live:?}"
        );
        if live.contains(commit) {
            newest = *commit;
        }
    }
}

fn place(commits: &[String], commit: &str) -> usize {
    let place = commits.iter().position(|known| known == commit);
    place.unwrap_or_else(|| panic!("nobody pushed {commit}"))
}

/// The commit that the Deployment wants, whenever anything changes in it.
fn watch_commits(app: &App<'_>) -> Watch {
    const COMMIT: &str = "jsonpath={.spec.template.spec.containers[0].env[?(@.name==\"HOPS_GIT_SHA\")].value}{\"\\n\"}";
    let namespace = app.namespace("test");
    Watch::start(&[
        "get",
        "deployment",
        &app.name,
        "--namespace",
        &namespace,
        "--watch",
        "--output",
        COMMIT,
    ])
}

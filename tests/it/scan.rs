//! Everything that a platform writes, searched for secrets that it was given: its log, its database, its
//! repositories, its answers, builds' lines, Kubernetes objects and the arguments of its processes. A word
//! that is no secret stands in each of these places, and must be found there: so the search is one.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use tests::{
    App, Hops, Kube, Options, Platform, Repo, Role, coded, eventually, find_below, find_in,
    is_secret, proxy_login, server_image,
};

/// The arguments of every process that a platform starts, while this is there.
struct Spawned {
    stop: Arc<AtomicBool>,
    watching: Option<std::thread::JoinHandle<BTreeSet<String>>>,
}

impl Spawned {
    fn by(platform: u32) -> Spawned {
        let stop = Arc::new(AtomicBool::new(false));
        let ends = stop.clone();
        let watching = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !ends.load(Ordering::Relaxed) {
                seen.extend(below(platform).into_iter().filter_map(arguments));
                std::thread::sleep(Duration::from_millis(10));
            }
            seen
        });
        Spawned {
            stop,
            watching: Some(watching),
        }
    }

    fn all(mut self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::Relaxed);
        let watching = self.watching.take().expect("the watch");
        watching.join().expect("the watch")
    }
}

/// The processes that descend from one, itself among them.
fn below(root: u32) -> Vec<u32> {
    let parents: BTreeMap<u32, u32> = std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| {
            let id: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let (_, rest) = stat.rsplit_once(')')?;
            Some((id, rest.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    let descends = |mut id: u32| loop {
        if id == root {
            return true;
        }
        match parents.get(&id) {
            Some(parent) if *parent != 0 => id = *parent,
            _ => return false,
        }
    };
    parents.keys().copied().filter(|id| descends(*id)).collect()
}

fn arguments(id: u32) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{id}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
}

/// Forty secrets, and where each is used.
struct Secrets {
    named: Vec<String>,
    sealed: Vec<String>,
    files: Vec<String>,
    build: Vec<String>,
    headers: Vec<String>,
}

impl Secrets {
    fn new() -> Secrets {
        let some = |kind: &str, count: usize| -> Vec<String> {
            let secret = || tests::unique(&format!("geheim+{kind}/"));
            (0..count).map(|_| secret()).collect()
        };
        Secrets {
            named: some("named", 12),
            sealed: some("sealed", 12),
            files: some("file", 6),
            build: some("build", 6),
            headers: some("header", 2),
        }
    }

    fn all(&self) -> Vec<String> {
        let Secrets {
            named,
            sealed,
            files,
            build,
            headers,
        } = self;
        [named, sealed, files, build, headers]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }
}

async fn seal(hops: &Hops, app: &App<'_>, secret: &str) -> String {
    let arguments = ["--json", "seal", "-a", &app.name];
    let sealed = hops
        .run_in(hops.home(), &arguments, secret)
        .await
        .ok()
        .json();
    format!("{{ encrypted = {} }}", sealed["encrypted"])
}

/// A repository that uses every secret, and whose build says those that it gets, and a word that is none.
async fn repository(hops: &Hops, app: &App<'_>, secrets: &Secrets, word: &str) -> Repo {
    let mut iterapp = "replicas = 1\n[env.common]\n".to_owned();
    for number in 0..secrets.named.len() {
        iterapp += &format!("NAMED_{number} = {{ secret = \"given\", key = \"k{number}\" }}\n");
    }
    for (number, secret) in secrets.sealed.iter().enumerate() {
        iterapp += &format!("SEALED_{number} = {}\n", seal(hops, app, secret).await);
    }
    iterapp += "[postgres]\n[files]\n";
    for (number, secret) in secrets.files.iter().enumerate() {
        iterapp += &format!(
            "\"/etc/scan/{number}\" = {}\n",
            seal(hops, app, secret).await
        );
    }
    iterapp += "[build_secrets]\n";
    let mut steps = String::new();
    for (number, secret) in secrets.build.iter().enumerate() {
        iterapp += &format!("build_{number} = {}\n", seal(hops, app, secret).await);
        steps += &format!(
            "RUN --mount=type=secret,id=build_{number} echo built {word} $(cat /run/secrets/build_{number})\n"
        );
    }
    iterapp += "[cronjobs.tidy]\nschedule = \"0 3 * * *\"\npath = \"/\"\n[cronjobs.tidy.headers]\n";
    for (number, secret) in secrets.headers.iter().enumerate() {
        iterapp += &format!("X-Token-{number} = {}\n", seal(hops, app, secret).await);
    }
    let repo = Repo::empty().await;
    repo.write("iterapp.toml", &iterapp);
    repo.write("canary", &app.name);
    let server = server_image();
    repo.write(
        "Dockerfile",
        &format!("FROM busybox AS said\n{steps}RUN touch /said\nFROM {server}\nCOPY --from=said /said /said\n"),
    );
    repo.commit(&format!("the canary is {}", app.name)).await;
    repo
}

fn environment(app: &App<'_>) -> String {
    format!("/api/apps/{}/environments/test", app.name)
}

/// What the API answers.
async fn answer(platform: &Platform, path: &str) -> Vec<u8> {
    let asked = tests::client()
        .get(format!("{}{path}", platform.url))
        .bearer_auth(&platform.token);
    let answer = asked.send().await.expect("an answer").error_for_status();
    let body = answer.expect("a good answer").bytes().await;
    body.expect("its body").to_vec()
}

/// Every place, with what stands there.
async fn places(
    platform: &Platform,
    app: &App<'_>,
    spawned: BTreeSet<String>,
) -> Vec<(String, Vec<u8>)> {
    let namespace = app.namespace("test");
    let kinds = "configmaps,cronjobs,deployments,events,ingresses,jobs,networkpolicies,pods,replicasets,services";
    let objects = Kube::run(&["get", kinds, "-n", &namespace, "-o", "json"]);
    let mut places = vec![
        (
            "the log".to_owned(),
            std::fs::read(&platform.log).expect("the log"),
        ),
        ("the database".to_owned(), platform.dump_database()),
        ("Kubernetes objects".to_owned(), objects.into_bytes()),
        (
            "arguments of processes".to_owned(),
            spawned
                .into_iter()
                .collect::<Vec<_>>()
                .join("\n")
                .into_bytes(),
        ),
    ];
    let environment = environment(app);
    let releases = app.releases().await;
    let mut paths = vec![
        "/api/apps".to_owned(),
        format!("/api/apps/{}", app.name),
        format!("/api/apps/{}/status", app.name),
        format!("/api/apps/{}/releases", app.name),
        format!("{environment}/diff?ref=main"),
        format!("{environment}/databases"),
    ];
    for release in &releases {
        let id = release["id"].as_str().expect("an id");
        paths.push(format!("/api/releases/{id}"));
        paths.push(format!("/api/releases/{id}/log"));
    }
    paths.push(format!("{environment}/logs"));
    for path in paths {
        let body = answer(platform, &path).await;
        places.push((path, body));
    }
    places
}

#[tokio::test]
async fn nothing_that_the_platform_writes_holds_a_secret() {
    let platform = Platform::start(Options::default());
    let spawned = Spawned::by(platform.processes(Role::Serve)[0]);
    let (hops, app) = (Hops::of(&platform), platform.app("canary").await);
    let secrets = Secrets::new();
    for (number, secret) in secrets.named.iter().enumerate() {
        let key = format!("k{number}");
        let set = [
            "secrets", "set", "-a", &app.name, "-e", "test", "given", &key,
        ];
        hops.run_in(hops.home(), &set, secret).await.ok();
    }
    // What only builds and pods say.
    let word = tests::unique("word");
    let repo = repository(&hops, &app, &secrets, &word).await;
    let built = app.push_live(&repo).await;
    // The secrets of its cron job's request are there as soon as that one is.
    let has_cron_job = || async {
        let jobs = Kube::names("cronjobs", &app.namespace("test"));
        (!jobs.is_empty()).then_some(())
    };
    eventually("its cron job is there", has_cron_job).await;
    // Its pod says what it was given, and so does a container that fails.
    for secret in secrets
        .named
        .iter()
        .chain(&secrets.sealed)
        .chain(&secrets.files)
        .chain(&secrets.headers)
    {
        let escaped = secret.replace('+', "%2B").replace('/', "%2F");
        app.get("test", &format!("/say?text={escaped}")).await;
    }
    app.get("test", &format!("/say?text={word}")).await;
    // They said it all, and the secrets are blotted out.
    let log = app.log(&built).await;
    assert!(log.contains(&format!("built {word} ***")), "{log}");
    let logs = [&*environment(&app), "/logs"].concat();
    let pods_said = || async {
        let said = String::from_utf8(answer(&platform, &logs).await).expect("text");
        (said.contains(&word) && said.contains("said: ***")).then_some(said)
    };
    let said = eventually("what the pods say is there", pods_said).await;
    repo.write(
        "Dockerfile",
        "FROM busybox\nCMD [\"sh\", \"-c\", \"echo canary $HOPS_APP; env; cat /etc/scan/*; exit 3\"]\n",
    );
    repo.commit("fails").await;
    app.push(&repo).await;
    let failed = app.last_release().await;
    assert_eq!(failed.state(), "failed");
    assert!(failed.reason().contains("***"), "{}", failed.reason());
    // Another password while one looks, and a mistake beside a secret.
    hops.run(&["db", "rotate", "-a", &app.name, "-e", "test"])
        .await
        .ok();

    let mut known = secrets.all();
    known.push(proxy_login(&app).1);
    known.push(platform.token.clone());
    assert_eq!(known.len(), 40);
    known.iter().for_each(|secret| is_secret(secret));
    let texts: Vec<&str> = known
        .iter()
        .map(String::as_str)
        .chain([app.name.as_str()])
        .collect();
    let mut places = places(&platform, &app, spawned.all()).await;
    places.push(("what pods said".to_owned(), said.into_bytes()));
    for (place, content) in places {
        let found = find_in(&content, &texts);
        assert_eq!(found, [app.name.as_str()], "in {place}");
        let coded: Vec<String> = known.iter().flat_map(|secret| coded(secret)).collect();
        let coded: Vec<&str> = coded.iter().map(String::as_str).collect();
        assert_eq!(
            find_in(&content, &coded),
            [""; 0],
            "in {place}, in another form"
        );
    }
    // Its repositories, whose objects are compressed; its token file is what it was told of.
    let kept = find_below(platform.folder(), SystemTime::UNIX_EPOCH, &texts);
    let is_token = |path: &Path| path.file_name().is_some_and(|name| name == "token");
    let found: BTreeSet<&str> = kept
        .iter()
        .filter(|(path, _)| !is_token(path))
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(found, BTreeSet::from([app.name.as_str()]));
}

//! `[postgres]`: a database of an environment's own, reached through the SQL proxy beside the app, with
//! real drivers on a real server.

use std::{collections::BTreeSet, process::Stdio};

use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::{
    Answer, App, Connections, Deployed, Hops, Kube, Load, Options, Platform, Pod, PostgresServer,
    Repo, Role, Tally, eventually, get, is_secret, node_address, proxy_files, proxy_login,
    proxy_logins, restart_proxies, setting, shared, superuser, want_base_image,
};

const DRIVERS: [&str; 3] = ["libpq", "node", "python"];

/// The three applings with real drivers, live in test.
async fn drivers(platform: &'static Platform, prefix: &str) -> (App<'static>, Repo) {
    want_base_image("debian").await;
    let app = platform.app(prefix).await;
    let repo = Repo::sample("databases").await;
    app.push_live(&repo).await;
    (app, repo)
}

async fn ok(host: &str, path: &str) -> Answer {
    eventually(&format!("{host}{path} answers"), || async {
        Some(get(host, path).await).filter(|answer| answer.status == 200)
    })
    .await
}

async fn write_note(host: &str, text: &str) {
    eventually(&format!("{host} takes a note"), || async {
        let answer = tests::post(host, "/notes", text).await;
        (answer.status == 201).then_some(())
    })
    .await;
}

/// The databases of an environment, as `hops db info` tells them.
async fn info(platform: &Platform, app: &App<'_>, environment: &str) -> Vec<Value> {
    let hops = Hops::of(platform);
    let asked = ["db", "info", "-a", &app.name, "-e", environment, "--json"];
    let told = hops.run(&asked).await.ok().json();
    told.as_array().expect("a list").clone()
}

async fn name_of(platform: &Platform, app: &App<'_>, environment: &str) -> String {
    let databases = info(platform, app, environment).await;
    assert_eq!(databases.len(), 1, "{databases:?}");
    databases[0]["name"].as_str().expect("a name").to_owned()
}

// Proves: X06
#[tokio::test]
async fn each_environment_has_databases_of_its_own_for_every_driver() {
    let (app, _repo) = drivers(shared(), "drivers").await;
    for driver in DRIVERS {
        let host = app.host_of(driver, "test");
        write_note(&host, "written in test").await;
        assert_eq!(ok(&host, "/notes").await.json(), json!(["written in test"]));
        // What it makes belongs to the owner, whoever it logs in as.
        let who = ok(&host, "/whoami").await.json();
        let database = who["database"].as_str().expect("a name");
        assert_eq!(who["user"], database);
        assert_eq!(who["session_user"], format!("{database}_a"));
    }
    let names: Vec<Value> = info(shared(), &app, "test").await;
    assert_eq!(names.len(), 3, "{names:?}");

    assert_eq!(app.deploy("prod", "main").await.state(), "live");
    for driver in DRIVERS {
        let host = app.host_of(driver, "prod");
        assert_eq!(ok(&host, "/notes").await.json(), json!([]));
        let here = ok(&host, "/whoami").await.json();
        let there = ok(&app.host_of(driver, "test"), "/whoami").await.json();
        assert_ne!(here["database"], there["database"]);
    }

    // The proxy stands beside the app, and the app's own container has nothing of it.
    let pods = Pod::all(&app.namespace("test"));
    assert_eq!(pods.len(), 3);
    for pod in pods {
        assert_eq!(pod.sidecars(), ["sql-proxy"]);
        let own = pod.spec().to_string();
        assert!(!own.contains("sql-proxy"), "{own}");
    }
}

// What a session leaves behind is not the next one's, which is the owner again, like every first one. (Newer
// servers than November 2024's would see to the owner by themselves, and the stack's is one.)
#[tokio::test]
async fn a_session_has_nothing_of_the_one_before() {
    let app = shared().app("sessions").await;
    let repo = Repo::server("one", "replicas = 1\n[postgres]\n").await;
    app.push_live(&repo).await;
    let name = name_of(shared(), &app, "test").await;
    let pod = Pod::all(&app.namespace("test")).remove(0);
    // Each session says which of the server's processes it has, and then all that it is asked.
    let session = |statements: &[&str]| -> Vec<String> {
        let psql = "psql --host 127.0.0.1 --no-psqlrc --quiet --tuples-only --no-align --username";
        let mut command = vec![
            "exec",
            "-n",
            pod.namespace(),
            pod.name(),
            "-c",
            "sql-proxy",
            "--",
        ];
        command.extend(psql.split(' '));
        command.extend([&name, &name, "--set", "ON_ERROR_STOP=1"]);
        for statement in [&["select pg_backend_pid()"], statements].concat() {
            command.extend(["--command", statement]);
        }
        Kube::run(&command).lines().map(str::to_owned).collect()
    };
    let first = session(&[
        "set role none",
        "set search_path = nowhere",
        "set statement_timeout = 4711",
        "create temporary table left_over (n int)",
        "prepare left_over as select 1",
        "select pg_advisory_lock(4711)",
        "select current_user",
    ]);
    assert_eq!(first[2], format!("{name}_a"));
    let second = session(&[
        "select current_user",
        "show search_path",
        "show statement_timeout",
        "select to_regclass('pg_temp.left_over') is null",
        "select count(*) from pg_prepared_statements",
        "select count(*) from pg_locks where locktype = 'advisory' and objid = 4711",
        "create table made_later (n int)",
        "select tableowner from pg_tables where tablename = 'made_later'",
        "select has_schema_privilege('public', 'public', 'usage, create')",
    ]);
    let path = "\"$user\", public";
    let wanted = [&first[0], &name, path, "0", "t", "0", "0", &name, "f"];
    assert_eq!(second, wanted);
}

const EXTENSIONS: &str = "[postgres]\nextensions = [\"uuid-ossp\", \"pg_trgm\"]";

async fn extensions(database: &PgPool) -> Vec<String> {
    let names = "select extname::text from pg_extension where extname <> 'plpgsql' order by 1";
    sqlx::query_scalar(names)
        .fetch_all(database)
        .await
        .expect("the extensions")
}

// Proves: X07
#[tokio::test]
async fn extensions_are_made_and_stay() {
    let app = shared().app("extensions").await;
    let repo = Repo::server("one", &format!("replicas = 1\n{EXTENSIONS}\n")).await;
    app.push_live(&repo).await;
    let database = superuser(&name_of(shared(), &app, "test").await).await;
    assert_eq!(extensions(&database).await, ["pg_trgm", "uuid-ossp"]);
    let made = "select uuid_generate_v4()::text";
    let uuid: String = sqlx::query_scalar(made)
        .fetch_one(&database)
        .await
        .expect("its effect");
    assert_eq!(uuid.len(), 36);

    repo.write(
        "iterapp.toml",
        "replicas = 1\n[postgres]\nextensions = [\"citext\"]\n",
    );
    repo.commit("two").await;
    app.push_live(&repo).await;
    assert_eq!(
        extensions(&database).await,
        ["citext", "pg_trgm", "uuid-ossp"]
    );

    // Neither what the server may not give, nor what its account may not make.
    for (extension, told) in [
        (
            "postgis",
            "is none that the database server `main` may give",
        ),
        (
            "pg_stat_statements",
            "permission denied to create extension",
        ),
    ] {
        repo.write(
            "iterapp.toml",
            &format!("replicas = 1\n[postgres]\nextensions = [\"{extension}\"]\n"),
        );
        repo.commit(extension).await;
        app.push(&repo).await;
        let release = app.last_release().await;
        assert_eq!(release.state(), "failed");
        assert!(release.reason().contains(told), "{}", release.reason());
    }
}

/// An app in an image with psql that, when it gets SIGTERM, asks its database eight seconds later and
/// twelve seconds later, in the same session.
const LINGERING: &str = "#!/bin/sh\n\
    echo begun; mkfifo /tmp/in; psql -At -v ON_ERROR_STOP=1 < /tmp/in & P=$!; exec 3> /tmp/in\n\
    echo \"select 'connected';\" >&3\n\
    trap 'echo TERM; sleep 8; echo \"select 1 + 7;\" >&3; sleep 4; echo \"select 6 + 6;\" >&3; exec 3>&-; wait $P; echo \"psql ended with $?\"; echo over; exit 0' TERM\n\
    while true; do sleep 0.2; done\n";

// Proves: X08
#[tokio::test]
async fn connections_outlive_sigterm_by_ten_seconds() {
    let app = shared().app("sigterm").await;
    let repo = Repo::empty().await;
    repo.write("linger", LINGERING);
    let image = setting("HOPS_PGBOUNCER_IMAGE");
    repo.write(
        "Dockerfile",
        &format!("FROM {image}\nCOPY linger /linger\nENTRYPOINT [\"sh\", \"/linger\"]\n"),
    );
    repo.write(
        "iterapp.toml",
        "worker = true\nreplicas = 1\ngrace_period = 25\n[postgres]\n",
    );
    repo.commit("one").await;
    app.push_live(&repo).await;
    let pod = Pod::all(&app.namespace("test")).remove(0);
    let log = pod.follow_log();
    eventually("it is connected", || async {
        log.text().contains("connected").then_some(())
    })
    .await;
    Kube::run(&[
        "delete",
        "pod",
        pod.name(),
        "-n",
        &app.namespace("test"),
        "--wait=false",
    ]);
    eventually("it has ended", || async {
        log.text().contains("over").then_some(())
    })
    .await;
    let lines: Vec<String> = log.text().lines().map(str::to_owned).collect();
    assert!(lines.contains(&"8".to_owned()), "{lines:?}");
    assert!(!lines.contains(&"12".to_owned()), "{lines:?}");
    // 2: its connection to the server went bad.
    assert!(lines.contains(&"psql ended with 2".to_owned()), "{lines:?}");
}

async fn role(database: &str) -> Value {
    let of = "select json_object_agg(rolname, rolcanlogin) from pg_roles where rolname in ($1, $1 || '_a', $1 || '_b')";
    let roles = sqlx::query_scalar::<_, Option<Value>>(of).bind(database);
    let found = roles.fetch_one(&superuser("postgres").await).await;
    found.expect("the roles").unwrap_or_default()
}

#[tokio::test]
async fn a_rotation_and_a_rollout_lose_no_query() {
    let (app, repo) = drivers(shared(), "rotate").await;
    let mut passwords = BTreeSet::from_iter(proxy_logins(&app));
    let mut databases = Vec::new();
    for driver in DRIVERS {
        let who = ok(&app.host_of(driver, "test"), "/whoami").await.json();
        let name = who["database"].as_str().expect("a name");
        let (a, b) = (format!("{name}_a"), format!("{name}_b"));
        assert_eq!(role(name).await, json!({ name: false, a: true, b: false }));
        databases.push(name.to_owned());
    }
    // Fifty queries a second, through all three drivers.
    let loads = DRIVERS.map(|driver| {
        let host = app.host_of(driver, "test");
        Load::of_path(&host, "/select1", 17, Connections::Kept)
    });
    more(&loads).await;

    rotate(&app).await;
    let again = Hops::of(shared()).run(&rotation(&app, DRIVERS[0])).await;
    assert_eq!(again.code, 1);
    assert!(
        again.err.contains("the last rotation is not over"),
        "{}",
        again.err
    );
    have_the_turn(&app, &databases, "_b", "_a").await;
    passwords.extend(proxy_logins(&app));
    more(&loads).await;

    for driver in DRIVERS {
        let file = format!("{driver}/iterapp.toml");
        let iterapp = std::fs::read_to_string(repo.path().join(&file)).expect("the file");
        repo.write(
            &file,
            &format!("{iterapp}\n[env.common]\nROUND = \"two\"\n"),
        );
    }
    repo.commit("two").await;
    let names = |pods: Vec<Pod>| BTreeSet::from_iter(pods.iter().map(|pod| pod.name().to_owned()));
    let before: BTreeSet<String> = names(Pod::all(&app.namespace("test")));
    app.push_live(&repo).await;
    eventually("all pods are others", || async {
        let now = names(Pod::also_stopping(&app.namespace("test")));
        (now.len() == 3 && now.is_disjoint(&before)).then_some(())
    })
    .await;
    more(&loads).await;

    // And back to the first logins, with passwords that they have not had.
    eventually("the rotations are over", || async {
        let databases = info(shared(), &app, "test").await;
        let is_over = |one: &Value| one["rotating"] == false;
        databases.iter().all(is_over).then_some(())
    })
    .await;
    rotate(&app).await;
    have_the_turn(&app, &databases, "_a", "_b").await;
    more(&loads).await;
    let failures = loads.map(|load| load.stop().failures());
    assert_eq!(failures, [""; 3], "of {DRIVERS:?}");
    passwords.extend(proxy_logins(&app));
    let different: BTreeSet<&String> = passwords.iter().map(|(_, password)| password).collect();
    assert_eq!((passwords.len(), different.len()), (9, 9));
}

fn rotation<'a>(app: &'a App<'_>, driver: &'a str) -> [&'a str; 8] {
    let (name, of) = (app.name.as_str(), "--appling");
    ["db", "rotate", "-a", name, "-e", "test", of, driver]
}

/// Gives the databases of all three drivers other passwords.
async fn rotate(app: &App<'_>) {
    for driver in DRIVERS {
        Hops::of(shared()).run(&rotation(app, driver)).await.ok();
    }
}

/// Waits until the applings use one login of each database, and the other is locked.
async fn have_the_turn(app: &App<'_>, databases: &[String], login: &str, other: &str) {
    for (driver, database) in DRIVERS.iter().zip(databases) {
        eventually(&format!("{database}{other} is locked"), || async {
            let roles = role(database).await;
            let works = roles[format!("{database}{login}")] == true;
            (works && roles[format!("{database}{other}")] == false).then_some(())
        })
        .await;
        let who = ok(&app.host_of(driver, "test"), "/whoami").await.json();
        assert_eq!(who["session_user"], format!("{database}{login}"));
    }
}

/// Waits for two seconds' worth of further answers from each.
async fn more(loads: &[Load]) {
    let count = |tally: Tally| tally.answered.values().map(|one| one.count).sum::<usize>();
    for load in loads {
        let wanted = count(load.so_far()) + 34;
        eventually("two seconds' worth of answers", || async {
            (count(load.so_far()) >= wanted).then_some(())
        })
        .await;
    }
}

/// What psql says of a query as this user of a database, by the server's address.
async fn psql(user: &str, password: &str, database: &str) -> Result<String, String> {
    let host = node_address();
    let output = tokio::process::Command::new("psql")
        .args(["-At", "-c", "select current_user"])
        .env("PGHOST", host)
        .env("PGPORT", "5433")
        .env("PGUSER", user)
        .env("PGPASSWORD", password)
        .env("PGDATABASE", database)
        .env("PGSSLMODE", "require")
        .stdin(Stdio::null())
        .output()
        .await
        .expect("psql");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}

#[tokio::test]
async fn nobody_gets_into_anothers_database() {
    let (one, other) = (shared().app("one").await, shared().app("other").await);
    let iterapp = "replicas = 1\n[postgres]\n";
    let repo = Repo::server("one", iterapp).await;
    one.push_live(&repo).await;
    other.push_live(&Repo::server("one", iterapp).await).await;
    let (database, foreign) = (
        name_of(shared(), &one, "test").await,
        name_of(shared(), &other, "test").await,
    );
    let (user, password) = proxy_login(&one);
    assert_eq!(
        psql(&user, &password, &database).await,
        Ok(database.clone())
    );
    let refused = psql(&user, &password, &foreign).await;
    assert!(
        refused
            .as_ref()
            .is_err_and(|told| told.contains("permission denied for database")),
        "{refused:?}"
    );
    // Nor by becoming the other's owner.
    let own = superuser(&database).await;
    let member: bool = sqlx::query_scalar("select pg_has_role($1, $2, 'member')")
        .bind(&user)
        .bind(&foreign)
        .fetch_one(&own)
        .await
        .expect("an answer");
    assert!(!member);

    // The proxy listens for its own pod alone.
    let pod = Pod::all(&one.namespace("test")).remove(0).again();
    let address = pod.address();
    let asked = format!("/fetch?url=http://{address}:5432/");
    let host = other.host("test");
    assert_eq!(other.get("test", "/").await.status, 200);
    let told = get(&host, &asked).await.body;
    assert!(told.contains("refused"), "{told}");
    let served = format!("/fetch?url=http://{address}:3000/health");
    assert_eq!(other.get("test", &served).await.status, 200);

    // The password is nowhere but in the Secret.
    let kinds = "deployments,replicasets,pods,configmaps,events";
    let objects = Kube::run(&["get", kinds, "-n", &one.namespace("test"), "-o", "json"]);
    assert!(!objects.contains(&password));
    let seen = one.get("test", "/env").await.body;
    assert!(
        seen.contains("DATABASE_URL") && !seen.contains(&password),
        "{seen}"
    );
}

// Proves: K41
#[tokio::test]
async fn a_database_somewhere_else_is_a_choice() {
    let app = shared().app("external").await;
    let server = superuser("postgres").await;
    let name = format!("billing_{}", app.name.replace('-', "_"));
    for statement in [
        format!("create role {name} login password 'geheim-4711'"),
        format!("create database {name} owner {name}"),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&server)
            .await
            .expect("a database");
    }
    let host = node_address();
    let hops = Hops::of(shared());
    let set = [
        "secrets", "set", "-a", &app.name, "-e", "test", "billing", "url",
    ];
    is_secret("geheim-4711");
    // Not an address: told at its line.
    hops.run_in(hops.home(), &set, "geheim-4711").await.ok();
    let repo = Repo::driver("libpq", "[postgres]\nexternal = \"billing\"").await;
    app.push(&repo).await;
    let refused = app.last_release().await;
    assert_eq!(refused.state(), "failed");
    let reason = refused.reason();
    assert!(
        reason.contains("E0804") && reason.contains("iterapp.toml:5:"),
        "{reason}"
    );
    assert!(!reason.contains("geheim"), "{reason}");

    let url = format!("postgres://{name}:geheim-4711@{host}:5433/{name}?sslmode=require");
    hops.run_in(hops.home(), &set, &url).await.ok();
    repo.change("two").await;
    app.push_live(&repo).await;
    let at = app.host("test");
    write_note(&at, "kept elsewhere").await;
    assert_eq!(ok(&at, "/whoami").await.json()["database"], name);
    let pod = Pod::all(&app.namespace("test")).remove(0);
    assert_eq!(pod.sidecars(), [""; 0]);
    assert_eq!(info(shared(), &app, "test").await, Vec::<Value>::new());

    // The same through a proxy, when asked.
    let iterapp = std::fs::read_to_string(repo.path().join("iterapp.toml")).expect("the file");
    repo.write(
        "iterapp.toml",
        &iterapp.replace("external", "proxy = true\nexternal"),
    );
    repo.commit("three").await;
    app.push_live(&repo).await;
    let proxied = || async {
        let pods = Pod::also_stopping(&app.namespace("test"));
        (pods.len() == 1 && pods[0].sidecars() == ["sql-proxy"]).then_some(())
    };
    eventually("a pod with a proxy", proxied).await;
    assert_eq!(ok(&at, "/notes").await.json(), json!(["kept elsewhere"]));
}

#[tokio::test]
async fn more_connections_than_there_are_is_told_before_anything_begins() {
    let app = shared().app("budget").await;
    let repo = Repo::server("one", "replicas = 12\n[postgres]\n").await;
    app.push(&repo).await;
    let release = app.last_release().await;
    assert_eq!(release.state(), "failed");
    let reason = release.reason();
    assert!(
        reason.contains("takes 100 connections") && reason.contains("24 pods"),
        "{reason}"
    );
    assert!(Pod::all(&app.namespace("test")).is_empty());
    assert_eq!(app.builds().await, 0);
}

#[tokio::test]
async fn a_server_that_left_the_settings_is_told_of() {
    let server = PostgresServer::start();
    let settings = server.settings("");
    let platform = Platform::start(Options::of_servers(&settings));
    let app = platform.app("lost").await;
    let repo = Repo::server("one", "replicas = 1\n[postgres]\n").await;
    app.push_live(&repo).await;
    let named = std::fs::read_to_string(&settings).expect("the settings");
    let restart = |with: &str| {
        std::fs::write(&settings, with).expect("the settings");
        platform.kill(Role::Serve);
        platform.spawn(Role::Serve);
        platform.wait_until_it_answers();
    };
    restart(&named.replace("[servers.own]", "[servers.another]"));
    let lost = "is not in the platform's settings any more";
    let trouble = info(&platform, &app, "test").await[0]["trouble"].clone();
    assert!(
        trouble.as_str().is_some_and(|told| told.contains(lost)),
        "{trouble}"
    );
    let log = std::fs::read_to_string(&platform.log).expect("the log");
    assert!(log.contains("HOPS_POSTGRES_SERVERS does not name"), "{log}");
    repo.change("two").await;
    app.push(&repo).await;
    let refused = app.last_release().await;
    assert_eq!(refused.state(), "failed");
    assert!(refused.reason().contains(lost), "{}", refused.reason());
    assert_eq!(app.get("test", "/").await.json()["message"], "one");

    // Back, with other limits: the next release brings them to the database that is there.
    restart(&format!(
        "{named}connection_limit = 50\nstatement_timeout_seconds = 7\n"
    ));
    let told = info(&platform, &app, "test").await.remove(0);
    assert_eq!(told["trouble"], Value::Null);
    let name = told["name"].as_str().expect("a name");
    let limits = || async {
        let of = "select datconnlimit, array_agg(rolconnlimit order by rolname),
              array_agg(array_to_string(rolconfig, ' ') order by rolname)
            from pg_database, pg_roles
            where datname = $1 and rolname in ($1 || '_a', $1 || '_b') group by 1";
        let limits = sqlx::query_as(of).bind(name);
        let found: Result<(i32, Vec<i32>, Vec<String>), _> =
            limits.fetch_one(&server.superuser("postgres").await).await;
        found.expect("the limits")
    };
    let wanted = |connections: i32, timeout: &str| {
        let settings = format!("role={name} statement_timeout={timeout}");
        (connections, vec![connections; 2], vec![settings; 2])
    };
    assert_eq!(limits().await, wanted(100, "0"));
    repo.change("three").await;
    app.push_live(&repo).await;
    assert_eq!(limits().await, wanted(50, "7000"));
}

/// Google's proxy needs Google: what is shown is that the cluster takes all of it as it was meant, and that
/// the kubelet begins with it.
#[tokio::test]
async fn googles_proxy_starts_before_ours() {
    let server = PostgresServer::start();
    let settings = server.settings("cloud_sql_instance = \"project:region:instance\"\n");
    let image = format!("{}/nobody/cloud-sql-proxy:2", setting("HOPS_REGISTRY"));
    let mut options = Options::of_servers(&settings);
    let variable = ("HOPS_CLOUD_SQL_PROXY_IMAGE".to_owned(), image.clone());
    options.variables.push(variable);
    let platform = Platform::start(options);
    let app = platform.app("cloudsql").await;
    let repo = Repo::server("one", "replicas = 1\n[postgres]\n").await;
    // What cannot start is taken back: one has to look while it tries.
    let begun = eventually("a pod", || async {
        let pod = Pod::all(&app.namespace("test")).pop()?;
        Some((pod, proxy_files(&app, "pgbouncer.ini")))
    });
    let (_, (pod, settings)) = tokio::join!(app.push(&repo), begun);
    let release = app.last_release().await;
    assert_eq!(release.state(), "failed");
    let reason = release.reason();
    assert!(
        reason.contains("cloud-sql-proxy") && reason.contains(&image),
        "{reason}"
    );
    assert_eq!(pod.sidecars(), ["cloud-sql-proxy", "sql-proxy"]);
    let google = &pod.sidecar("cloud-sql-proxy");
    assert_eq!(google["image"], image);
    assert_eq!(google["restartPolicy"], "Always");
    assert_eq!(
        google["args"],
        json!([
            "--address=127.0.0.1",
            "--port=5433",
            "--structured-logs",
            "--exit-zero-on-sigterm",
            "--max-sigterm-delay=30s",
            "project:region:instance"
        ])
    );
    assert_eq!(google["securityContext"]["runAsNonRoot"], true);
    // Ours goes to Google's, which does the TLS.
    let behind = |settings: &String| settings.contains("host='127.0.0.1' port=5433");
    assert!(
        settings.len() == 1 && settings.iter().all(behind),
        "{settings:?}"
    );
}

#[tokio::test]
async fn what_a_crash_left_half_made_is_made_whole() {
    let app = shared().app("half").await;
    let repo = Repo::server("one", "replicas = 1\n[postgres]\n").await;
    app.push_live(&repo).await;
    let name = name_of(shared(), &app, "test").await;
    // As if the platform had died after the first steps: nothing is written down, the rest is undone.
    let server = superuser("postgres").await;
    for statement in [
        format!("grant connect on database {name} to public"),
        format!("alter role {name}_b reset role"),
        format!("alter database {name} connection limit 1"),
        format!("revoke {name} from {name}_b"),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&server)
            .await
            .expect("undoing");
    }
    let platform = shared().database().await;
    let forget = sqlx::query("update databases set made = null where name = $1").bind(&name);
    forget.execute(&platform).await.expect("forgetting");
    repo.change("two").await;
    app.push_live(&repo).await;
    let (limit, open): (i32, bool) = sqlx::query_as(
        "select datconnlimit, has_database_privilege('public', oid, 'connect') from pg_database where datname = $1",
    )
    .bind(&name)
    .fetch_one(&server)
    .await
    .expect("the database");
    assert_eq!((limit, open), (100, false));
    let member: bool = sqlx::query_scalar("select pg_has_role($1 || '_b', $1, 'member')")
        .bind(&name)
        .fetch_one(&server)
        .await
        .expect("an answer");
    assert!(member);
}

#[tokio::test]
async fn clients_are_served_again_after_the_server_or_the_proxy_was_away() {
    let server = PostgresServer::start();
    let platform = Platform::start(Options::of_servers(&server.settings("")));
    want_base_image("debian").await;
    let app = platform.app("away").await;
    let repo = Repo::sample("databases").await;
    // Away when it is first wanted: said, and waited for.
    server.stop();
    let pushing = app.push(&repo);
    let returning = async {
        waits_for(&app, "the database server `own` does not answer").await;
        server.run();
    };
    let (pushed, ()) = tokio::join!(pushing, returning);
    assert_eq!(
        app.last_release().await.state(),
        "live",
        "{}",
        pushed.output
    );

    let hosts = DRIVERS.map(|driver| app.host_of(driver, "test"));
    for host in &hosts {
        write_note(host, "before").await;
    }
    let loads = hosts
        .each_ref()
        .map(|host| Load::of_path(host, "/select1", 10, Connections::Kept));
    // The drivers wait and try again, as their docs advise: no request fails.
    server.stop();
    server.run();
    served_again(&hosts).await;
    for (host, load) in hosts.iter().zip(loads) {
        let tally = load.stop();
        assert!(tally.failed.is_empty(), "{host}: {}", tally.failures());
    }
    // A pod without its proxy gets no requests, until that is back.
    restart_proxies(&app.namespace("test")).await;
    served_again(&hosts).await;
    for host in &hosts {
        assert_eq!(ok(host, "/notes").await.json(), json!(["before"]));
    }
}

/// Waits until an app's first release says why it waits.
async fn waits_for(app: &App<'_>, reason: &str) {
    eventually(&format!("it waits since {reason}"), || async {
        let release = Deployed(app.releases().await.pop()?);
        app.log(&release).await.contains(reason).then_some(())
    })
    .await;
}

/// Every client of each of them: more at once than a driver's pool has connections. How soon, is the
/// benchmark's matter: `tests/bench/sql_proxy`.
async fn served_again(hosts: &[String; 3]) {
    let clients = hosts.iter().flat_map(|host| [host; 8]);
    let served = clients.map(async |host| {
        eventually(&format!("{host} is served again"), || async {
            (get(host, "/select1").await.status == 200).then_some(())
        })
        .await;
    });
    join_all(served).await;
}

// Proves: H11
#[tokio::test]
async fn a_database_is_dropped_by_name_when_nobody_is_connected_to_it() {
    let app = shared().app("dropped").await;
    let repo = Repo::server("one", "replicas = 1\n[postgres]\n").await;
    app.push_live(&repo).await;
    let name = name_of(shared(), &app, "test").await;
    let hops = Hops::of(shared());
    let drop = |name: String| {
        let arguments = ["db", "drop", "-a", &app.name, "-e", "test", "--confirm"];
        let mut arguments: Vec<String> = arguments.map(str::to_owned).to_vec();
        arguments.push(name);
        arguments
    };
    let run = |arguments: Vec<String>| {
        let hops = &hops;
        async move {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            hops.run(&arguments).await
        }
    };
    let refused = run(drop(name.clone())).await;
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("is connected to it"),
        "{}",
        refused.err
    );
    let with_proxy = own_container(&app).await;
    repo.write("iterapp.toml", "replicas = 1\n");
    repo.commit("two").await;
    app.push_live(&repo).await;
    // The proxy changes nothing in the app's own container but where its variables come from.
    let without = own_container(&app).await;
    assert_eq!(with_proxy, without);
    // It stays until somebody says so.
    assert_eq!(name_of(shared(), &app, "test").await, name);
    let mistyped = run(drop(format!("{name}x"))).await;
    assert_eq!(mistyped.code, 1);
    eventually("it is dropped once no pod uses it", || async {
        let ran = run(drop(name.clone())).await;
        assert!(
            ran.code == 0 || ran.err.contains("still use it"),
            "{}",
            ran.err
        );
        (ran.code == 0).then_some(())
    })
    .await;
    assert_eq!(role(&name).await, Value::Null);
    assert_eq!(info(shared(), &app, "test").await, Vec::<Value>::new());
}

/// The author's container in the only pod, but for what another commit and the variables' place change.
async fn own_container(app: &App<'_>) -> Value {
    let one = || async {
        let mut pods = Pod::also_stopping(&app.namespace("test"));
        (pods.len() == 1).then(|| pods.remove(0))
    };
    let pod = eventually("one pod", one).await;
    let mut container = pod.spec().clone();
    let fields = container.as_object_mut().expect("a container");
    for field in ["image", "envFrom"] {
        fields.remove(field);
    }
    let variables = container["env"].as_array_mut().expect("variables");
    variables.retain(|one| one["name"] != "HOPS_GIT_SHA");
    container
}

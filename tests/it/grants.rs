//! People in databases: logins that end by themselves, and psql through the platform.

use std::time::Duration;

use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tests::{App, Hops, Options, Platform, Repo, eventually, shared, superuser};

/// An app of a server's with a database of its own, live in test.
async fn with_database<'p>(platform: &'p Platform, prefix: &str) -> App<'p> {
    let app = platform.app(prefix).await;
    let repo = Repo::server("one", "replicas = 1\n[postgres]\n").await;
    app.push_live(&repo).await;
    app
}

/// `hops db COMMAND` for the app's environment test.
async fn db(hops: &Hops, app: &App<'_>, command: &str, more: &[&str]) -> tests::Ran {
    let mut arguments = vec!["db", command, "-a", &app.name, "-e", "test"];
    arguments.extend(more);
    hops.run(&arguments).await
}

/// What psql prints of a statement.
async fn psql(hops: &Hops, app: &App<'_>, more: &[&str], sql: &str) -> tests::Ran {
    let all = [more, &["--", "-XAtqc", sql]].concat();
    db(hops, app, "psql", &all).await
}

async fn grants(hops: &Hops, app: &App<'_>) -> Vec<Value> {
    let told = db(hops, app, "grants", &["--json"]).await.ok().json();
    told.as_array().expect("a list").clone()
}

async fn people(database: &str) -> Vec<String> {
    let members =
        "select m.rolname::text from pg_auth_members a join pg_roles r on r.oid = a.roleid
         join pg_roles m on m.oid = a.member
         where r.rolname in ($1, $1 || '_r') and starts_with(m.rolname, 'hops_grant_')";
    let pool = superuser(database).await;
    let found = sqlx::query_scalar(members).bind(database).fetch_all(&pool);
    found.await.expect("the members")
}

#[tokio::test]
async fn psql_goes_through_the_platform_and_may_read() {
    let (hops, app) = (Hops::of(shared()), with_database(shared(), "psql").await);
    let who = psql(
        &hops,
        &app,
        &["--write"],
        "select current_user, session_user",
    )
    .await
    .ok();
    assert!(who.err.contains("you may change"), "{who:?}");
    let (owner, own) = who.out.trim().split_once('|').expect("two names");
    assert!(own.starts_with("hops_grant_operator_"), "{own}");

    // What is made is the owner's, and of a login nothing stays.
    let made =
        "create table notes (id serial, text text); insert into notes (text) values ('hello')";
    psql(&hops, &app, &["--write"], made).await.ok();
    assert_eq!(
        psql(&hops, &app, &[], "select text from notes")
            .await
            .ok()
            .out,
        "hello\n"
    );
    let owners = "select tableowner::text from pg_tables where tablename = 'notes'";
    let pool = superuser(owner).await;
    let owner_of: String = sqlx::query_scalar(owners)
        .fetch_one(&pool)
        .await
        .expect("a table");
    assert_eq!(owner_of, owner);
    assert_eq!(people(owner).await, Vec::<String>::new());

    // Whoever may read changes nothing, whatever they set; and sees what is made later.
    let change = "set transaction_read_only = off; delete from notes";
    for (sql, told) in [
        ("delete from notes", "read-only transaction"),
        (change, "permission denied for table notes"),
        (
            "set transaction_read_only = off; create table mine ()",
            "permission denied",
        ),
        (
            "set transaction_read_only = off; create temp table mine ()",
            "permission denied",
        ),
        ("select pg_read_file('/etc/passwd')", "permission denied"),
    ] {
        let refused = psql(&hops, &app, &[], sql).await;
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.err.contains(told), "{refused:?}");
    }
    let mut reader = PgConnection::connect(&address(&hops, &app, "1h").await)
        .await
        .expect("a login");
    psql(
        &hops,
        &app,
        &["--write"],
        "create table later as select 7 as n",
    )
    .await
    .ok();
    let seen: i32 = sqlx::query_scalar("select n from later")
        .fetch_one(&mut reader)
        .await
        .expect("a row");
    assert_eq!(seen, 7);
    // Nor do they get into another app's database.
    let another = with_database(shared(), "another").await;
    let theirs = db(&hops, &another, "info", &["--json"]).await.ok().json();
    let theirs = theirs[0]["name"].as_str().expect("a name");
    for more in [&[][..], &["--write"]] {
        let psql = [more, &["--", "-d", theirs, "-XAtqc", "select 1"]].concat();
        let refused = db(&hops, &app, "psql", &psql).await;
        assert_eq!(refused.code, 2, "{refused:?}");
        let told = "permission denied for database";
        assert!(refused.err.contains(told), "{refused:?}");
    }

    // Who and when is told, without a password.
    let all = grants(&hops, &app).await;
    assert!(
        all.iter()
            .all(|grant| grant["who"] == "operator" && grant.get("password").is_none())
    );
    let open = all.iter().filter(|grant| grant["ended_at"].is_null());
    assert_eq!(open.count(), 1, "{all:?}");
}

/// The address that a login was given out with.
async fn address(hops: &Hops, app: &App<'_>, lasting: &str) -> String {
    let granted = db(hops, app, "grant", &["--for", lasting]).await.ok();
    granted.out.trim().replace("verify-full", "require")
}

#[tokio::test]
async fn what_somebody_made_as_themselves_stays_with_the_owner() {
    let (hops, app) = (Hops::of(shared()), with_database(shared(), "mine").await);
    let made = "set role none; create table mine (); reset role; create table ours (); \
                grant select on ours to public; do $$ begin execute format('grant all on ours to %I', session_user); end $$; \
                select current_user";
    let owner = psql(&hops, &app, &["--write"], made).await.ok().out;
    let owner = owner.trim();
    let tables = "select tableowner::text from pg_tables where tablename in ('mine', 'ours')";
    let pool = superuser(owner).await;
    let owners: Vec<String> = sqlx::query_scalar(tables)
        .fetch_all(&pool)
        .await
        .expect("tables");
    assert_eq!(owners, [owner, owner]);
    assert_eq!(people(owner).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_login_ends_by_itself_or_when_it_is_taken_back() {
    let (hops, app) = (Hops::of(shared()), with_database(shared(), "ends").await);
    let short = address(&hops, &app, "10s").await;
    let mut open = PgConnection::connect(&short).await.expect("a login");
    let name: String = sqlx::query_scalar("select current_database()::text")
        .fetch_one(&mut open)
        .await
        .expect("its name");
    eventually("the connection ends", || async {
        let roles = people(&name).await;
        roles.is_empty().then_some(())
    })
    .await;
    assert!(open.ping().await.is_err());
    assert!(PgConnection::connect(&short).await.is_err());

    let long = address(&hops, &app, "1h").await;
    let mut open = PgConnection::connect(&long).await.expect("a login");
    let all = grants(&hops, &app).await;
    let newest = all[0]["id"].as_str().expect("an id");
    db(&hops, &app, "revoke", &[newest]).await.ok();
    assert!(open.ping().await.is_err());
    assert!(PgConnection::connect(&long).await.is_err());
    let all = grants(&hops, &app).await;
    assert!(
        all.iter().all(|grant| grant["ended_at"].is_string()),
        "{all:?}"
    );
}

#[tokio::test]
async fn what_runs_is_cancelled_by_ctrl_c_and_an_exit_code_is_psqls() {
    let (hops, app) = (Hops::of(shared()), with_database(shared(), "cancel").await);
    let sleeping = [
        "db",
        "psql",
        "-a",
        &app.name,
        "-e",
        "test",
        "--",
        "-Xc",
        "select pg_sleep(600), 'here'",
    ];
    let child = hops.start(&sleeping);
    let namesake = db(&hops, &app, "info", &["--json"]).await.ok().json();
    let name = namesake[0]["name"].as_str().expect("a name").to_owned();
    let pool = superuser(&name).await;
    eventually("it sleeps", || async {
        let sleeps = "select exists (select from pg_stat_activity where datname = $1 and wait_event = 'PgSleep')";
        let found: bool = sqlx::query_scalar(sleeps).bind(&name).fetch_one(&pool).await.expect("an answer");
        found.then_some(())
    })
    .await;
    let output = interrupted(child).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("canceling statement due to user request"),
        "{told}"
    );
    assert_eq!(output.status.code(), Some(1));

    let failed = db(
        &hops,
        &app,
        "psql",
        &["--", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", "none"],
    )
    .await;
    assert_eq!(failed.code, 1, "{failed:?}");
    let sql = "select 1/0";
    let piped = [
        "db",
        "psql",
        "-a",
        &app.name,
        "-e",
        "test",
        "--",
        "-Xq",
        "-v",
        "ON_ERROR_STOP=1",
    ];
    let piped = hops.run_in(hops.home(), &piped, sql).await;
    assert_eq!(piped.code, 3, "{piped:?}");
}

/// Does what Ctrl-C does in a terminal, and waits for the end of what was started there.
async fn interrupted(child: tokio::process::Child) -> std::process::Output {
    let group = child.id().expect("its id");
    let sent = std::process::Command::new("kill")
        .args(["-INT", "--", &format!("-{group}")])
        .status();
    assert!(sent.expect("kill").success());
    let output = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await;
    output.expect("its end").expect("its output")
}

#[tokio::test]
async fn ctrl_c_while_psql_starts_leaves_no_login() {
    let (hops, app) = (Hops::of(shared()), with_database(shared(), "hasty").await);
    let info = db(&hops, &app, "info", &["--json"]).await.ok().json();
    let name = info[0]["name"].as_str().expect("a name").to_owned();
    let arguments = [
        "db",
        "psql",
        "-a",
        &app.name,
        "-e",
        "test",
        "--",
        "-Xc",
        "select pg_sleep(5)",
    ];
    // At whatever moment.
    for milliseconds in [20, 60, 100, 150, 200, 300, 500] {
        let child = hops.start(&arguments);
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        let output = interrupted(child).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            people(&name).await,
            Vec::<String>::new(),
            "{milliseconds} ms: {told}"
        );
    }
}

#[tokio::test]
async fn a_token_needs_the_scope() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("a file");
        file.display().to_string()
    };
    let (alice, bo) = (
        file("alice", "the-token-of-alice"),
        file("bo", "the-token-of-bo-rg"),
    );
    let tokens = format!(
        "[tokens.alice]\ntoken_file = '{alice}'\n[tokens.bo]\ntoken_file = '{bo}'\nscopes = ['data']\n"
    );
    let platform = Platform::start(Options {
        variables: vec![("HOPS_TOKENS".to_owned(), file("tokens.toml", &tokens))],
        ..Options::default()
    });
    let app = with_database(&platform, "scope").await;
    let alice = Hops::of(&platform).with("HOPS_TOKEN", "the-token-of-alice");
    db(&alice, &app, "info", &[]).await.ok();
    for command in ["psql", "grant"] {
        let refused = db(&alice, &app, command, &[]).await;
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(
            refused.err.contains("`alice` may not go into databases"),
            "{refused:?}"
        );
    }
    assert!(grants(&alice, &app).await.is_empty());
    let bo = Hops::of(&platform).with("HOPS_TOKEN", "the-token-of-bo-rg");
    let own = psql(&bo, &app, &[], "select session_user").await.ok().out;
    assert!(own.starts_with("hops_grant_bo_"), "{own}");
    let all = grants(&alice, &app).await;
    assert_eq!((all.len(), &all[0]["who"]), (1, &Value::from("bo")));
    let log = std::fs::read_to_string(&platform.log).expect("the log");
    assert!(log.contains("somebody was let into a database") && !log.contains("the-token-of"));
}

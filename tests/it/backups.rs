//! Backups of databases: taken, proved by a restore, and restored. One that nobody has restored is a hope.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use tests::{
    App, Bucket, Hops, Options, Platform, PostgresServer, Ran, Repo, Role, eventually, find_in,
    get, is_secret, post, superuser,
};

/// A platform that keeps backups in a folder.
struct Keeper {
    platform: Platform,
    folder: tempfile::TempDir,
}

impl Keeper {
    fn start(more: &[(&str, &str)]) -> Keeper {
        let folder = tempfile::tempdir().expect("a folder for backups");
        let url = format!("file://{}", folder.path().display());
        let mut variables = vec![("HOPS_BACKUP_URL".to_owned(), url)];
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        variables.extend(more.iter().map(owned));
        let platform = Platform::start(Options {
            variables,
            ..Options::default()
        });
        Keeper { platform, folder }
    }

    /// One that keeps them in a bucket instead.
    fn of_bucket(bucket: &Bucket, more: &[(&str, &str)]) -> Keeper {
        let variables = bucket.variables();
        let its = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let all: Vec<_> = its.chain(more.iter().copied()).collect();
        Keeper::start(&all)
    }

    async fn db(&self, app: &App<'_>, command: &[&str]) -> Ran {
        let hops = Hops::of(&self.platform);
        let arguments = [&["--json", "db"], command, &["-a", &app.name]].concat();
        hops.run(&arguments).await
    }

    async fn back_up(&self, app: &App<'_>) -> Value {
        self.db(app, &["backup", "-e", "test"]).await.ok().json()
    }

    async fn backups(&self, app: &App<'_>) -> Vec<Value> {
        let told = self.db(app, &["backups", "-e", "test"]).await.ok().json();
        told.as_array().expect("a list").clone()
    }

    /// One of them; null while the platform is away.
    async fn backup(&self, app: &App<'_>, id: &str) -> Value {
        let told = self.db(app, &["backups", "-e", "test"]).await;
        let all = match told.code {
            0 => told.json().as_array().cloned().unwrap_or_default(),
            _ => Vec::new(),
        };
        let found = all.into_iter().find(|backup| backup["id"] == id);
        found.unwrap_or_default()
    }

    /// The dumps in the folder.
    fn dumps(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
                match entry.path() {
                    path if path.is_dir() => folders.push(path),
                    path => found.push(path),
                }
            }
        }
        found
    }
}

/// An app with a real driver and a note in its database.
async fn with_note<'p>(platform: &'p Platform, prefix: &str) -> (App<'p>, Repo) {
    let app = platform.app(prefix).await;
    let repo = Repo::driver("libpq", "[postgres]\nextensions = [\"pg_trgm\"]").await;
    app.push_live(&repo).await;
    write(&app, "test", "kept").await;
    (app, repo)
}

async fn write(app: &App<'_>, environment: &str, text: &str) {
    let host = app.host(environment);
    eventually(&format!("{host} takes a note"), || async {
        (post(&host, "/notes", text).await.status == 201).then_some(())
    })
    .await;
}

/// Waits until the app has exactly these notes.
async fn has(app: &App<'_>, environment: &str, notes: Value) {
    let host = app.host(environment);
    eventually(&format!("{host} has {notes}"), || async {
        let answer = get(&host, "/notes").await;
        (answer.status == 200 && answer.json() == notes).then_some(())
    })
    .await;
}

async fn run(server: &PgPool, statement: &str) {
    let run = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
    run.execute(server).await.expect(statement);
}

async fn name_of(keeper: &Keeper, app: &App<'_>) -> String {
    let told = keeper.db(app, &["info", "-e", "test"]).await.ok().json();
    told[0]["name"].as_str().expect("a name").to_owned()
}

/// What `alter database … set` has set.
async fn settings(server: &PgPool, database: &str) -> Vec<String> {
    let set = "select unnest(setconfig) from pg_db_role_setting, pg_database
        where setrole = 0 and setdatabase = pg_database.oid and datname = $1 order by 1";
    let set = sqlx::query_scalar(set).bind(database).fetch_all(server);
    set.await.expect("its settings")
}

#[tokio::test]
async fn a_database_that_was_lost_comes_back() {
    let keeper = Keeper::start(&[]);
    let (app, _repo) = with_note(&keeper.platform, "lost").await;
    let (server, name) = (superuser("postgres").await, name_of(&keeper, &app).await);
    for setting in [
        "search_path = \"no where\", public",
        "application_name = 'it''s = open sesame 4741'",
        // Its owner may not set this, and so it does not come back.
        "shop.jwt_secret = 'open sesame 4742'",
    ] {
        run(&server, &format!("alter database {name} set {setting}")).await;
    }
    let set = settings(&server, &name).await;
    assert_eq!(set.len(), 3, "{set:?}");
    let set = &set[..2];
    ["open sesame 4741", "open sesame 4742"]
        .into_iter()
        .for_each(is_secret);
    let backup = keeper.back_up(&app).await;
    // What is set may be secret.
    let kept = keeper.platform.dump_database();
    let id = backup["id"].as_str().expect("an id");
    assert_eq!(find_in(&kept, &[id, "sesame"]), [id]);
    assert_eq!(backup["state"], "proved", "{backup}");
    assert_eq!(backup["rows"], 1);
    assert!(
        backup["restore_seconds"]
            .as_f64()
            .is_some_and(|took| took > 0.0)
    );
    write(&app, "test", "written later").await;

    run(&server, &format!("drop database {name} with (force)")).await;
    let id = backup["id"].as_str().expect("an id");
    let refused = keeper.db(&app, &["restore", "-e", "test", id]).await;
    assert_eq!(refused.code, 2, "{}", refused.err);
    // What is there would be backed up first, and is lost.
    let restore = ["restore", "-e", "test", id, "--yes", "--no-backup"];
    let refused = keeper.db(&app, &restore[..5]).await;
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(refused.err.contains("--no-backup"), "{}", refused.err);
    keeper.db(&app, &restore).await.ok();
    // The one before is not taken from pods that may still use it.
    let drop = ["drop", "-e", "test", "--confirm", &name];
    let refused = keeper.db(&app, &drop).await;
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("still use it"), "{}", refused.err);
    has(&app, "test", json!(["kept"])).await;
    let restored = name_of(&keeper, &app).await;
    assert_ne!(restored, name);
    assert_eq!(settings(&server, &restored).await, set);
    eventually("the app is in the restored database", || async {
        let who = get(&app.host("test"), "/whoami").await.json();
        (who["database"] == restored).then_some(())
    })
    .await;
    let extensions = "select extname::text from pg_extension where extname = 'pg_trgm'";
    let there: Option<String> = sqlx::query_scalar(extensions)
        .fetch_optional(&superuser(&restored).await)
        .await
        .expect("the extensions");
    assert!(there.is_some());
    // What is left of the one before goes when somebody says so.
    eventually("what is left of the one before is dropped", || async {
        (keeper.db(&app, &drop).await.code == 0).then_some(())
    })
    .await;
    write(&app, "test", "and on").await;
    has(&app, "test", json!(["kept", "and on"])).await;
    // No scratch database stays.
    let scratch = "select count(*) from pg_database where datname like $1";
    let scratch: i64 = sqlx::query_scalar(scratch)
        .bind(format!("hops\\_proof\\_{}%", id.replace('-', "")))
        .fetch_one(&server)
        .await
        .expect("the databases");
    assert_eq!(scratch, 0);
}

#[tokio::test]
async fn a_damaged_backup_is_found_out() {
    let keeper = Keeper::start(&[]);
    let (app, _repo) = with_note(&keeper.platform, "damaged").await;
    let first = keeper.back_up(&app).await;
    let id = first["id"].as_str().expect("an id").to_owned();
    let file = keeper.dumps().remove(0);
    let whole = std::fs::read(&file).expect("the dump");
    let prove = ["prove", "-e", "test", id.as_str()];

    std::fs::remove_file(&file).expect("the dump");
    found_out(&keeper, &app, &prove, "is not in the store").await;
    std::fs::write(&file, &whole[..whole.len() - 1]).expect("a file");
    found_out(&keeper, &app, &prove, "bytes, and had").await;
    let mut altered = whole.clone();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    std::fs::write(&file, &altered).expect("a file");
    found_out(&keeper, &app, &prove, "its digest is another").await;

    // Whole dumps of other rows, which a store could pass off as this one: one differs in a letter.
    let server = superuser(&name_of(&keeper, &app).await).await;
    run(&server, "update notes set text = 'kepT'").await;
    pass_off(&keeper, &app, (&id, &file)).await;
    found_out(&keeper, &app, &prove, "the rows of public.notes are others").await;
    run(&server, "update notes set text = 'kept'").await;
    write(&app, "test", "more").await;
    pass_off(&keeper, &app, (&id, &file)).await;
    found_out(&keeper, &app, &prove, "public.notes has 2 rows, and had 1").await;
    let restore = ["restore", "-e", "test", id.as_str(), "--yes"];
    let refused = keeper.db(&app, &restore).await;
    assert_eq!(refused.code, 1);
    has(&app, "test", json!(["kept", "more"])).await;
}

/// Puts a dump of now in the place of another, with its length and digest.
async fn pass_off(keeper: &Keeper, app: &App<'_>, (id, file): (&str, &Path)) {
    let before = keeper.dumps();
    let other = keeper.back_up(app).await;
    let mut dumps = keeper.dumps();
    dumps.retain(|dump| !before.contains(dump));
    std::fs::copy(dumps.pop().expect("another dump"), file).expect("a file");
    let database = keeper.platform.database().await;
    let pass_off = "update backups set (bytes, digest) = (select bytes, digest from backups where id = $2::uuid) where id = $1::uuid";
    sqlx::query(pass_off)
        .bind(id)
        .bind(other["id"].as_str())
        .execute(&database)
        .await
        .expect("passing it off");
}

async fn found_out(keeper: &Keeper, app: &App<'_>, prove: &[&str], why: &str) {
    let failed = keeper.db(app, prove).await;
    assert_eq!(failed.code, 1, "{}", failed.out);
    assert!(failed.err.contains(why), "{why}: {}", failed.err);
    let backups = keeper.backups(app).await;
    let backup = backups.iter().find(|backup| backup["id"] == prove[3]);
    let backup = backup.expect("the backup");
    assert_eq!(backup["state"], "failed");
    // It does not count as one that was proved, which would let older ones be deleted.
    assert_eq!(backup["proved_at"], Value::Null);
}

#[tokio::test]
async fn a_proof_that_is_given_up_leaves_no_copy_behind() {
    let server = PostgresServer::start();
    let settings = server.settings("environments = [\"test\"]\nextensions = [\"pg_trgm\"]\n");
    let settings = settings.display().to_string();
    let keeper = Keeper::start(&[("HOPS_POSTGRES_SERVERS", &settings)]);
    let (app, _repo) = with_note(&keeper.platform, "givenup").await;
    let backup = keeper.back_up(&app).await;
    let id = backup["id"].as_str().expect("an id");
    // As a try leaves it whose platform was killed.
    let left = format!("hops_proof_{}_1", id.replace('-', ""));
    let superuser = server.superuser("postgres").await;
    run(&superuser, &format!("create role {left}")).await;
    run(&superuser, &format!("create database {left} owner {left}")).await;
    superuser.close().await;

    server.stop();
    let failed = keeper.db(&app, &["prove", "-e", "test", id]).await;
    assert_eq!(failed.code, 1);
    let away = "the database server `own` does not answer";
    assert!(failed.err.contains(away), "{}", failed.err);
    server.run();
    let superuser = server.superuser("postgres").await;
    eventually("no copy is left", || async {
        let left = "select count(*) from pg_roles where starts_with(rolname, 'hops_proof_')";
        let left: Result<i64, _> = sqlx::query_scalar(left).fetch_one(&superuser).await;
        (left.expect("the roles") == 0).then_some(())
    })
    .await;
    assert_eq!(keeper.back_up(&app).await["state"], "proved");

    // Nothing begins where there is no server.
    let refused = keeper.db(&app, &["copy", "test", "snap3", "--yes"]).await;
    assert_eq!(refused.code, 1);
    let none = "this platform has no database server for `snap3`";
    assert!(refused.err.contains(none), "{}", refused.err);
}

#[tokio::test]
async fn an_environment_gets_a_copy_of_anothers_database() {
    let keeper = Keeper::start(&[]);
    let (app, _repo) = with_note(&keeper.platform, "copied").await;
    assert_eq!(app.deploy("snap3", "main").await.state(), "live");
    has(&app, "snap3", json!([])).await;
    write(&app, "snap3", "its own before").await;
    let copied = keeper
        .db(&app, &["copy", "test", "snap3", "--yes"])
        .await
        .ok()
        .json();
    has(&app, "snap3", json!(["kept"])).await;
    // Until its old pod is gone, a note may be written into the database before.
    eventually("the copy has a note of its own", || async {
        write(&app, "snap3", "its own").await;
        let notes = get(&app.host("snap3"), "/notes").await.json();
        (notes[0] == "kept" && notes[1] == "its own").then_some(())
    })
    .await;
    has(&app, "test", json!(["kept"])).await;

    // What it took the place of was backed up: that is the way back, and needs no other.
    let before = copied["backup_before"].as_str().expect("a backup");
    let back = ["restore", "-e", "snap3", before, "--yes", "--no-backup"];
    let back = keeper.db(&app, &back).await.ok().json();
    assert_eq!(back["backup_before"], Value::Null);
    has(&app, "snap3", json!(["its own before"])).await;
}

#[tokio::test]
async fn backups_come_by_themselves_and_go_by_themselves() {
    let keeper = Keeper::start(&[
        ("HOPS_BACKUP_EVERY", "1"),
        ("HOPS_BACKUP_ENVIRONMENTS", "test"),
        ("HOPS_BACKUP_KEEP", "24"),
    ]);
    let (app, _repo) = with_note(&keeper.platform, "scheduled").await;
    let restart = || {
        keeper.platform.kill(Role::Serve);
        keeper.platform.spawn(Role::Serve);
    };
    // It looks when it starts, and every minute.
    restart();
    let proved = |count: usize| {
        let (keeper, app) = (&keeper, &app);
        async move {
            let backups = Hops::of(&keeper.platform)
                .run(&["--json", "db", "backups", "-a", &app.name, "-e", "test"])
                .await;
            if backups.code != 0 {
                return None;
            }
            let all = backups.json().as_array().cloned().unwrap_or_default();
            let proved = all.iter().filter(|backup| backup["state"] == "proved");
            (proved.count() == count && all.len() == count).then_some(all)
        }
    };
    let all = eventually("a scheduled backup is proved", || proved(1)).await;
    assert_eq!(all[0]["cause"], "scheduled");
    let second = keeper.back_up(&app).await;
    let before = keeper.dumps();
    let third = keeper.back_up(&app).await;
    let mut dumps = keeper.dumps();
    assert_eq!(dumps.len(), 3);

    // Kept for longer than they were to be, while another store is there than was meant: nothing is gone.
    let away = tempfile::tempdir().expect("another folder");
    let (there, away) = (before[0].parent().expect("a folder"), away.path().join("a"));
    std::fs::rename(there, &away).expect("the dumps");
    let database = keeper.platform.database().await;
    run(
        &database,
        "update backups set created_at = created_at - interval '25 hours'",
    )
    .await;
    run(&database, "update databases set made = null").await;
    restart();
    let is_asked = || async {
        let log = std::fs::read_to_string(&keeper.platform.log).unwrap_or_default();
        log.contains("is this the right store for backups?")
            .then_some(())
    };
    eventually("it is asked where the dumps are", is_asked).await;
    eventually("all are as they were", || proved(3)).await;
    std::fs::rename(&away, there).expect("the dumps");

    // Of the newest somebody deleted the dump: it is none, and nothing goes before that is known.
    dumps.retain(|dump| !before.contains(dump));
    std::fs::remove_file(&dumps[0]).expect("the newest dump");
    restart();
    let (keeper, app) = (&keeper, &app);
    let id = third["id"].as_str().expect("an id");
    let its_dump_is_missed = || async {
        let backup = keeper.backup(app, id).await;
        (backup["state"] == "failed").then_some(backup)
    };
    let missed = eventually("the dump is missed", its_dump_is_missed).await;
    assert_eq!(
        missed["reason"],
        "its dump is not in the store for backups any more"
    );
    // The newest of those that are there stays, in the folder too.
    restart();
    let left = eventually("the newest is left", || proved(1)).await;
    assert_eq!(left[0]["id"], second["id"]);
    assert_eq!(keeper.dumps().len(), 1);
    // A new one displaces it not before a day has passed: it may be what somebody is about to restore.
    keeper.back_up(app).await;
    restart();
    tokio::time::sleep(Duration::from_secs(5)).await;
    eventually("both are there", || proved(2)).await;
    run(
        &database,
        "update backups set created_at = created_at - interval '25 hours'",
    )
    .await;
    restart();
    eventually("the newer one is left", || proved(1)).await;
}

/// A table of random bytes, so many MiB of them, which no dump gets any smaller.
async fn fill(database: &str, mebibytes: u32) {
    let statement = format!(
        "set role {database};
         create table noise as select n, (
           select string_agg(sha512((n::text || i || random())::bytea), ''::bytea) from generate_series(1, 16384) i
         ) as bytes from generate_series(1, {mebibytes}) n;
         reset role"
    );
    run(&superuser(database).await, &statement).await;
}

const WRITE: &str = "insert into written default values";

/// A table with a row, which is dumped last.
async fn written(database: &str) -> PgPool {
    let server = superuser(database).await;
    let make = format!("set role {database}; create table written (n serial); reset role");
    run(&server, &make).await;
    run(&server, WRITE).await;
    server
}

/// Writes rows for ever.
async fn write_on(server: &PgPool) {
    loop {
        run(server, WRITE).await;
    }
}

#[tokio::test]
async fn a_backup_in_a_bucket_is_proved_and_restored() {
    let bucket = Bucket::create();
    let keeper = Keeper::of_bucket(&bucket, &[("HOPS_BACKUP_KEEP", "24")]);
    let (app, _repo) = with_note(&keeper.platform, "bucket").await;
    let name = name_of(&keeper, &app).await;
    // Three parts of an upload, and three ranges of a download.
    fill(&name, 40).await;
    // What is written meanwhile is in the dump and in what it is compared with, or in neither.
    let server = written(&name).await;
    let backup = tokio::select! {
        backup = keeper.back_up(&app) => backup,
        () = write_on(&server) => unreachable!(),
    };
    assert_eq!(backup["state"], "proved", "{backup}");
    assert!(backup["rows"].as_i64() > Some(41), "{backup}");
    let bytes = backup["bytes"].as_i64().expect("a length");
    assert!(bytes > 40 << 20, "{backup}");
    let id = backup["id"].as_str().expect("an id");
    let objects = bucket.objects();
    let [object] = &objects[..] else {
        panic!("{objects:?}")
    };
    assert!(
        object.starts_with(&format!("backups/{name}/{id}-")),
        "{object}"
    );
    assert_eq!(bucket.unfinished(), [""; 0]);

    let server = superuser("postgres").await;
    run(&server, &format!("drop database {name} with (force)")).await;
    let restore = ["restore", "-e", "test", id, "--yes", "--no-backup"];
    keeper.db(&app, &restore).await.ok();
    has(&app, "test", json!(["kept"])).await;
    let restored = superuser(&name_of(&keeper, &app).await).await;
    let noise = "select sum(length(bytes)) from noise";
    let noise: i64 = sqlx::query_scalar(noise)
        .fetch_one(&restored)
        .await
        .expect("the random bytes");
    assert_eq!(noise, 40 << 20);

    // Of what was kept for long enough all but the newest goes from the bucket too.
    run(&restored, "drop table noise").await;
    keeper.back_up(&app).await;
    assert_eq!(bucket.objects().len(), 2);
    let older = "update backups set created_at = created_at - interval '25 hours'";
    run(&keeper.platform.database().await, older).await;
    keeper.platform.kill(Role::Serve);
    keeper.platform.spawn(Role::Serve);
    let left = eventually("one backup is left", || async {
        let objects = bucket.objects();
        (objects.len() == 1).then_some(objects)
    })
    .await;
    assert_ne!(left[0], *object);
}

#[tokio::test]
async fn a_bucket_that_refuses_is_told_of_without_its_keys() {
    let bucket = Bucket::create();
    let wrong = "this-is-not-the-secret-access-key";
    let keeper = Keeper::of_bucket(&bucket, &[("AWS_SECRET_ACCESS_KEY", wrong)]);
    let (app, _repo) = with_note(&keeper.platform, "refused").await;
    let refused = keeper.db(&app, &["backup", "-e", "test"]).await;
    assert_eq!(refused.code, 1, "{}", refused.out);
    let backup = keeper.backups(&app).await.remove(0);
    assert_eq!(backup["state"], "failed");
    let reason = backup["reason"].as_str().expect("a reason");
    assert!(
        reason.contains(&format!("s3://{}/backups at 127.0.0.1", bucket.name))
            && reason.contains("403 Forbidden: SignatureDoesNotMatch: "),
        "{reason}"
    );
    let log = std::fs::read_to_string(&keeper.platform.log).expect("the log");
    for told in [refused.err.as_str(), reason, &log] {
        assert!(
            !told.contains(wrong) && !told.contains(&bucket.key),
            "{told}"
        );
    }
}

#[tokio::test]
async fn of_tries_that_failed_nothing_is_left_in_the_bucket() {
    let bucket = Bucket::create();
    let keeper = Keeper::of_bucket(&bucket, &[]);
    let (app, _repo) = with_note(&keeper.platform, "unread").await;
    let name = name_of(&keeper, &app).await;
    fill(&name, 20).await;
    // Rows that are somebody else's to show, which pg_dump finds out when it gets to them: after `noise`, when
    // the first part of the dump is in the bucket.
    let shut = format!(
        "create table shut (); alter table shut enable row level security; grant select on shut to {name}"
    );
    run(&superuser(&name).await, &shut).await;
    let failed = keeper.db(&app, &["backup", "-e", "test"]).await;
    assert_eq!(failed.code, 1, "{}", failed.out);
    assert!(
        failed
            .err
            .contains("would be affected by row-level security"),
        "{}",
        failed.err
    );
    assert_eq!(bucket.objects(), [""; 0]);
    assert_eq!(bucket.unfinished(), [""; 0]);

    // Nor of a try that was killed when its dump was there, once the next one is made.
    let database = keeper.platform.database().await;
    let left = async {
        let failing = "select id::text from backups where state = 'waiting' and attempts > 0";
        let id: String = eventually("a try has failed", || async {
            let failing = sqlx::query_scalar(failing).fetch_optional(&database);
            failing.await.expect("the backups")
        })
        .await;
        let left = format!("backups/{name}/{id}-1.dump");
        bucket.put(&left);
        run(&superuser(&name).await, "drop table shut").await;
        left
    };
    let (backup, left) = tokio::join!(keeper.back_up(&app), left);
    assert_eq!(backup["state"], "proved", "{backup}");
    let objects = bucket.objects();
    assert!(objects.len() == 1 && objects[0] != left, "{objects:?}");
}

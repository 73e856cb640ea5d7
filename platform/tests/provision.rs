//! Databases on a real server: what is made of them, wherever their making was cut off.
//!
//! `eval "$(deploy/local/env)"; cargo test -p platform --test provision -- --ignored`

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; clippy allows it in the tests alone"
)]

use std::{path::PathBuf, time::Duration};

use iterapp_schema::Environment;
use platform::database::{
    names::Login,
    provision::{self, Wanted},
    servers::{Server, Servers},
};
use secrecy::SecretString;
use sqlx::Row;

/// What a try that is cut off lasts longer than the one before.
const STEP: Duration = Duration::from_millis(9);

fn servers() -> Servers {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = std::env::var("HOPS_POSTGRES_SERVERS").map(PathBuf::from);
    Servers::read(Some(&file.expect("eval \"$(deploy/local/env)\""))).unwrap()
}

/// All that there is of a database: itself and its roles, from outside, and its schema and extensions.
async fn made(server: &Server, wanted: &Wanted<'_>) -> Vec<String> {
    let name = wanted.database;
    let outside = "select format('%s %s %s %s %s', rolname, rolcanlogin, rolconnlimit, rolconfig, rolsuper)
             from pg_roles where starts_with(rolname, $1)
         union all select format('%s is a member of %s', m.member::regrole, m.roleid::regrole)
             from pg_auth_members m where starts_with(m.roleid::regrole::text, $1)
         union all select format('%s %s %s %s %s', datname, datdba::regrole, datallowconn, datconnlimit, datacl)
             from pg_database where datname = $1
         order by 1";
    let inside =
        "select format('%s %s', nspname, nspacl) from pg_namespace where nspname = 'public'
         union all select format('%s', extname) from pg_extension order by 1";
    let mut connection = server.connect().await.unwrap();
    let mut rows = sqlx::query(outside)
        .bind(name)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let mut connection = server.connect_as(&wanted.account(), name).await.unwrap();
    rows.extend(
        sqlx::query(inside)
            .fetch_all(&mut connection)
            .await
            .unwrap(),
    );
    let told = rows.iter().map(|row| row.get::<String, _>(0));
    told.map(|told| told.replace(name, "NAME")).collect()
}

async fn make(server: &Server, wanted: &Wanted<'_>, during: Duration) -> bool {
    tokio::time::timeout(during, provision::make(server, wanted))
        .await
        .is_ok()
}

/// A platform that dies lets go of its connections; what the server is doing then, it may do to its end.
#[tokio::test]
#[ignore = "needs the local stack"]
async fn a_database_whose_making_was_cut_off_anywhere_is_made_whole() {
    let servers = servers();
    let server = servers.of_environment(Environment::Test).unwrap();
    let password: SecretString = "0123456789abcdef".into();
    let extensions = ["pg_trgm".to_owned()];
    let mut whole = Vec::new();
    let (mut cut_off, mut after) = (0, Duration::from_secs(60));
    loop {
        let name = format!("cut_{}", uuid::Uuid::new_v4().simple());
        let wanted = Wanted {
            database: &name,
            login: (Login::A, &password),
            extensions: &extensions,
        };
        let was_whole = make(server, &wanted, after).await;
        if !was_whole {
            cut_off += 1;
            provision::make(server, &wanted).await.unwrap();
        }
        let made = made(server, &wanted).await;
        provision::delete(server, &name).await.unwrap();
        if whole.is_empty() {
            // The first one is not cut off: it is what the others must be.
            assert!(was_whole && made.len() > 6, "{made:#?}");
            (whole, after) = (made, Duration::ZERO);
            continue;
        }
        assert_eq!(made, whole, "cut off after {after:?}");
        if was_whole {
            break;
        }
        after += STEP;
    }
    assert!(cut_off > 5, "{cut_off}");
}

/// One that lost its lease without knowing it, and the one that has it now.
#[tokio::test]
#[ignore = "needs the local stack"]
async fn several_that_make_the_same_database_at_once_all_end_well() {
    let servers = servers();
    let server = servers.of_environment(Environment::Test).unwrap();
    let password: SecretString = "0123456789abcdef".into();
    let name = format!("twice_{}", uuid::Uuid::new_v4().simple());
    let wanted = Wanted {
        database: &name,
        login: (Login::A, &password),
        extensions: &[],
    };
    let making = [(); 3].map(|()| provision::make(server, &wanted));
    for made in futures::future::join_all(making).await {
        made.unwrap();
    }
    made(server, &wanted).await;
    provision::delete(server, &name).await.unwrap();
}

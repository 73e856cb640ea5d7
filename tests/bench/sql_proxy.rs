//! What the SQL proxy costs a query, and what transaction pooling saves.
//!
//! * `select 1` by pgbench: through the proxy on the pod's loopback, against the server itself over TLS from
//!   the same network namespace, as the same login. In turns. By one client, and by as many as a pod's proxy has
//!   connections. Then the same with a query that takes a millisecond: what the proxy adds is the same, whatever
//!   it is added to.
//! * Ten pods with 50 clients each, `pooling = "transaction"`: the most connections that the server has of
//!   them, against pods × the pool's size.
//!
//! * How long clients wait when the server or the proxy is back.
//!
//! Run it by `tests/bench/sql_proxy`.

use std::{cell::Cell, path::PathBuf, process::Stdio, time::Duration};

use tests::{
    App, Connections, Load, Options, Platform, Pod, PostgresServer, Repo, eventually, node_address,
    proxy_login, restart_proxies, setting, superuser, want_base_image,
};
use tokio::process::Command;

const ROUNDS: usize = 11;
const SECONDS: &str = "2";
const PODS: usize = 10;
const CLIENTS: &str = "50";
const POOL_SIZE: usize = 10;
/// The ratio of latencies that is wanted of `select 1`.
const WANTED: f64 = 1.5;

/// How pgbench gets to a database.
type Variables = [(&'static str, String); 6];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    latency().await;
    pooling().await;
    recovery().await;
}

/// How long clients of real drivers wait when what was away is back, the server or the proxy: eight of each
/// driver at once, which ask the pods themselves.
async fn recovery() {
    let server = PostgresServer::start();
    let platform = Platform::start(Options::of_servers(&server.settings("")));
    want_base_image("debian").await;
    let app = platform.app("recovery").await;
    app.push_live(&Repo::sample("databases").await).await;
    let pods = Pod::all(&app.namespace("test"));
    let loads = ["libpq", "node", "python"].map(|driver| {
        Load::of_path(
            &app.host_of(driver, "test"),
            "/select1",
            10,
            Connections::Kept,
        )
    });
    println!(
        "as they are: all clients served in {:.1} s",
        served(&pods).await
    );
    server.stop();
    server.run();
    println!(
        "after the server's return: {:.1} s, wanted 5",
        served(&pods).await
    );
    restart_proxies(&app.namespace("test")).await;
    println!(
        "after the proxies' return: {:.1} s, wanted 5",
        served(&pods).await
    );
    drop(loads);
}

/// Seconds until all clients have an answer.
async fn served(pods: &[Pod]) -> f64 {
    let begun = std::time::Instant::now();
    let clients = pods.iter().flat_map(|pod| [pod; 8]);
    let served = clients.map(async |pod| {
        eventually("it is served", || async {
            (pod.get("/select1").await.status == 200).then_some(())
        })
        .await;
    });
    futures::future::join_all(served).await;
    begun.elapsed().as_secs_f64()
}

async fn latency() {
    let platform = Platform::start(Options::default());
    let app = serving(&platform, "replicas = 1\n[postgres]\n").await;
    let pod = Pod::all(&app.namespace("test")).remove(0);
    let proxy = proxy_of(&pod).await;
    let (login, password) = proxy_login(&app);
    let database = login.trim_end_matches("_a").to_owned();
    let direct = [
        ("PGHOST", node_address()),
        ("PGPORT", "5433".to_owned()),
        ("PGUSER", login),
        ("PGPASSWORD", password),
        ("PGSSLMODE", "require".to_owned()),
        ("PGDATABASE", database.clone()),
    ];
    let proxied = through_proxy(&database);
    for (query, clients) in [
        ("select 1", 1),
        ("select 1", POOL_SIZE),
        ("select pg_sleep(0.001)", 1),
    ] {
        let clients = clients.to_string();
        let ratio = compare(query, &clients, proxy, [&proxied, &direct]).await;
        if query == "select 1" {
            println!("clients: {clients}, ratio {ratio:.2}, wanted {WANTED} at most\n");
        }
    }
}

/// The ratio of the medians.
async fn compare(
    query: &str,
    clients: &str,
    process: u32,
    [proxied, direct]: [&Variables; 2],
) -> f64 {
    let (mut through, mut straight) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let one = pgbench(process, proxied, clients, query).await;
        let other = pgbench(process, direct, clients, query).await;
        let counts = if round == 0 { "warm-up" } else { "counted" };
        println!("{counts}  through the proxy {one:.3} ms   direct {other:.3} ms");
        if round > 0 {
            through.push(one);
            straight.push(other);
        }
    }
    through.sort_by(f64::total_cmp);
    straight.sort_by(f64::total_cmp);
    // What else runs on the machine makes rounds longer and never shorter, most of all those with one
    // process more in them.
    for (name, place) in [("median", ROUNDS / 2), ("best", 0)] {
        let (through, straight) = (through[place], straight[place]);
        println!(
            "{name} of {ROUNDS}, {clients} at a time: {query} through the proxy {through:.3} ms, direct {straight:.3} ms, {:.3} ms more, ratio {:.2}",
            through - straight,
            through / straight
        );
    }
    through[ROUNDS / 2] / straight[ROUNDS / 2]
}

async fn pooling() {
    let platform = Platform::start(Options::of_servers(&roomy()));
    let iterapp = format!("replicas = {PODS}\n[postgres]\npooling = \"transaction\"\n");
    let app = serving(&platform, &iterapp).await;
    let (login, _) = proxy_login(&app);
    let database = login.trim_end_matches("_a").to_owned();
    let pods = Pod::all(&app.namespace("test"));
    assert_eq!(pods.len(), PODS);
    let mut proxies = Vec::new();
    for pod in &pods {
        proxies.push(proxy_of(pod).await);
    }
    let variables = through_proxy(&database);
    let loads = proxies
        .iter()
        .map(|proxy| pgbench(*proxy, &variables, CLIENTS, "select 1"));
    let most = Cell::new(0);
    let watching = async {
        let server = superuser("postgres").await;
        let count = "select count(*) from pg_stat_activity where datname = $1";
        loop {
            let now: i64 = sqlx::query_scalar(count)
                .bind(&database)
                .fetch_one(&server)
                .await
                .expect("the server");
            most.set(most.get().max(now));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        latencies = futures::future::join_all(loads) => {
            let slowest = latencies.into_iter().fold(0.0, f64::max);
            println!(
                "{PODS} pods × {CLIENTS} clients: {} server connections at most, wanted pods × {POOL_SIZE} at most; slowest pod's mean {slowest:.1} ms",
                most.get()
            );
        }
        () = watching => {}
    }
    let allowed = i64::try_from(PODS * POOL_SIZE).expect("a number");
    assert!((1..=allowed).contains(&most.get()), "{}", most.get());
}

async fn serving<'p>(platform: &'p Platform, iterapp: &str) -> App<'p> {
    let app = platform.app("bench").await;
    app.push_live(&Repo::server("one", iterapp).await).await;
    app
}

/// The stack's server, with room for all pods.
fn roomy() -> PathBuf {
    let settings = std::fs::read_to_string(setting("HOPS_POSTGRES_SERVERS")).expect("the servers");
    let file = std::env::temp_dir().join("hops-bench-servers.toml");
    std::fs::write(
        &file,
        format!("{settings}\nconnection_limit = 200\npool_size = {POOL_SIZE}\n"),
    )
    .expect("a file");
    file
}

fn through_proxy(database: &str) -> Variables {
    let text = |text: &str| text.to_owned();
    [
        ("PGHOST", text("127.0.0.1")),
        ("PGPORT", text("5432")),
        ("PGUSER", text(database)),
        ("PGPASSWORD", text("sql-proxy")),
        ("PGSSLMODE", text("disable")),
        ("PGDATABASE", text(database)),
    ]
}

/// The process of a pod's proxy: its network is the pod's.
async fn proxy_of(pod: &Pod) -> u32 {
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if !String::from_utf8_lossy(&arguments).contains("/etc/sql-proxy/pgbouncer.ini") {
            continue;
        }
        let addresses = inside(id, "ip")
            .args(["-4", "-o", "address"])
            .output()
            .await;
        let addresses = addresses.expect("ip").stdout;
        if String::from_utf8_lossy(&addresses).contains(&format!(" {}/", pod.address())) {
            return id;
        }
    }
    panic!("no proxy of {}", pod.name())
}

fn inside(process: u32, program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--net", "--target", &process.to_string(), "--", program]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// The mean latency of a query, in milliseconds.
async fn pgbench(process: u32, variables: &Variables, clients: &str, query: &str) -> f64 {
    let script = std::env::temp_dir().join("hops-bench.sql");
    std::fs::write(&script, format!("{query};\n")).expect("a file");
    let output = inside(process, "pgbench")
        .args([
            "--no-vacuum",
            "--client",
            clients,
            "--time",
            SECONDS,
            "--file",
        ])
        .arg(script)
        .envs(variables.iter().cloned())
        .output()
        .await
        .expect("pgbench");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let latency = told
        .lines()
        .find_map(|line| line.strip_prefix("latency average = "));
    let latency = latency.and_then(|rest| rest.split(' ').next()?.parse().ok());
    latency.unwrap_or_else(|| panic!("{told}{}", String::from_utf8_lossy(&output.stderr)))
}

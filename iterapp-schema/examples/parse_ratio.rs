//! How long reading takes against the `toml` crate's own parse of the same text, alternating in one
//! run, and how it grows with the text: `tests/bench/parse`.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use iterapp_schema::{AppName, assemble};
use toml::de::DeTable;

/// Every key, in a file as long as real ones.
const EVERY_KEY: &str = include_str!("../../tests/apps/every-key/iterapp.toml");
const ROUNDS: usize = 2_000;

fn main() {
    let app = AppName::parse("bench").expect("a name");
    println!("text              bytes   toml      ours      ratio");
    let small = "port = 8080\nreadiness_path = \"/up\"\n".to_owned();
    let texts = [
        ("two keys", small),
        ("every key", EVERY_KEY.to_owned()),
        ("250 variables", variables(250)),
        ("500 variables", variables(500)),
        ("1000 variables", variables(1_000)),
    ];
    for (name, text) in texts {
        let (theirs, ours) = measure(&app, &text);
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        println!(
            "{name:<16} {:>6}   {theirs:<8.1?}  {ours:<8.1?}  {ratio:.2}",
            text.len()
        );
    }
}

fn variables(count: usize) -> String {
    let lines = (0..count).map(|n| format!("VARIABLE_{n} = \"the value of {n}\"\n"));
    format!("[env.common]\n{}", lines.collect::<String>())
}

/// Medians of both, in turn.
fn measure(app: &AppName, text: &str) -> (Duration, Duration) {
    let repository = BTreeMap::from([
        ("iterapp.toml".to_owned(), text.as_bytes().to_vec()),
        ("Dockerfile".to_owned(), Vec::new()),
        ("docker/web.Dockerfile".to_owned(), Vec::new()),
    ]);
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        black_box(DeTable::parse_recoverable(black_box(text)));
        theirs.push(start.elapsed());
        let start = Instant::now();
        black_box(assemble(app, black_box(&repository)));
        ours.push(start.elapsed());
    }
    (median(theirs), median(ours))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

//! Which acceptance rows are shown: reads libtest's output on standard input, and prints the rows
//! of `docs/acceptance.md` that tests name which passed. A test names its rows in the line before
//! its attribute: `// Proves: H01 H05`. A row is shown when all tests that name it passed.
//!
//! Exit code 1 when a test names a row that does not exist, or a row in `WANTED` is not shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::Path,
    process::ExitCode,
};

/// Rows that must be shown by now: a test that is taken out is noticed here.
const WANTED: &str = include_str!("wanted");

fn main() -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows = rows(&std::fs::read_to_string(
        root.join("../docs/acceptance.md"),
    )?);
    let mut output = String::new();
    std::io::stdin().read_to_string(&mut output)?;
    let passed = passed(&output);
    let mut claims: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in std::fs::read_dir(root.join("it"))? {
        let file = file?.path();
        let module = file
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default()
            .to_owned();
        for (row, test) in claimed(&std::fs::read_to_string(&file)?) {
            claims
                .entry(row)
                .or_default()
                .push(format!("{module}::{test}"));
        }
    }
    let unknown: Vec<&String> = claims
        .keys()
        .filter(|row| !rows.contains_key(*row))
        .collect();
    let shown: BTreeSet<&String> = claims
        .iter()
        .filter(|(_, tests)| tests.iter().all(|test| passed.contains(test)))
        .map(|(row, _)| row)
        .collect();
    for (row, feature) in rows.iter().filter(|(row, _)| shown.contains(row)) {
        println!("shown  {row}  {feature}");
    }
    println!(
        "{} of {} acceptance rows are shown",
        shown.len(),
        rows.len()
    );
    let missing: Vec<&str> = WANTED
        .split_whitespace()
        .filter(|row| !shown.iter().any(|shown| shown == row))
        .collect();
    for row in &missing {
        println!(
            "MISSING  {row}  named by: {}",
            claims
                .get(*row)
                .map_or_else(|| "no test".to_owned(), |tests| tests.join(", "))
        );
    }
    for row in &unknown {
        println!("UNKNOWN  {row}: docs/acceptance.md has no such row");
    }
    Ok(if missing.is_empty() && unknown.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Ids and features of the table's rows.
fn rows(table: &str) -> BTreeMap<String, String> {
    let cells = table.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        Some((
            cells.next()?.trim().to_owned(),
            cells.next()?.trim().to_owned(),
        ))
    });
    cells
        .filter(|(id, _)| id.len() == 3 && id[1..].bytes().all(|digit| digit.is_ascii_digit()))
        .collect()
}

/// Names of the tests that passed.
fn passed(output: &str) -> BTreeSet<String> {
    let names = output
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... ok"));
    names.map(str::to_owned).collect()
}

/// Pairs of row and test in a source file.
fn claimed(source: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rows: Vec<String> = Vec::new();
    for line in source.lines().map(str::trim) {
        if let Some(named) = line.strip_prefix("// Proves:") {
            rows.extend(named.split_whitespace().map(str::to_owned));
        } else if let Some(rest) = line
            .strip_prefix("async fn ")
            .or_else(|| line.strip_prefix("fn "))
        {
            let name = rest.split('(').next().unwrap_or_default();
            pairs.extend(rows.drain(..).map(|row| (row, name.to_owned())));
        }
    }
    pairs
}

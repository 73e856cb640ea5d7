//! How problems are told.

use super::{shop, told};
use crate::render;

const DOCKERFILES: [(&str, &str); 2] = [("web/Dockerfile", ""), ("api/Dockerfile", "")];

#[test]
fn all_problems_of_all_files_come_at_once_and_in_order() {
    let files = [
        (
            "iterapp.toml",
            "applings = ['web', 'api', 'gone']\ndefault_environment = 'production'\nprot = 1\n",
        ),
        (
            "web/iterapp.toml",
            "port = \"80\"\nreplicas = 1000\n\n[env.production]\nA = 1\n",
        ),
        (
            "api/iterapp.toml",
            "domains = ['https://a.no/x']\nreadiness_path = \"up\n[postgres]\nport = 80\n",
        ),
    ];
    let assembled = shop(&[&files[..], &DOCKERFILES].concat());
    assert!(assembled.iterapp.is_none());
    insta::assert_snapshot!(
        "plain",
        render::plain(&assembled.diagnostics, &assembled.sources)
    );
    insta::assert_snapshot!(
        "human",
        render::human(&assembled.diagnostics, &assembled.sources, false)
    );
    insta::assert_snapshot!(
        "colour",
        render::human(&assembled.diagnostics, &assembled.sources, true)
            .escape_debug()
            .to_string()
            .replace("\\n", "\n")
    );
    insta::assert_json_snapshot!("json", assembled.diagnostics);
}

#[test]
fn suggestions_for_keys() {
    let text = "health_path = 1\nscale = 1\nhosts = 1\nREDIS_URL = 'x'\nreadiness-path = 1\nservices = 1\nzebra = 1\nmemory = 1\ndatabase = 1\n[environment]\nA = 1\n[server]\nport = 80\n";
    insta::assert_snapshot!(told(text));
}

#[test]
fn suggestions_for_syntax() {
    let texts = [
        "readiness_path = /health",
        "default_environment = prod",
        "port: 80",
        "port =",
        "port = 80 90",
        "domains = [\"a.no\" \"b.no\"]",
        "[env.common\nA = 1",
        "name = \"a",
        "port = 08",
        "a = \u{1}",
        "port 80",
    ];
    insta::assert_snapshot!(
        texts
            .map(|text| format!(
                "{text:?}\n    {}",
                told(text).trim().replace('\n', "\n    ")
            ))
            .join("\n")
    );
}

#[test]
fn a_terminal_is_not_at_the_mercy_of_a_file() {
    let assembled = super::one("\"\\u001b[31mred\" = 1\n\"\u{1b}]0;x\" = 1\n");
    let shown = render::human(&assembled.diagnostics, &assembled.sources, false)
        + &render::plain(&assembled.diagnostics, &assembled.sources);
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

/// Twelve mistakes over three files are twelve findings, in file order, each with its place.
#[test]
fn twelve_mistakes_are_twelve_findings() {
    let files = [
        (
            "iterapp.toml",
            "default_environment = \"production\"\napplings = [\"web\", \"api\", \"gone\"]\nprot = 80\nemoji = \"rocket\"\n",
        ),
        (
            "web/iterapp.toml",
            "port = \"80\"\nreadiness_path = \"up\"\nreplicas = 2\n[autoscale]\nmin = 3\nmax = 2\n[env.prod]\nHOPS_ENV = \"x\"\n",
        ),
        (
            "api/iterapp.toml",
            "worker = true\nport = 80\n[requests]\nmemory = \"128m\"\n[cronjobs.tidy]\nschedule = \"0 3 * *\"\ncommand = \"tidy\"\n",
        ),
    ];
    let assembled = shop(&[&files[..], &DOCKERFILES].concat());
    let told = render::plain(&assembled.diagnostics, &assembled.sources);
    assert_eq!(assembled.diagnostics.len(), 12, "{told}");
    assert!(
        assembled
            .diagnostics
            .iter()
            .all(|one| one.is_error() && one.span.is_some()),
        "{told}"
    );
    let files: Vec<_> = assembled
        .diagnostics
        .iter()
        .map(|one| one.file.as_str())
        .collect();
    let mut in_order = files.clone();
    in_order.dedup();
    assert_eq!(
        in_order,
        ["iterapp.toml", "web/iterapp.toml", "api/iterapp.toml"],
        "{told}"
    );
    insta::assert_snapshot!("twelve", told);
}

//! Every code: files that produce it, and how it is told.

use std::collections::{BTreeMap, BTreeSet};

use super::{one, shop};
use crate::{Assembled, Code, FILE_NAME, render};

/// A code, and what its files lead to.
pub type Case = (Code, Assembled);

fn web(root: &str, web: &str) -> Assembled {
    shop(&[
        ("iterapp.toml", root),
        ("web/iterapp.toml", web),
        ("web/Dockerfile", ""),
    ])
}

/// Two applings, named by their files.
fn two(first: &str, second: &str) -> Assembled {
    shop(&[
        ("iterapp.toml", "applings = [\"a\", \"b\"]\n"),
        ("a/iterapp.toml", first),
        ("a/Dockerfile", ""),
        ("b/iterapp.toml", second),
        ("b/Dockerfile", ""),
    ])
}

fn bytes(root: &[u8]) -> Assembled {
    let files = [
        ("iterapp.toml".to_owned(), root.to_vec()),
        ("Dockerfile".to_owned(), Vec::new()),
    ];
    let repository: BTreeMap<_, _> = files.into_iter().collect();
    crate::assemble(&"shop".parse().unwrap(), &repository)
}

pub fn cases() -> Vec<Case> {
    [
        files(),
        keys(),
        values(),
        applings(),
        domains(),
        variables(),
        running(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn files() -> Vec<Case> {
    vec![
        (Code::RootFileMissing, shop(&[("Dockerfile", "")])),
        (
            Code::ApplingFileMissing,
            shop(&[("iterapp.toml", "applings = [\"web\"]"), ("web/x", "")]),
        ),
        (
            Code::ApplingFileMissing,
            shop(&[("iterapp.toml", "applings = [\"web\"]")]),
        ),
        (
            Code::ApplingFileMissing,
            shop(&[("iterapp.toml", "applings = [\"web\"]"), ("web", "")]),
        ),
        (Code::FileTooLarge, one(&"#".repeat(65_537))),
        (Code::NotUtf8, bytes(b"# one\nname = \"bl\xe5\"\n")),
        (Code::NotUtf8, bytes(b"\xff\xfep\0")),
        (Code::Syntax, one("port = 80\nreadiness_path = /health\n")),
        (
            Code::DuplicateKey,
            one("port = 80\nreplicas = 1\nport = 81\n"),
        ),
        (
            Code::DuplicateKey,
            one("[env.prod]\nA = 1\n[env.common]\n[env.prod]\nB = 1\n"),
        ),
        (Code::DockerfileMissing, shop(&[("iterapp.toml", "")])),
        (
            Code::DockerfileMissing,
            shop(&[("iterapp.toml", ""), ("Containerfile", "")]),
        ),
        (
            Code::DockerfileMissing,
            listed_without_dockerfile("Dockerfile"),
        ),
        (
            Code::DockerfileMissing,
            listed_without_dockerfile("web/dockerfile"),
        ),
        (
            Code::DockerfileMissing,
            listed_without_dockerfile("README.md"),
        ),
    ]
}

/// The one code that cannot come alone.
#[test]
fn of_too_many_problems_the_first_are_told() {
    let text: String = (0..5_000).map(|n| format!("key{n} = 1\n")).collect();
    let assembled = one(&text);
    assert_eq!(assembled.diagnostics.len(), 101);
    assert_eq!(assembled.diagnostics[100].code, Code::TooManyProblems);
    let last = &assembled.diagnostics[100..];
    insta::assert_snapshot!("E0108", render::human(last, &assembled.sources, false));
}

fn listed_without_dockerfile(other: &str) -> Assembled {
    shop(&[
        ("iterapp.toml", "applings = [\"web\"]"),
        ("web/iterapp.toml", ""),
        (other, ""),
    ])
}

fn keys() -> Vec<Case> {
    vec![
        (Code::UnknownKey, one("health_path = \"/up\"\n")),
        (
            Code::KeyInSection,
            one("[postgres]\napplings = [\"a\", \"b\"]\n"),
        ),
        (
            Code::KeyInSection,
            one("[env.prod]\ndomains = [\"a.example.com\"]\n"),
        ),
        (Code::KeyInSection, one("[build_secrets]\nport = 80\n")),
        (
            Code::RootKeyInApplingFile,
            web("applings = [\"web\"]", "applings = [\"x\"]\n"),
        ),
        (
            Code::ApplingKeyInRootFile,
            web("applings = [\"web\"]\nport = 80\n", ""),
        ),
        (Code::UnknownKey, one("prot = 1\n")),
        (Code::UnknownKey, one("Readiness-Path = \"/up\"\n")),
        (Code::UnknownKey, one("zebra = 1\n")),
        (Code::UnknownKey, one("REDIS_URL = \"x\"\n")),
        (Code::UnknownKey, one("[prod]\nreplicas = 1\n")),
        (Code::UnknownKey, one("[environment]\nA = 1\n")),
        (Code::UnknownKey, one("[server]\nport = 80\n")),
        (Code::UnknownKey, one("[requests]\nmem = \"98Mi\"\n")),
        (
            Code::UnknownKey,
            one("[autoscale]\nmax-replicas = 2\nmax = 2\n"),
        ),
        (
            Code::UnknownKey,
            one("[override.prod.ingress]\ndisabled = true\n"),
        ),
        (Code::CannotOverride, one("[override.prod]\nname = \"x\"\n")),
        (Code::CannotOverride, one("[override.prod.env]\nA = 1\n")),
        (
            Code::CannotOverride,
            one("[override.prod.build]\ntarget = \"x\"\n"),
        ),
        (
            Code::OverrideOutsideSection,
            one("[override]\nreplicas = 1\n"),
        ),
        (Code::MissingKey, one("[autoscale]\nmin = 1\n")),
        (Code::MissingKey, one("[cronjobs.tidy]\npath = \"/tidy\"\n")),
        (
            Code::MissingKey,
            one("[env.prod]\nTOKEN = { secret = \"a\" }\n"),
        ),
        (
            Code::MissingKey,
            one("[ingress]\npaths = [{ rewrite = \"/\" }]\n"),
        ),
        (Code::OlderSpelling, one("health = \"/up\"\n")),
        (Code::OlderSpelling, one("domain = \"a.example.com\"\n")),
        (Code::OlderSpelling, one("auto_deploy_env=\"prod\"\n")),
        (
            Code::OlderSpelling,
            one("[build]\nbuild_in_kubernetes = true\n"),
        ),
        (
            Code::UnknownSwitch,
            one("[experimental]\nwhisper-runner = \"true\"\n"),
        ),
        (
            Code::SwitchMisspelt,
            one("[experimental]\nisolate_appling = \"namespace\"\n"),
        ),
        (Code::NoEffect, one("from_to_www_redirect = true\n")),
        (
            Code::NoEffect,
            one(
                "[postgres]\nexternal = \"billing\"\nextensions = [\"uuid-ossp\"]\npooling = \"transaction\"\n",
            ),
        ),
        (Code::NoEffect, one("[postgres]\nproxy = false\n")),
        (
            Code::NoEffect,
            one("domains = [\"a.example.com\"]\n[ingress]\ndisable = true\n"),
        ),
        (
            Code::NoEffect,
            one("[override.test]\ndomains = [\"a.example.com\"]\n"),
        ),
        (
            Code::NoEffect,
            one("[experimental]\nisolate-allow-apps = \"shop\"\n"),
        ),
        (
            Code::NoEffect,
            one(
                "[cronjobs.tidy]\nschedule = \"@daily\"\ncommand = \"tidy\"\nheaders = { A = \"b\" }\n",
            ),
        ),
    ]
}

fn running() -> Vec<Case> {
    let cron = |keys: &str| one(&format!("[cronjobs.tidy]\n{keys}\n"));
    vec![
        (Code::BadQuantity, one("[requests]\nmemory = \"128m\"\n")),
        (Code::BadQuantity, one("[limits]\nmemory = \"1GB\"\n")),
        (Code::BadQuantity, one("[requests]\ncpu = \"2 cores\"\n")),
        (Code::BadQuantity, one("[requests]\ncpu = 0\n")),
        (Code::BadCommand, one("command = \"node 'server.js\"\n")),
        (Code::BadCommand, one("command = \"\"\n")),
        (Code::BadCommand, one("release_command = []\n")),
        (Code::NoShell, one("command = \"migrate && serve\"\n")),
        (Code::BadEmoji, one("emoji = \"rocket\"\n")),
        (Code::BadEmoji, one("emoji = \"🧪🚀\"\n")),
        (
            Code::BadSchedule,
            cron("schedule = \"0 0 3 * * *\"\npath = \"/\""),
        ),
        (
            Code::BadSchedule,
            cron("schedule = \"0 3 * * 7\"\npath = \"/\""),
        ),
        (
            Code::BadSchedule,
            cron("schedule = \"@every 5m\"\npath = \"/\""),
        ),
        (
            Code::BadSchedule,
            cron("schedule = \"0 0 30 2 *\"\npath = \"/\""),
        ),
        (Code::BadGlob, one("[build]\nwatch = [\"/web/**\"]\n")),
        (Code::BadGlob, one("[build]\nwatch = [\"web/\"]\n")),
        (Code::BadGlob, one("[build]\nwatch = [\"a[\"]\n")),
        (Code::BadGlob, one("[build]\nwatch = [\"!a\"]\n")),
        (
            Code::BadLabel,
            one("[node_selector]\ndisktype = \"-ssd\"\n\"a/b/c\" = \"x\"\n"),
        ),
        (
            Code::BadHeader,
            cron("schedule = \"@daily\"\npath = \"/\"\nheaders = { \"A:\" = \"b\", C = \"d\\n\" }"),
        ),
        (
            Code::BadFilePath,
            one("[build]\ndockerfile = \"../Dockerfile\"\n"),
        ),
        (
            Code::BadFilePath,
            one("[build]\ndockerfile = \"/Dockerfile\"\n"),
        ),
        (
            Code::BadBuildName,
            one(
                "[build]\ntarget = \"a b\"\n[build.args]\nmy-arg = 1\n[build_secrets]\n\"a b\" = { encrypted = \"abc\" }\n",
            ),
        ),
        (
            Code::BadChoice,
            cron("schedule = \"@daily\"\npath = \"/\"\nconcurrency = \"Forbid\""),
        ),
        (
            Code::BadChoice,
            one("[experimental]\nisolate-appling = \"true\"\n"),
        ),
        (
            Code::BadExtension,
            one("[postgres]\nextensions = [\"UUID-OSSP\", \"a b\"]\n"),
        ),
        (
            Code::BadSwitchName,
            one("[experimental]\n\"a b\" = \"x\"\n"),
        ),
        (
            Code::WorkerWithHttp,
            one("worker = true\nport = 80\nreadiness_path = \"/up\"\n"),
        ),
        (
            Code::WorkerWithHttp,
            one("liveness_path = \"/\"\n[ingress]\n[override.prod]\nworker = true\n"),
        ),
        (
            Code::ReplicasAndAutoscale,
            one("replicas = 2\n[autoscale]\nmax = 4\n"),
        ),
        (Code::MinAboveMax, one("[autoscale]\nmin = 5\nmax = 4\n")),
        (
            Code::RequestAboveLimit,
            one(
                "[requests]\ncpu = 1\nmemory = \"1Gi\"\n[limits]\ncpu = \"500m\"\nmemory = \"1G\"\n",
            ),
        ),
        (Code::CronJobAction, cron("schedule = \"@daily\"")),
        (
            Code::CronJobAction,
            cron("schedule = \"@daily\"\npath = \"/\"\ncommand = \"x\""),
        ),
        (
            Code::CronJobAction,
            one("worker = true\n[cronjobs.tidy]\nschedule = \"@daily\"\npath = \"/\"\n"),
        ),
        (
            Code::CronJobTwice,
            one(
                "[cronjobs.a_b]\nschedule = \"@daily\"\npath = \"/\"\n[cronjobs.a-b]\nschedule = \"@daily\"\npath = \"/\"\n",
            ),
        ),
        (
            Code::BadUrlPath,
            one("[ingress]\npaths = [\"/api/*\", \"/a(b)\"]\n"),
        ),
        (
            Code::PathTwice,
            one("[ingress]\npaths = [\"/a\", \"/a/\"]\n"),
        ),
        (
            Code::BadSecret,
            one(
                "[env.prod]\nA = { encrypted = \"abc=\" }\nB = { encrypted = \"\" }\nC = { encrypted = \"abcde\" }\n",
            ),
        ),
        (
            Code::BadSecret,
            one("[env.prod]\nA = { secret = \"My_Secret\", key = \"a/b\" }\n"),
        ),
        (
            Code::OpenSecret,
            one("[build_secrets]\nNPM_TOKEN = \"geheim\"\n"),
        ),
        (
            Code::OpenCredential,
            one(
                "[env.common]\nSMTP_PASSWORD = \"hunter22\"\nTOKEN_URL = \"https://example.com\"\n[build.args]\nNPM_TOKEN = \"0815-4711\"\n[files]\n\"/etc/db.url\" = \"postgres://a:hunter22@db/a\"\n",
            ),
        ),
    ]
}

fn values() -> Vec<Case> {
    vec![
        (Code::WrongType, one("port = \"80\"\n")),
        (Code::WrongType, one("domains = \"a.example.com\"\n")),
        (Code::WrongType, one("domains = [\"a.example.com\", 1]\n")),
        (Code::WrongType, one("readiness_path = true\n")),
        (Code::WrongType, one("name = [\"a\"]\n")),
        (Code::WrongType, one("replicas = 1.5\n")),
        (Code::WrongType, one("applings = \"web\"\n")),
        (Code::WrongType, one("env = 1\n")),
        (Code::WrongType, one("[port]\nhttp = 80\n")),
        (Code::OutOfRange, one("port = 0\n")),
        (Code::OutOfRange, one("port = 70000\n")),
        (Code::OutOfRange, one("replicas = -1\n")),
        (Code::OutOfRange, one("replicas = 99999999999999999999\n")),
        (Code::BadUrlPath, one("readiness_path = \"health\"\n")),
        (
            Code::BadUrlPath,
            one("liveness_path = \"http://localhost:3000/up\"\n"),
        ),
        (Code::BadUrlPath, one("readiness_path = \"/a b\"\n")),
        (Code::BadUrlPath, one("readiness_path = \"//up\"\n")),
        (Code::BadUrlPath, one("readiness_path = \"/a#b\"\n")),
        (Code::BadUrlPath, one("readiness_path = \"/a%2\"\n")),
        (
            Code::BadUrlPath,
            one(&format!("readiness_path = \"/{}\"\n", "a".repeat(1024))),
        ),
        (
            Code::BadEnvironment,
            one("default_environment = \"staging\"\n"),
        ),
        (
            Code::BadEnvironment,
            one("default_environment = \"snap10\"\n"),
        ),
    ]
}

fn applings() -> Vec<Case> {
    let folder = |text: &str| shop(&[("iterapp.toml", &format!("applings = [{text:?}]\n"))]);
    let many: Vec<_> = (0..101).map(|n| format!("a{n}")).collect();
    let long = format!("name = \"{}\"", "x".repeat(40));
    let long_app = [
        ("iterapp.toml", "applings = [\"a\", \"b\"]\n"),
        ("a/iterapp.toml", &long),
        ("a/Dockerfile", ""),
        ("b/iterapp.toml", ""),
        ("b/Dockerfile", ""),
    ];
    let long_app = long_app.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let app = "y".repeat(30).parse().unwrap();
    vec![
        (Code::NoApplings, one("applings = []\n")),
        (
            Code::TooManyApplings,
            one(&format!("applings = {many:?}\n")),
        ),
        (Code::BadFolder, folder("/web")),
        (Code::BadFolder, folder("../web")),
        (Code::BadFolder, folder("a\\b")),
        (Code::BadFolder, folder("web/iterapp.toml")),
        (Code::BadFolder, folder(&"a".repeat(513))),
        (
            Code::FolderTwice,
            web("applings = [\"web\", \"./web/\"]\n", ""),
        ),
        (Code::BadName, one("name = \"My Shop\"\n")),
        (
            Code::BadName,
            shop(&[
                ("iterapp.toml", "applings = [\"Web\"]"),
                ("Web/iterapp.toml", ""),
                ("Web/Dockerfile", ""),
            ]),
        ),
        (Code::NameTwice, two("name = \"x_y\"", "name = \"x-y\"")),
        (Code::NameTwice, two("name = \"b\"", "")),
        (Code::ServiceNameClash, two("", "name = \"shop-a\"")),
        (
            Code::ServiceNameTooLong,
            crate::assemble(&app, &BTreeMap::from(long_app)),
        ),
    ]
}

fn domains() -> Vec<Case> {
    let domain = |text: &str| one(&format!("domains = [{text:?}]\n"));
    vec![
        (Code::BadDomain, domain("https://shop.example.com/start")),
        (Code::BadDomain, domain("shop.example.com:8080")),
        (Code::BadDomain, domain("shop.example.com.")),
        (Code::BadDomain, domain("shop")),
        (Code::BadDomain, domain("blå.no")),
        (Code::BadDomain, domain("a_b.example.com")),
        (Code::BadDomain, domain("10.0.0.1")),
        (Code::BadDomain, domain("")),
        (Code::BadDomain, domain(&["a"; 128].join("."))),
        (Code::WildcardDomain, domain("*.example.com")),
        (
            Code::DomainTwice,
            one("domains = [\"a.example.com\", \"A.example.com\"]\n"),
        ),
        (
            Code::DomainTwice,
            two(
                "domains = [\"a.no\"]\n[ingress]\npaths = [\"/a\", \"/b\"]",
                "domains = [\"a.no\"]\n[ingress]\npaths = [\"/b\"]",
            ),
        ),
        (
            Code::DomainTwice,
            two("domains = [\"a.no\"]", "port = 80\ndomains = [\"a.no\"]"),
        ),
    ]
}

fn variables() -> Vec<Case> {
    let value = |text: &str| one(&format!("[env.common]\nA = {text}\n"));
    vec![
        (Code::UnknownEnvSection, one("[env.production]\nA = 1\n")),
        (Code::UnknownEnvSection, one("[env.local]\nA = 1\n")),
        (Code::UnknownEnvSection, one("[env.default]\nA = 1\n")),
        (Code::UnknownEnvSection, one("[env.zebra]\nA = 1\n")),
        (
            Code::VariableOutsideSection,
            one("[env]\nA = 1\nB = { encrypted = \"abc\" }\n"),
        ),
        (
            Code::BadVariableName,
            one("[env.prod]\nmy-key = 1\n\"1A\" = 1\n\"å\" = 1\n"),
        ),
        (
            Code::ReservedVariable,
            one("[env.prod]\nHOPS_ENV = \"x\"\n"),
        ),
        (Code::BadVariableValue, value("inf")),
        (Code::BadVariableValue, value("2024-01-01")),
        (Code::BadVariableValue, value("[1, 2]")),
        (Code::BadVariableValue, value("{ b = 1 }")),
        (Code::BadVariableValue, value("99999999999999999999")),
        (Code::BadVariableValue, value("\"a\\u0000b\"")),
        (Code::VariableLikeKey, one("[env.prod]\nport = 80\n")),
    ]
}

#[test]
fn every_code_has_a_case() {
    let mut shown: BTreeSet<_> = cases().into_iter().map(|(code, _)| code).collect();
    shown.insert(Code::TooManyProblems); // in a test of its own, above
    shown.extend(Code::OF_THE_PLATFORM);
    let missing: Vec<_> = Code::ALL
        .iter()
        .filter(|code| !shown.contains(code))
        .collect();
    assert!(
        missing.is_empty(),
        "no files produce {missing:?}: add some to `cases`"
    );
}

#[test]
fn codes_are_in_order_and_none_is_there_twice() {
    let texts: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert!(texts.is_sorted_by(|a, b| a < b), "{texts:?}");
}

/// Each case leads to its code and to no other error, and reads as the snapshot of the code says.
#[test]
fn every_code_is_told_well() {
    for code in Code::ALL
        .iter()
        .filter(|code| **code != Code::TooManyProblems && !Code::OF_THE_PLATFORM.contains(code))
    {
        let cases = cases().into_iter().filter(|(of, _)| of == code);
        let told: Vec<String> = cases
            .map(|(code, assembled)| only(code, &assembled))
            .collect();
        insta::assert_snapshot!(code.to_string(), told.join("\n"));
    }
}

fn only(code: Code, assembled: &Assembled) -> String {
    let told = render::human(&assembled.diagnostics, &assembled.sources, false);
    let codes: Vec<_> = assembled
        .diagnostics
        .iter()
        .map(|problem| problem.code)
        .collect();
    assert!(codes.contains(&code), "{code} did not come:\n{told}");
    let others = codes.iter().filter(|other| **other != code).count();
    assert_eq!(others, 0, "not {code} alone:\n{told}");
    told
}

/// What is wrong is half of a message; what to do is the other.
#[test]
fn every_problem_comes_with_advice() {
    let mut without = Vec::new();
    for (code, assembled) in cases() {
        let problems = assembled.diagnostics.iter();
        let bare = problems.filter(|problem| problem.hint.is_none());
        without.extend(bare.map(|problem| format!("{code}: {}", problem.message)));
    }
    assert!(without.is_empty(), "{without:#?}");
}

/// A fix takes its problem away and brings no other: neither a new one, nor an old one elsewhere.
#[test]
fn every_fix_mends_its_problem() {
    let mut fixed = 0;
    for (code, assembled) in cases() {
        for problem in &assembled.diagnostics {
            let Some(fix) = &problem.fix else { continue };
            let file = &problem.file;
            let mended = fix.apply(assembled.sources.get(file).unwrap()).unwrap();
            let mut files: BTreeMap<_, _> = assembled
                .sources
                .iter()
                .map(|(file, text)| (file.to_owned(), text.as_bytes().to_vec()))
                .collect();
            files.insert(file.clone(), mended.clone().into_bytes());
            let folders = ["", "a/", "a/b/", "b/", "web/"];
            for file in ["Dockerfile", FILE_NAME] {
                for folder in folders {
                    files.entry(format!("{folder}{file}")).or_default();
                }
            }
            let after = crate::assemble(&"shop".parse().unwrap(), &files);
            let told = render::plain(&after.diagnostics, &after.sources);
            let key = |problem: &crate::Diagnostic| (problem.code, problem.message.clone());
            let mut before: Vec<_> = assembled.diagnostics.iter().map(key).collect();
            before.retain(|one| *one != key(problem));
            let left: Vec<_> = after
                .diagnostics
                .iter()
                .map(key)
                .filter(|one| !before.contains(one))
                .collect();
            assert!(left.is_empty(), "{code}: after\n{mended}\n{told}");
            assert!(
                !after
                    .diagnostics
                    .iter()
                    .map(key)
                    .any(|one| one == key(problem)),
                "{code}: still\n{mended}\n{told}"
            );
            fixed += 1;
        }
    }
    assert!(fixed > 20, "only {fixed} fixes");
}

//! Golden tests of how applings are reached, walled off, and called on a schedule.

use std::collections::BTreeMap;

use iterapp_schema::{
    Concurrency, CronAction, CronJob as Asked, EnvValue, Environment, Ingress as AskedIngress,
    IngressPath, Isolation, Scale,
};
use serde_json::{Value, json};

use super::tests::{http, version, wanted};
use super::*;
use crate::rollout::cluster::IngressSource;

fn traefik() -> Settings {
    Settings {
        ingress_flavour: IngressFlavour::Traefik,
        ..Settings::new("main")
    }
}

fn path(prefix: &str, rewrite: Option<&str>) -> IngressPath {
    IngressPath {
        prefix: prefix.to_owned(),
        rewrite: rewrite.map(str::to_owned),
    }
}

fn asked(version: &mut Version) -> &mut AskedIngress {
    http(version).ingress.as_mut().unwrap()
}

/// An appling in prod with a domain.
fn with_domain(domain: &str) -> Version {
    let mut shop = version("shop");
    shop.spec.hosts.push(domain.to_owned());
    asked(&mut shop).domains.push(domain.to_owned());
    shop
}

/// Whatever routes to applings.
fn routes(versions: Vec<Version>, settings: &Settings) -> Value {
    let objects = desired(&wanted(Environment::Prod, versions), settings);
    json!({
        "ingresses": objects.ingresses,
        "traefik": objects.traefik.map(|traefik| {
            json!({ "middlewares": traefik.middlewares, "ingress_routes": traefik.ingress_routes })
        }),
    })
}

fn golden(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

/// One that redirects, and shows all and one path as another.
fn redirected_and_rewritten() -> Version {
    let mut shop = with_domain("www.example.org");
    asked(&mut shop).from_to_www_redirect = true;
    asked(&mut shop).paths = vec![
        path("/shop", None),
        path("/api", Some("/")),
        path("/v1.0", Some("/v1")),
    ];
    shop
}

#[test]
fn routes_for_traefik() {
    let routes = routes(vec![redirected_and_rewritten()], &traefik());
    insta::assert_snapshot!(golden(&routes));
}

#[test]
fn routes_for_ingress_nginx() {
    let routes = routes(vec![redirected_and_rewritten()], &Settings::new("main"));
    insta::assert_snapshot!(golden(&routes));
}

#[test]
fn plain_hosts_are_the_same_for_both() {
    let both = [traefik(), Settings::new("main")];
    let [one, other] = both.map(|settings| routes(vec![with_domain("example.org")], &settings));
    assert_eq!(one["ingresses"], other["ingresses"]);
    assert_eq!(
        one["traefik"],
        json!({ "middlewares": [], "ingress_routes": [] })
    );
    assert_eq!(other["traefik"], Value::Null);
}

#[test]
fn an_appling_without_ingress_has_services_alone() {
    let mut shop = version("shop");
    shop.spec.hosts.clear();
    http(&mut shop).ingress = None;
    for settings in [traefik(), Settings::new("main")] {
        let objects = desired(&wanted(Environment::Prod, vec![shop.clone()]), &settings);
        assert_eq!(objects.services.len(), 1);
        assert_eq!(objects.ingresses, []);
    }
}

#[test]
fn a_host_that_serves_redirects_nowhere() {
    let mut shop = with_domain("example.org");
    asked(&mut shop).from_to_www_redirect = true;
    let mut other = version("other");
    other.spec.hosts.push("www.example.org".to_owned());
    let both = routes(vec![shop.clone(), other], &traefik());
    assert_eq!(both["traefik"]["ingress_routes"], json!([]));

    let mut itself = shop.clone();
    itself.spec.hosts.push("www.example.org".to_owned());
    let both = routes(vec![itself], &traefik());
    assert_eq!(both["traefik"]["ingress_routes"], json!([]));

    let alone = routes(vec![shop], &traefik());
    let rule = &alone["traefik"]["ingress_routes"][0]["spec"]["routes"][0]["match"];
    assert_eq!(rule, "Host(\"www.example.org\")");
}

#[test]
fn an_isolated_appling_has_a_wall() {
    let mut shop = version("shop");
    shop.spec.run.isolation = Some(Isolation {
        allow_apps: vec!["billing".parse().unwrap()],
    });
    let settings = Settings {
        ingress_sources: vec![
            IngressSource::Namespace("ingress-nginx".to_owned()),
            IngressSource::Network("10.0.0.1/32".parse().unwrap()),
        ],
        ..Settings::new("main")
    };
    let neighbour = version("neighbour");
    let objects = desired(&wanted(Environment::Test, vec![shop, neighbour]), &settings);
    insta::assert_snapshot!(golden(&json!(objects.network_policies)));
}

#[test]
fn nobody_outside_reaches_an_isolated_appling_without_ingress() {
    let mut shop = version("shop");
    shop.spec.run.isolation = Some(Isolation::default());
    http(&mut shop).ingress = None;
    let objects = desired(
        &wanted(Environment::Test, vec![shop]),
        &Settings::new("main"),
    );
    let spec = objects.network_policies[0].spec.clone().unwrap();
    assert_eq!(
        json!(spec.ingress),
        json!([{ "from": [{ "podSelector": {} }] }])
    );
}

fn call(schedule: &str) -> Asked {
    Asked {
        schedule: schedule.to_owned(),
        action: CronAction::Call {
            path: "/api/tidy".to_owned(),
            headers: BTreeMap::from([(
                "Authorization".to_owned(),
                EnvValue::Text("Bearer open sesame".to_owned()),
            )]),
        },
        concurrency: Concurrency::Forbid,
    }
}

fn command(concurrency: Concurrency) -> Asked {
    Asked {
        schedule: "@daily".to_owned(),
        action: CronAction::Run {
            command: vec!["report".to_owned(), "$HOME".to_owned()],
        },
        concurrency,
    }
}

fn with_cronjobs(name: &str, cronjobs: &[(&str, Asked)]) -> Version {
    let mut version = version(name);
    version.spec.run.cronjobs = cronjobs
        .iter()
        .map(|(name, cronjob)| ((*name).to_owned(), cronjob.clone()))
        .collect();
    version
}

#[test]
fn cron_jobs_that_call_and_that_run() {
    let shop = with_cronjobs(
        "shop",
        &[
            ("tidy", call("0 3 * * *")),
            ("report", command(Concurrency::Replace)),
        ],
    );
    let objects = desired(
        &wanted(Environment::Test, vec![shop]),
        &Settings::new("main"),
    );
    insta::assert_snapshot!(golden(&json!([objects.secrets, objects.cron_jobs])));
}

#[test]
fn header_values_are_in_secrets_alone() {
    let shop = with_cronjobs("shop", &[("tidy", call("0 3 * * *"))]);
    let objects = desired(
        &wanted(Environment::Test, vec![shop]),
        &Settings::new("main"),
    );
    let secret = &objects.secrets[0].data.as_ref().unwrap()["request"];
    assert!(String::from_utf8_lossy(&secret.0).contains("Bearer open sesame"));
    assert!(!json!(objects.cron_jobs).to_string().contains("sesame"));
}

#[test]
fn a_candidates_cron_jobs_wait_until_it_is_good() {
    let good = with_cronjobs("shop", &[("old", call("@hourly"))]);
    let candidate = with_cronjobs("shop", &[("new", call("@hourly"))]);
    let mut wanted = wanted(Environment::Test, vec![candidate]);
    let names = |wanted: &WantedEnvironment| -> Vec<String> {
        let objects = desired(wanted, &Settings::new("main"));
        let secrets = objects.secrets.into_iter().map(|s| {
            let name = s.metadata.name?;
            Some(labels::without_content(&name).to_owned())
        });
        let cron_jobs = objects.cron_jobs.into_iter().map(|c| c.metadata.name);
        secrets.chain(cron_jobs).flatten().collect()
    };
    wanted.good = vec![good];
    assert_eq!(names(&wanted), ["cron-shop-old", "shop-old"]);
    wanted.good.clear();
    assert_eq!(names(&wanted), [""; 0]);
    wanted.good = wanted.versions.clone();
    assert_eq!(names(&wanted), ["cron-shop-new", "shop-new"]);
}

#[test]
fn a_paused_appling_calls_nobody() {
    let mut shop = with_cronjobs("shop", &[("tidy", call("@hourly"))]);
    shop.spec.run.scale = Scale::Fixed(0);
    let objects = desired(
        &wanted(Environment::Test, vec![shop]),
        &Settings::new("main"),
    );
    assert_eq!(objects.cron_jobs[0].spec.suspend, Some(true));
}

#[test]
fn names_of_cron_jobs_are_short_and_differ() {
    let long = "a-name-that-is-as-long-as-forty-letters";
    let versions = vec![
        with_cronjobs("a", &[("b-c", call("@daily")), ("b_c", call("@daily"))]),
        with_cronjobs("a-b", &[("c", call("@daily")), ("d", call("@daily"))]),
        with_cronjobs(long, &[(long, call("@daily"))]),
    ];
    let objects = desired(&wanted(Environment::Test, versions), &Settings::new("main"));
    let names: Vec<&str> = objects
        .cron_jobs
        .iter()
        .filter_map(|cron_job| cron_job.metadata.name.as_deref())
        .collect();
    insta::assert_snapshot!(names.join("\n"));
    assert!(names.iter().all(|name| name.len() <= 52));
}

#[test]
fn pods_of_jobs_are_none_of_the_applings() {
    let shop = with_cronjobs(
        "shop",
        &[
            ("tidy", call("0 3 * * *")),
            ("report", command(Concurrency::Forbid)),
        ],
    );
    let objects = desired(
        &wanted(Environment::Test, vec![shop]),
        &Settings::new("main"),
    );
    let selector = objects.services[0].spec.clone().unwrap().selector.unwrap();
    for cron_job in objects.cron_jobs {
        let template = cron_job.spec.job_template.spec.unwrap().template;
        let labels = template.metadata.unwrap().labels.unwrap();
        let is_selected = selector.iter().all(|(k, v)| labels.get(k) == Some(v));
        assert!(!is_selected, "{labels:?}");
        assert!(labels.contains_key(super::labels::INSTANCE));
    }
}

//! Golden tests: the objects of whole environments, as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use iterapp_schema::{Autoscale, EnvValue, Environment, Http, Pooling, Resources, Run, Scale};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::json;

use super::*;
use crate::database::connection::{Connection, Databases, Tls};
use crate::release::spec::{ApplingSpec, Database, ExternalDatabase, ReleaseCommand};
use crate::rollout::cluster::{Defaults, RegistryCredentials};
use crate::secrets::open::{Opened, Source};

pub(super) fn version(name: &str) -> Version {
    let text = |text: &str| text.to_owned();
    Version {
        spec: ApplingSpec {
            emoji: None,
            name: name.parse().unwrap(),
            commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            run: Run::default(),
            hosts: vec![format!("{name}.test.example.org")],
            service_names: vec![text(name)],
            env: BTreeMap::from([(text("GREETING"), EnvValue::Text(text("hello")))]),
            database: None,
        },
        image: format!(
            "registry.example.org/shop/{name}@sha256:{}",
            "ab".repeat(32)
        ),
    }
}

pub(super) fn http(version: &mut Version) -> &mut Http {
    version.spec.run.http.as_mut().unwrap()
}

pub(super) fn wanted(environment: Environment, versions: Vec<Version>) -> WantedEnvironment {
    let app = "shop".parse().unwrap();
    WantedEnvironment::settled(app, environment, versions)
}

fn golden(wanted: &WantedEnvironment, settings: &Settings) -> String {
    let Objects {
        namespace,
        config_maps,
        secrets,
        services,
        deployments,
        autoscalers,
        ingresses,
        network_policies: _,
        traefik: _,
        cron_jobs: _,
        jobs,
    } = desired(wanted, settings);
    assert!(jobs.is_empty());
    let all = json!([
        namespace,
        config_maps,
        secrets,
        services,
        deployments,
        autoscalers,
        ingresses
    ]);
    serde_json::to_string_pretty(&all).unwrap()
}

fn objects(version: Version) -> Objects {
    desired(
        &wanted(Environment::Test, vec![version]),
        &Settings::new("main"),
    )
}

/// The hash that a version's pods are labelled with.
fn label_of(version: Version) -> String {
    let objects = objects(version);
    version_label(&objects.deployments[0]).unwrap().to_owned()
}

/// What the container sees: its own variables win over those of the ConfigMap.
fn env_of(version: Version) -> BTreeMap<String, String> {
    let mut objects = objects(version);
    let mut env = objects.config_maps.remove(0).data.unwrap();
    let spec = objects.deployments.remove(0).spec.unwrap();
    let container = spec.template.spec.unwrap().containers.remove(0);
    let pairs = container.env.unwrap().into_iter();
    env.extend(pairs.map(|v| (v.name, v.value.unwrap())));
    env
}

fn sealed(text: &str) -> EnvValue {
    EnvValue::Encrypted {
        encrypted: text.to_owned(),
    }
}

fn named(secret: &str, key: &str) -> EnvValue {
    EnvValue::Secret {
        secret: secret.to_owned(),
        key: key.to_owned(),
    }
}

/// An appling with variables and files of every origin; the named ones are not the platform's.
fn configured(value: &str) -> WantedEnvironment {
    let mut shop = version("shop");
    let text = |text: &str| text.to_owned();
    shop.spec.env.insert(text("TOKEN"), sealed("token"));
    shop.spec.env.insert(text("KEY"), named("firebase", "key"));
    shop.spec.run.files = BTreeMap::from([
        (
            text("/etc/shop/shop.conf"),
            EnvValue::Text(text("colour = blue\n")),
        ),
        (text("/etc/shop/key.pem"), sealed("pem")),
        (text("/run/firebase"), named("firebase", "key")),
    ]);
    let opened = ["token", "pem"].map(|name| {
        let source = Source::of(&sealed(name)).unwrap();
        (source, format!("{value} of {name}"))
    });
    WantedEnvironment {
        opened: Opened::placeholders(opened),
        ..wanted(Environment::Test, vec![shop])
    }
}

#[test]
fn variables_and_files_of_every_origin() {
    let wanted = configured("the value");
    insta::assert_snapshot!(golden(&wanted, &Settings::new("main")));
}

fn connection(password: &str) -> Connection {
    Connection {
        host: "10.0.0.5".to_owned(),
        port: 5432,
        database: "shop_test_1a2b3c4d".to_owned(),
        login: "shop_test_1a2b3c4d_a".to_owned(),
        password: password.into(),
        fingerprint: password.to_owned(),
        tls: Tls::Verify("(certificate)".to_owned()),
        pool_size: 10,
        cloud_sql_instance: None,
        networks: Vec::new(),
    }
}

/// An appling with a database of its own, or with its part in everybody's.
fn with_database(shared: bool, connection: Connection) -> WantedEnvironment {
    let mut shop = version("shop");
    shop.spec.database = Some(Database {
        shared,
        extensions: Vec::new(),
        pooling: Pooling::Session,
        external: None,
    });
    let owner = (!shared).then(|| shop.spec.name.clone());
    WantedEnvironment {
        databases: Databases([(owner, connection)].into()),
        ..wanted(Environment::Test, vec![shop])
    }
}

#[test]
fn a_database_is_reached_through_a_sidecar() {
    let wanted = with_database(false, connection("geheim"));
    insta::assert_snapshot!(golden(&wanted, &Settings::new("main")));
}

#[test]
fn googles_proxy_stands_behind_ours() {
    let connection = Connection {
        cloud_sql_instance: Some("project:region:instance".to_owned()),
        ..connection("geheim")
    };
    let wanted = with_database(true, connection);
    let mut objects = desired(&wanted, &Settings::new("main"));
    let pod = objects.deployments.remove(0).spec.unwrap().template.spec;
    let sidecars = pod.unwrap().init_containers.unwrap();
    let names: Vec<&str> = sidecars.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["cloud-sql-proxy", "sql-proxy"]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&sidecars[0]).unwrap());
}

/// Where the walls let an isolated appling out to its database: networks, and ports.
fn way_to(connection: Connection) -> (Vec<String>, Vec<String>) {
    let mut wanted = with_database(false, connection);
    for version in wanted.versions.iter_mut().chain(&mut wanted.good) {
        version.spec.run.isolation = Some(Default::default());
    }
    let objects = desired(&wanted, &Settings::new("main"));
    let wall = &objects.network_policies[0].spec;
    let rules = wall.as_ref().unwrap().egress.as_ref().unwrap();
    let rule = rules.last().unwrap();
    let blocks = rule.to.iter().flatten();
    let ports = rule.ports.iter().flatten();
    (
        blocks
            .map(|peer| peer.ip_block.as_ref().unwrap().cidr.clone())
            .collect(),
        ports
            .map(|port| serde_json::to_string(&port.port).unwrap())
            .collect(),
    )
}

#[test]
fn an_isolated_appling_reaches_its_database_where_that_is_known_to_be() {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    let at_its_address: (Vec<String>, _) = (owned(&["10.0.0.5/32"]), owned(&["5432"]));
    assert_eq!(way_to(connection("geheim")), at_its_address);
    let named = Connection {
        host: "postgres.internal".to_owned(),
        ..connection("geheim")
    };
    // Its port, wherever it is: nobody has said where.
    assert_eq!(way_to(named.clone()), (Vec::new(), owned(&["5432"])));
    let networks: Vec<ipnet::IpNet> = vec!["10.1.0.0/16".parse().unwrap()];
    let known = Connection { networks, ..named };
    assert_eq!(
        way_to(known.clone()),
        (owned(&["10.1.0.0/16"]), owned(&["5432"]))
    );
    let googles = |connection: Connection| Connection {
        cloud_sql_instance: Some("project:region:instance".to_owned()),
        ..connection
    };
    let ports: Vec<String> = owned(&["443", "3307"]);
    let there = (owned(&["10.1.0.0/16"]), ports.clone());
    assert_eq!(way_to(googles(known)), there);
    // Google's interface is not where the instance is.
    let anywhere = (Vec::new(), ports);
    assert_eq!(way_to(googles(connection("geheim"))), anywhere);
}

// Proves: H11
#[test]
fn a_sidecar_changes_nothing_in_the_apps_own_container() {
    let settings = Settings::new("main");
    let with = with_database(false, connection("geheim"));
    let mut without = with.clone();
    for version in without.versions.iter_mut().chain(&mut without.good) {
        version.spec.database = None;
    }
    let container = |wanted: &WantedEnvironment| {
        let objects = desired(wanted, &settings);
        let pod = objects.deployments[0].spec.clone().unwrap().template.spec;
        let mut container = pod.unwrap().containers.remove(0);
        // Where its variables stand, which have the database's among them.
        container.env_from = None;
        container
    };
    assert_eq!(container(&with), container(&without));
}

#[test]
fn another_password_makes_other_pods_and_another_secret() {
    let settings = Settings::new("main");
    let of = |password| desired(&with_database(false, connection(password)), &settings);
    let (one, other) = (of("one"), of("other"));
    let label = |objects: &Objects| version_label(&objects.deployments[0]).map(str::to_owned);
    assert_ne!(label(&one), label(&other));
    assert_ne!(one.secrets[0].metadata.name, other.secrets[0].metadata.name);
    assert_eq!(label(&one), label(&of("one")));
}

#[test]
fn a_database_somewhere_else_has_the_same_variables() {
    let mut shop = version("shop");
    let address = named("billing", "url");
    let external = |proxy| {
        Some(Database {
            shared: false,
            extensions: Vec::new(),
            pooling: Pooling::Transaction,
            external: Some(ExternalDatabase {
                address: address.clone(),
                proxy,
            }),
        })
    };
    let of = |shop: Version| {
        let url = "postgres://me:geheim@db.example.com/shop".to_owned();
        let wanted = WantedEnvironment {
            opened: Opened::placeholders([(Source::of(&address).unwrap(), url)]),
            ..wanted(Environment::Test, vec![shop])
        };
        desired(&wanted, &Settings::new("main"))
    };
    shop.spec.database = external(false);
    let direct = of(shop.clone());
    let names: Vec<_> = direct.secrets[0].data.as_ref().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "DATABASE_URL",
            "PGDATABASE",
            "PGHOST",
            "PGPASSWORD",
            "PGPORT",
            "PGUSER"
        ]
    );
    let pod = |objects: &Objects| {
        objects.deployments[0]
            .spec
            .clone()
            .unwrap()
            .template
            .spec
            .unwrap()
    };
    assert_eq!(pod(&direct).init_containers, None);
    shop.spec.database = external(true);
    let proxied = of(shop);
    assert_eq!(pod(&proxied).init_containers.unwrap().len(), 1);
    assert_eq!(
        proxied.config_maps[0].data.as_ref().unwrap()["PGHOST"],
        "127.0.0.1"
    );
}

#[test]
fn a_changed_secret_has_another_name_and_makes_other_pods() {
    let settings = Settings::new("main");
    let (one, other) = (
        desired(&configured("one"), &settings),
        desired(&configured("other"), &settings),
    );
    let names = |objects: &Objects| -> Vec<String> {
        let secrets = objects.secrets.iter();
        secrets
            .map(|secret| secret.metadata.name.clone().unwrap())
            .collect()
    };
    assert_eq!(one.config_maps, other.config_maps);
    assert_eq!(names(&one).len(), 2);
    assert!(names(&one).iter().all(|name| !names(&other).contains(name)));
    let label = |objects: &Objects| version_label(&objects.deployments[0]).unwrap().to_owned();
    assert_ne!(label(&one), label(&other));
}

#[test]
fn one_appling() {
    let wanted = wanted(Environment::Test, vec![version("shop")]);
    insta::assert_snapshot!(golden(&wanted, &Settings::new("main")));
}

#[test]
fn two_applings_of_which_one_is_not_exposed() {
    let mut api = version("api");
    api.spec.service_names = vec!["shop-api".to_owned(), "api".to_owned()];
    let mut worker = version("worker");
    worker.spec.hosts.clear();
    worker.spec.service_names = vec!["shop-worker".to_owned(), "worker".to_owned()];
    let wanted = wanted(Environment::Snap(3), vec![api, worker]);
    insta::assert_snapshot!(golden(&wanted, &Settings::new("main")));
}

#[test]
fn prod_with_domains_and_a_private_registry() {
    let mut shop = version("shop");
    shop.spec.hosts = vec!["shop.example.org".to_owned(), "shop.example.com".to_owned()];
    let settings = Settings {
        ingress_class: "outside".to_owned(),
        pull_secret: Some(RegistryCredentials {
            registry: "registry.example.org".to_owned(),
            username: "puller".to_owned(),
            password: "open sesame".into(),
        }),
        ..Settings::new("main")
    };
    insta::assert_snapshot!(golden(&wanted(Environment::Prod, vec![shop]), &settings));
}

#[test]
fn liveness_and_one_replica_and_no_drain() {
    let mut shop = version("shop");
    http(&mut shop).liveness_path = Some("/alive".to_owned());
    shop.spec.run.scale = Scale::Fixed(1);
    let settings = Settings {
        drain: Duration::ZERO,
        ..Settings::new("main")
    };
    insta::assert_snapshot!(golden(&wanted(Environment::Test, vec![shop]), &settings));
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_worker_with_every_setting() {
    let mut worker = version("worker");
    worker.spec.hosts.clear();
    worker.spec.service_names.clear();
    let run = &mut worker.spec.run;
    run.http = None;
    run.command = Some(vec!["work".to_owned(), "--price=$(PRICE) $5".to_owned()]);
    run.grace_period = 90;
    run.node_selector = [("disk".to_owned(), "ssd".to_owned())].into();
    run.requests.memory = some("98Mi");
    run.limits.cpu = some("2");
    let wanted = wanted(Environment::Test, vec![worker]);
    insta::assert_snapshot!(golden(&wanted, &Settings::new("main")));
}

fn autoscaled(name: &str) -> Version {
    let mut version = version(name);
    let (min, max, cpu) = (2, 6, 70);
    version.spec.run.scale = Scale::Auto(Autoscale { min, max, cpu });
    version
}

#[test]
fn autoscaled_from_two_to_six() {
    let wanted = wanted(Environment::Test, vec![autoscaled("shop")]);
    insta::assert_snapshot!(golden(&wanted, &Settings::new("main")));
}

#[test]
fn an_only_pod_has_to_stay_ready_for_a_moment() {
    let between = |min| {
        Scale::Auto(Autoscale {
            min,
            max: 6,
            cpu: 70,
        })
    };
    let rows = [
        (Scale::Fixed(0), None),
        (Scale::Fixed(1), Some(2)),
        (Scale::Fixed(2), None),
        (between(1), Some(2)),
        (between(2), None),
    ];
    for (scale, seconds) in rows {
        let mut shop = version("shop");
        shop.spec.run.scale = scale.clone();
        let wanted = wanted(Environment::Test, vec![shop]);
        let deployment = desired(&wanted, &Settings::new("main"))
            .deployments
            .remove(0);
        let told = deployment.spec.unwrap().min_ready_seconds;
        assert_eq!(told, seconds, "{scale:?}");
    }
}

/// What the containers request of CPU, and their limits of memory.
fn cpu_and_memory(version: Version, settings: &Settings) -> (Option<String>, Option<String>) {
    let wanted = wanted(Environment::Test, vec![version]);
    let spec = desired(&wanted, settings).deployments.remove(0).spec;
    let container = spec.unwrap().template.spec.unwrap().containers.remove(0);
    let resources = container.resources.unwrap_or_default();
    let of = |name: &str, map: Option<BTreeMap<String, Quantity>>| Some(map?.get(name)?.0.clone());
    (
        of("cpu", resources.requests),
        of("memory", resources.limits),
    )
}

#[test]
fn defaults_are_for_applings_that_do_not_say() {
    let none = Settings::new("main");
    let settings = Settings {
        defaults: Defaults {
            requests: Resources {
                cpu: some("50m"),
                memory: None,
            },
            limits: Resources {
                cpu: None,
                memory: some("1Gi"),
            },
        },
        ..none.clone()
    };
    let mut modest = autoscaled("shop");
    modest.spec.run.requests.cpu = some("24m");
    modest.spec.run.limits.memory = some("98Mi");
    let rows = [
        (version("shop"), &none, None, None),
        (version("shop"), &settings, some("50m"), some("1Gi")),
        (autoscaled("shop"), &none, some("100m"), None),
        (autoscaled("shop"), &settings, some("50m"), some("1Gi")),
        (modest.clone(), &none, some("24m"), some("98Mi")),
        (modest, &settings, some("24m"), some("98Mi")),
    ];
    for (version, settings, cpu, memory) in rows {
        assert_eq!(cpu_and_memory(version, settings), (cpu, memory));
    }
}

#[test]
fn the_author_may_set_port_and_nothing_else_of_ours() {
    let mut shop = version("shop");
    for name in ["PORT", "HOPS_ENV"] {
        shop.spec
            .env
            .insert(name.to_owned(), EnvValue::Text("mine".to_owned()));
    }
    let env = env_of(shop);
    assert_eq!(env["PORT"], "mine");
    assert_eq!(env["HOPS_ENV"], "test");
}

#[test]
fn dollars_are_the_authors_own() {
    let mut shop = version("shop");
    shop.spec.env.insert(
        "PRICE".to_owned(),
        EnvValue::Text("$(PORT) $$ $".to_owned()),
    );
    assert_eq!(env_of(shop)["PRICE"], "$(PORT) $$ $");
}

#[test]
fn pods_are_replaced_for_their_content_and_nothing_else() {
    let first = label_of(version("shop"));
    assert_eq!(first.len(), 10);

    let same: [fn(&mut Version); 3] = [
        |v| v.spec.run.scale = Scale::Fixed(7),
        |v| v.spec.hosts.clear(),
        |v| v.spec.service_names.push("other".to_owned()),
    ];
    for change in same {
        let mut changed = version("shop");
        change(&mut changed);
        assert_eq!(label_of(changed), first);
    }

    let other: [fn(&mut Version); 8] = [
        |v| v.image.push('0'),
        |v| http(v).port = 8080,
        |v| http(v).readiness_path = "/".to_owned(),
        |v| v.spec.env.clear(),
        |v| v.spec.run.command = Some(vec!["work".to_owned()]),
        |v| v.spec.run.grace_period = 10,
        |v| v.spec.run.limits.memory = Some("98Mi".to_owned()),
        |v| v.spec.run.node_selector = [("disk".to_owned(), "ssd".to_owned())].into(),
    ];
    for change in other {
        let mut changed = version("shop");
        change(&mut changed);
        assert_ne!(label_of(changed), first);
    }
}

#[test]
fn selectors_name_what_never_changes() {
    let deployment = objects(version("shop")).deployments.remove(0);
    let selector = deployment.spec.unwrap().selector.match_labels.unwrap();
    let keys: Vec<&str> = selector.keys().map(String::as_str).collect();
    assert_eq!(keys, [labels::APP, labels::APPLING, labels::ENVIRONMENT]);
}

fn release_command(version: Version, started: bool) -> Job {
    let mut wanted = wanted(Environment::Test, Vec::new());
    wanted.commands = vec![ReleaseCommand {
        id: uuid::Uuid::from_u128(0x0123_4567_89ab_cdef),
        release: 7,
        version,
        started,
    }];
    desired(&wanted, &Settings::new("main")).jobs.remove(0)
}

#[test]
fn a_release_command() {
    let mut shop = version("shop");
    let words = ["rake", "db:migrate", "--cost=$(PORT) $"];
    shop.spec.run.release_command = Some(words.map(str::to_owned).to_vec());
    let job = release_command(shop.clone(), true);
    insta::assert_snapshot!(serde_json::to_string_pretty(&job).unwrap());
    // Before it may run it is the same Job, suspended.
    let mut before = release_command(shop, false);
    let suspended = before.spec.as_mut().unwrap().suspend.replace(false);
    assert_eq!(suspended, Some(true));
    assert_eq!(before, job);
}

#[test]
fn a_release_command_runs_behind_the_wall_of_its_version() {
    let names = |before: bool, after: bool| {
        let shop = |isolated: bool| {
            let mut shop = version("shop");
            shop.spec.run.isolation = isolated.then(Default::default);
            shop
        };
        let mut wanted = wanted(Environment::Test, vec![shop(before)]);
        wanted.commands = vec![ReleaseCommand {
            id: uuid::Uuid::nil(),
            release: 7,
            version: shop(after),
            started: true,
        }];
        let walls = desired(&wanted, &Settings::new("main")).network_policies;
        walls
            .into_iter()
            .filter_map(|wall| wall.metadata.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(false, true), ["shop.jobs"]);
    assert_eq!(names(true, false), ["shop"]);
    assert_eq!(names(true, true), ["shop", "shop.jobs"]);
}

#[test]
fn no_service_sends_to_a_release_command_nor_does_a_deployment_count_it() {
    let job = release_command(version("shop"), true);
    let labels = job.spec.unwrap().template.metadata.unwrap().labels.unwrap();
    let selector = labels::selecting(
        &"shop".parse().unwrap(),
        Environment::Test,
        &"shop".parse().unwrap(),
    );
    assert!(selector.iter().any(|(key, _)| !labels.contains_key(key)));
    assert_eq!(labels::appling_of(&labels), None);
}

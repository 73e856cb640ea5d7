//! What good files mean.

use std::collections::BTreeMap;

use super::{appling, good, one, shop, told};
use crate::{ApplingName, Code, Environment, Scale};

#[test]
fn an_empty_file_is_an_appling_with_every_default() {
    for text in ["", "\n", "# nothing\n", "\u{feff}", "\r\n"] {
        let appling = appling(text);
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(appling);
        }
    }
}

#[test]
fn every_key_in_effect_is_read() {
    let assembled = one(r#"
        default_environment = "prod"
        name = "front_end"
        port = 8_080
        readiness_path = "/api/health?full=1"
        liveness_path = "/"
        replicas = 0
        domains = ["Shop.Example.com", "xn--bl-wia.no"]
        [env.prod]
        HOST = "https://shop.example.com"
        [env.common]
        HOST = "http://localhost"
        LIMIT = 0x10
        DEBUG = true
        [env.snap3]
        "#);
    assert_eq!(assembled.diagnostics, []);
    insta::assert_json_snapshot!(good(assembled));
}

#[test]
fn an_environment_overrides_what_is_common() {
    let appling = appling(
        "[env.prod]\nHOST = 'p'\nPORT = 5000\n[env.common]\nHOST = 'c'\nLOG = true\n[env.test]\n",
    );
    let env = |environment| {
        let env: BTreeMap<_, _> = appling
            .env_for(environment)
            .into_iter()
            .map(|(name, value)| (name, value.plain().unwrap()))
            .collect();
        format!("{env:?}")
    };
    assert_eq!(
        env(Environment::Prod),
        r#"{"HOST": "p", "LOG": "true", "PORT": "5000"}"#
    );
    assert_eq!(env(Environment::Test), r#"{"HOST": "c", "LOG": "true"}"#);
    assert_eq!(env(Environment::Snap(9)), env(Environment::Test));
}

#[test]
fn windows_files_are_read_like_others() {
    let appling = appling("\u{feff}port = 80\r\n\r\n[env.common]\r\nA = \"b\"");
    assert_eq!(
        (appling.run.http.unwrap().port, appling.env.common.len()),
        (80, 1)
    );
}

#[test]
fn applings_are_named_by_folder_or_file_and_come_as_listed() {
    let iterapp = good(shop(&[
        (
            "iterapp.toml",
            "applings = [\"x/web_front/\", \"./api\"]\n[postgres]",
        ),
        ("x/web_front/iterapp.toml", ""),
        ("x/web_front/Dockerfile", ""),
        ("api/iterapp.toml", "name = \"backend\"\nport = 1"),
        ("api/Dockerfile", ""),
    ]));
    let told: Vec<_> = iterapp
        .applings
        .iter()
        .map(|a| format!("{} in {} from {}", a.name, a.folder, a.build.dockerfile))
        .collect();
    assert_eq!(
        told,
        [
            "web-front in x/web_front from x/web_front/Dockerfile",
            "backend in api from api/Dockerfile"
        ],
    );
}

#[test]
fn the_only_appling_is_called_like_the_app_unless_it_lies_in_a_folder() {
    let name = |files: &[_]| good(shop(files)).applings.remove(0).name.to_string();
    assert_eq!(name(&[("iterapp.toml", ""), ("Dockerfile", "")]), "shop");
    assert_eq!(
        name(&[("iterapp.toml", "name = 'till'"), ("Dockerfile", "")]),
        "till"
    );
    let listed = ("iterapp.toml", "applings = ['a/web']");
    assert_eq!(
        name(&[listed, ("a/web/iterapp.toml", ""), ("a/web/Dockerfile", "")]),
        "web"
    );
}

#[test]
fn a_root_that_lists_itself_is_both_root_and_appling() {
    let iterapp = good(shop(&[
        (
            "iterapp.toml",
            "applings = ['.', 'api']\nport = 80\ndefault_environment = 'prod'",
        ),
        ("Dockerfile", ""),
        ("api/iterapp.toml", ""),
        ("api/Dockerfile", ""),
    ]));
    let port = |appling: &crate::Appling| appling.run.http.as_ref().unwrap().port;
    let [root, api] = &iterapp.applings[..] else {
        panic!("two")
    };
    assert_eq!(
        (root.name.as_ref(), &*root.folder, port(root)),
        ("shop", "", 80)
    );
    assert_eq!(
        (api.name.as_ref(), &*api.folder, port(api)),
        ("api", "api", 3000)
    );
}

#[test]
fn services_have_the_documented_name_and_the_plain_one() {
    let app = "shop".parse().unwrap();
    let api = ApplingName::parse("api").unwrap();
    let mut iterapp = good(one("name = 'api'"));
    assert_eq!(iterapp.service_names(&app, &api), ["api"]);
    iterapp.applings.push(iterapp.applings[0].clone());
    assert_eq!(iterapp.service_names(&app, &api), ["shop-api", "api"]);
}

#[test]
fn what_public_files_hold_stops_nothing() {
    let assembled = one(r#"
        emoji = "👩🏽‍🚀"
        from_to_www_redirect = true
        auto_deploy_env = "prod"
        health = "/up"
        domain = "a.example.com"
        [requests]
        memory = "98Mi"
        cpu = "24m"
        [postgres]
        [build]
        build_in_kubernetes = true
        [build_secrets]
        "settings.xml" = { encrypted = "abc" }
        [build_secrets.my-secret]
        encrypted = "abc"
        [env.prod]
        [env.common]
        PORT = 5000
        KEY = { secret = "firebase", key = "private_key" }
        [ingress]
        disable = false
        [experimental]
        whisper-runner = "true"
        isolate-appling = "namespace"
        isolate-allow-apps = "100"
        [cronjobs.tidy]
        schedule = "0 3 * * *"
        path = "/api/tidy"
        [cronjobs.tidy.headers]
        Authorization = "x"
        "#);
    let codes: Vec<_> = assembled
        .diagnostics
        .iter()
        .map(|problem| problem.code)
        .collect();
    let told = [Code::OlderSpelling, Code::UnknownSwitch, Code::NoEffect];
    assert!(codes.iter().all(|code| told.contains(code)), "{codes:?}");
    insta::assert_json_snapshot!(good(assembled));
}

#[test]
fn an_override_is_laid_over_key_by_key() {
    let appling = appling(
        "replicas = 3
        grace_period = 5
        [requests]
        cpu = '100m'
        memory = '1Gi'
        [cronjobs.tidy]
        schedule = '@daily'
        path = '/tidy'
        [override.prod.requests]
        cpu = 2
        [override.prod.autoscale]
        max = 9
        [override.snap0]
        replicas = 1
        cronjobs.tidy.schedule = '@hourly'
        cronjobs.other = { schedule = '@weekly', command = 'x' }
        ",
    );
    let prod = appling.run_in(Environment::Prod);
    assert_eq!(prod.requests.cpu.as_deref(), Some("2"));
    assert_eq!(prod.requests.memory.as_deref(), Some("1Gi"));
    assert_eq!(prod.grace_period, 5);
    let Scale::Auto(scale) = &prod.scale else {
        panic!("{:?}", prod.scale)
    };
    assert_eq!((scale.min, scale.max, scale.cpu), (2, 9, 80));
    let snap = appling.run_in(Environment::Snap(0));
    assert_eq!(snap.scale, Scale::Fixed(1));
    assert_eq!(snap.cronjobs["tidy"].schedule, "@hourly");
    assert_eq!(snap.cronjobs.len(), 2);
    let test = appling.run_in(Environment::Test);
    assert_eq!(test.scale, Scale::Fixed(3));
    assert_eq!(test.cronjobs["tidy"].schedule, "@daily");
}

#[test]
fn a_worker_has_no_http_and_a_disabled_ingress_no_hosts() {
    assert_eq!(appling("worker = true").run.http, None);
    let inside = appling("[ingress]\ndisable = true").run.http.unwrap();
    assert_eq!(inside.ingress, None);
    assert_eq!(inside.port, 3000);
}

#[test]
fn commands_are_split_like_a_shell_does() {
    let command = |text: &str| appling(&format!("command = {text}")).run.command.unwrap();
    assert_eq!(
        command(r#""node 'my server.js' --a=b""#),
        ["node", "my server.js", "--a=b"]
    );
    assert_eq!(command(r#"["sh", "-c", "a && b"]"#), ["sh", "-c", "a && b"]);
    assert_eq!(command(r#""sh -c 'a && b'""#), ["sh", "-c", "a && b"]);
}

#[test]
fn one_domain_leads_to_two_applings_by_path() {
    let files = [
        ("iterapp.toml", "applings = ['web', 'api']"),
        (
            "web/iterapp.toml",
            "domains = ['a.no']\n[ingress]\npaths = ['/']",
        ),
        ("web/Dockerfile", ""),
        (
            "api/iterapp.toml",
            "domains = ['a.no']\n[ingress]\npaths = ['/api/', { prefix = '/v2', rewrite = '/' }]",
        ),
        ("api/Dockerfile", ""),
    ];
    let iterapp = good(shop(&files));
    let http = iterapp.applings[1].run.http.as_ref().unwrap();
    let paths = &http.ingress.as_ref().unwrap().paths;
    let told: Vec<_> = paths
        .iter()
        .map(|path| (&*path.prefix, path.rewrite.as_deref()))
        .collect();
    assert_eq!(told, [("/api", None), ("/v2", Some("/"))]);
}

#[test]
fn a_dockerfile_may_lie_anywhere() {
    let iterapp = good(shop(&[
        (
            "iterapp.toml",
            "[build]\ndockerfile = './docker/web'\ntarget = 'prod'\nwatch = ['src/**']\n[build.args]\nA = 1",
        ),
        ("docker/web", ""),
    ]));
    let build = &iterapp.applings[0].build;
    assert_eq!(build.dockerfile, "docker/web");
    assert_eq!(build.args["A"], "1");
    assert_eq!(build.watch, ["src/**"]);
}

#[test]
fn a_database_beside_a_list_is_everybodys() {
    let iterapp = good(shop(&[
        ("iterapp.toml", "applings = ['.', 'api']\n[postgres]"),
        ("Dockerfile", ""),
        ("api/iterapp.toml", "[postgres]\nextensions = ['uuid-ossp']"),
        ("api/Dockerfile", ""),
    ]));
    assert!(iterapp.postgres.is_some());
    assert_eq!(iterapp.applings[0].postgres, None);
    let own = iterapp.applings[1].postgres.as_ref().unwrap();
    assert_eq!(own.extensions, ["uuid-ossp"]);
}

#[test]
fn the_model_survives_json() {
    let iterapp = good(one(
        "domains = ['a.example.com']\n[env.common]\nA = 1\nB = '1'\nC = true",
    ));
    let json = serde_json::to_string(&iterapp).unwrap();
    assert_eq!(
        serde_json::from_str::<crate::Iterapp>(&json).unwrap(),
        iterapp
    );
}

#[test]
fn a_name_is_not_judged_by_its_neighbours() {
    assert_eq!(told("[env.prod]\nsecret = 'a'\nencrypted = 'b'"), "");
    assert_eq!(told("[env]\ncommon.A = 1\nprod = { A = 2 }"), "");
}

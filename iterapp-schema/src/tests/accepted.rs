//! What good files mean.

use std::collections::BTreeMap;

use super::{appling, good, one, shop, told};
use crate::{ApplingName, Code, Environment};

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
fn keys_of_later_are_known_and_stop_nothing() {
    let assembled = one(r#"
        emoji = "👩‍💻"
        from_to_www_redirect = true
        auto_deploy_env = "prod"
        health = "/up"
        domain = "a.example.com"
        [requests]
        memory = "98Mi"
        [postgres]
        [build]
        build_in_kubernetes = true
        [build_secrets]
        "settings.xml" = { encrypted = "abc" }
        [build_secrets.my-secret]
        encrypted = "abc"
        [ingress]
        disable = false
        [experimental]
        whisper-runner = "true"
        [cronjobs.tidy]
        schedule = "0 3 * * *"
        path = "/api/tidy"
        [cronjobs.tidy.headers]
        Authorization = "x"
        "#);
    assert!(
        assembled
            .diagnostics
            .iter()
            .all(|problem| problem.code == Code::NotInEffect)
    );
    assert_eq!(assembled.diagnostics.len(), 12);
    assert!(assembled.iterapp.is_some());
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

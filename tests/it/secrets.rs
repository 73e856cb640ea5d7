//! Secret values: sealed in the file, given to the platform, and of the namespace; as variables, files,
//! headers and in builds. What the app sees is the value; what everybody else sees is not.

use serde_json::{Value, json};
use tests::{App, Deployed, Hops, Kube, Repo, eventually, server_image, shared};

/// Seals a value for an app.
async fn sealed(app: &str, options: &[&str], value: &str) -> String {
    let hops = Hops::of(shared());
    let arguments = [&["--json", "seal", "-a", app][..], options].concat();
    let ran = hops.run_in(hops.home(), &arguments, value).await.ok();
    ran.json()["encrypted"].as_str().expect("a text").to_owned()
}

async fn set_secret(app: &App<'_>, name: &str, key: &str, value: &str) {
    let hops = Hops::of(shared());
    let set = ["secrets", "set", "-a", &app.name, "-e", "test", name, key];
    hops.run_in(hops.home(), &set, value).await.ok();
}

/// A variable as the running app sees it, once it is as wanted.
async fn sees(app: &App<'_>, name: &str, wanted: &str) {
    let asked = || async {
        let env = tests::get(&app.host("test"), "/env").await;
        (env.status == 200 && env.json()[name] == wanted).then_some(())
    };
    eventually(&format!("{} sees {name}", app.name), asked).await;
}

async fn file(app: &App<'_>, path: &str) -> String {
    app.get("test", &format!("/file?path={path}")).await.body
}

/// Everything that Kubernetes has of an app's environment, but for Secrets.
fn objects(namespace: &str) -> String {
    let kinds = "deployments,replicasets,pods,configmaps,cronjobs,services,ingresses,events";
    Kube::run(&["get", kinds, "-n", namespace, "-o", "json"])
}

// Proves: X10
#[tokio::test]
async fn a_sealed_value_is_seen_by_the_app_alone() {
    let app = shared().app("sealed").await;
    let value = "open sesame 4711";
    let everywhere = sealed(&app.name, &[], value).await;
    let in_test = sealed(&app.name, &["-e", "test"], "only in test").await;
    let iterapp = format!(
        "replicas = 1\n[env.common]\nTOKEN = {{ encrypted = \"{everywhere}\" }}\n\
         [env.test]\nHERE = {{ encrypted = \"{in_test}\" }}\n\
         [files]\n\"/etc/shop/key.pem\" = {{ encrypted = \"{everywhere}\" }}\n\
         \"/etc/shop/colour\" = \"blue\"\n"
    );
    let release = app.push_live(&Repo::server("one", &iterapp).await).await;
    sees(&app, "TOKEN", value).await;
    sees(&app, "HERE", "only in test").await;
    let files = [
        file(&app, "/etc/shop/key.pem").await,
        file(&app, "/etc/shop/colour").await,
    ];
    assert_eq!(files, [value, "blue"]);
    // Files of the image beside them stay.
    assert!(!file(&app, "/message").await.is_empty());

    let told = [
        objects(&app.namespace("test")),
        app.log(&release).await,
        app.status().await.to_string(),
        Value::from(app.releases().await).to_string(),
    ];
    for text in told {
        assert!(!text.contains(value), "{text}");
    }
}

#[tokio::test]
async fn a_value_that_was_sealed_for_another_is_a_mistake_at_its_place() {
    let app = shared().app("sealed").await;
    let foreign = sealed("another-app", &[], "open sesame 4712").await;
    let elsewhere = sealed(&app.name, &["-e", "prod"], "open sesame 4713").await;
    let own = sealed(&app.name, &[], "open sesame 4714").await;
    let tampered: String = own
        .char_indices()
        .map(|(at, c)| match (at, c) {
            (80, 'A') => 'B',
            (80, _) => 'A',
            (_, c) => c,
        })
        .collect();
    let iterapp = format!(
        "[env.common]\nA = {{ encrypted = \"{foreign}\" }}\nB = {{ encrypted = \"{elsewhere}\" }}\n\
         C = {{ encrypted = \"{tampered}\" }}\nD = {{ secret = \"firebase\", key = \"private_key\" }}\n"
    );
    let pushed = app.push(&Repo::server("one", &iterapp).await).await;
    let release = app.last_release().await;
    assert_eq!(release.state(), "failed");
    for told in [release.reason(), &pushed.output] {
        for place in [
            "iterapp.toml:2:",
            "iterapp.toml:3:",
            "iterapp.toml:4:",
            "iterapp.toml:5:",
        ] {
            assert!(told.contains(place), "{place} in {told}");
        }
        assert!(told.contains("E0803") && told.contains("E0804"), "{told}");
        assert!(!told.contains("open sesame"), "{told}");
    }
    let set = format!(
        "hops secrets set -a {} -e test firebase private_key",
        app.name
    );
    assert!(release.reason().contains(&set), "{}", release.reason());
}

// Proves: X11 K29 K30 K32
#[tokio::test]
async fn named_secrets_come_from_the_platform_or_the_namespace() {
    let app = shared().app("named").await;
    set_secret(&app, "firebase", "private_key", "open sesame 4715").await;
    let iterapp =
        "replicas = 1\n[env.common]\nKEY = { secret = \"firebase\", key = \"private_key\" }\n";
    let repo = Repo::server("one", iterapp).await;
    let release = app.push_live(&repo).await;
    sees(&app, "KEY", "open sesame 4715").await;
    let image = image_of(&release);

    // Set anew, pods get it, by a roll and without a build.
    set_secret(&app, "firebase", "private_key", "open sesame 4716").await;
    sees(&app, "KEY", "open sesame 4716").await;
    let namespace = app.namespace("test");
    let old_ones_go = || async {
        let names = Kube::names("secrets", &namespace);
        let of_env = names.iter().filter(|name| name.contains("-env-"));
        (of_env.count() == 1).then_some(())
    };
    eventually("what no pod names any more goes", old_ones_go).await;

    // Not the platform's: the Secret of the namespace.
    let hops = Hops::of(shared());
    let list = ["secrets", "list", "-a", &app.name, "-e", "test", "--json"];
    let listed = hops.run(&list).await.ok();
    assert_eq!(listed.json()[0]["name"], "firebase");
    assert!(!listed.out.contains("sesame"), "{}", listed.out);
    Kube::run(&[
        "create",
        "secret",
        "generic",
        "own",
        "-n",
        &namespace,
        "--from-literal=k=open sesame 4717",
    ]);
    let iterapp = "replicas = 1\n[env.common]\nKEY = { secret = \"own\", key = \"k\" }\n";
    repo.write("iterapp.toml", iterapp);
    repo.commit("two").await;
    let release = app.push_live(&repo).await;
    sees(&app, "KEY", "open sesame 4717").await;
    assert!(!objects(&namespace).contains("open sesame"));
    let delete = [
        "secrets", "delete", "-a", &app.name, "-e", "test", "firebase",
    ];
    hops.run(&delete).await.ok();
    assert_eq!(hops.run(&delete).await.code, 1);
    let _ = (image, image_of(&release));
}

fn image_of(release: &Deployed) -> Value {
    release.0["applings"][0]["image"].clone()
}

// Proves: X12
#[tokio::test]
async fn a_build_secret_is_mounted_and_is_in_no_image() {
    let app = shared().app("buildsecret").await;
    let secret = "open sesame 4718";
    let value = sealed(&app.name, &[], secret).await;
    let repo = Repo::empty().await;
    let iterapp = format!(
        "replicas = 1\n[build_secrets]\n\"settings.xml\" = {{ encrypted = \"{value}\" }}\n"
    );
    repo.write("iterapp.toml", &iterapp);
    let server = server_image();
    repo.write(
        "Dockerfile",
        &format!(
            "FROM busybox AS work\nRUN --mount=type=secret,id=settings.xml \\\n\
             wc -c < /run/secrets/settings.xml > /length && echo \"seen: $(cat /run/secrets/settings.xml)\"\n\
             FROM {server}\nCOPY --from=work /length /length\n"
        ),
    );
    repo.commit("one").await;
    let release = app.push_live(&repo).await;
    assert_eq!(file(&app, "/length").await.trim(), secret.len().to_string());
    let log = app.log(&release).await;
    assert!(log.contains("seen: ***") && !log.contains(secret), "{log}");
    let builds = app.status().await.to_string();
    assert!(!builds.contains(secret));
    assert_eq!(json!(release.state()), "live");
}

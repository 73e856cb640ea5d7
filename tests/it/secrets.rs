//! Secret values: sealed in the file, given to the platform, and of the namespace; as variables, files,
//! headers and in builds. What the app sees is the value; what everybody else sees is not.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tests::{
    App, Deployed, Forge, Hops, Kube, Options, Platform, Pod, Repo, Role, eventually, find_below,
    find_in, is_secret, server_image, setting, shared, unique,
};

/// Seals a value for an app.
async fn sealed(app: &str, options: &[&str], value: &str) -> String {
    is_secret(value);
    let hops = Hops::of(shared());
    let arguments = [&["--json", "seal", "-a", app][..], options].concat();
    let ran = hops.run_in(hops.home(), &arguments, value).await.ok();
    ran.json()["encrypted"].as_str().expect("a text").to_owned()
}

async fn set_secret(app: &App<'_>, name: &str, key: &str, value: &str) {
    is_secret(value);
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
    app.file_is("test", "/etc/shop/key.pem", value).await;
    app.file_is("test", "/etc/shop/colour", "blue").await;
    // Files of the image beside them stay.
    assert!(!app.file("test", "/message").await.is_empty());

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
    // The key's id stands behind the version and the scope.
    let mut bytes = URL_SAFE_NO_PAD.decode(&own).expect("base64");
    bytes[2..6].fill(0);
    let unknown = URL_SAFE_NO_PAD.encode(bytes);
    let iterapp = format!(
        "[env.common]\nA = {{ encrypted = \"{foreign}\" }}\nB = {{ encrypted = \"{elsewhere}\" }}\n\
         C = {{ encrypted = \"{tampered}\" }}\nD = {{ secret = \"firebase\", key = \"private_key\" }}\n\
         E = {{ encrypted = \"{unknown}\" }}\n"
    );
    let pushed = app.push(&Repo::server("one", &iterapp).await).await;
    let release = app.last_release().await;
    assert_eq!(release.state(), "failed");
    for told in [release.reason(), &pushed.output] {
        // Where each value stands.
        for place in [
            "iterapp.toml:2:20",
            "iterapp.toml:3:20",
            "iterapp.toml:4:20",
            "iterapp.toml:5:17",
            "iterapp.toml:6:20",
        ] {
            assert!(told.contains(place), "{place} in {told}");
        }
        let unknown = "was sealed with the key 00000000, which this platform does not have";
        assert!(told.contains(unknown), "{told}");
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
    let iterapp = "replicas = 1\n[env.common]\nKEY = { secret = \"firebase\", key = \"private_key\" }\n\
                   [files]\n\"/etc/shop/key\" = { secret = \"firebase\", key = \"private_key\" }\n";
    let repo = Repo::server("one", iterapp).await;
    app.push_live(&repo).await;
    sees(&app, "KEY", "open sesame 4715").await;
    app.file_is("test", "/etc/shop/key", "open sesame 4715")
        .await;
    let images = || -> Vec<Value> {
        let pods = Pod::all(&app.namespace("test"));
        let image = |pod: &Pod| pod.spec()["image"].clone();
        pods.iter().map(image).collect()
    };
    let before = images();

    // Set anew, pods get it, by a roll and without a build.
    set_secret(&app, "firebase", "private_key", "open sesame 4716").await;
    sees(&app, "KEY", "open sesame 4716").await;
    app.file_is("test", "/etc/shop/key", "open sesame 4716")
        .await;
    let image_is_the_same = || async { (images() == before).then_some(()) };
    eventually("one pod of the same image", image_is_the_same).await;
    let namespace = app.namespace("test");
    let old_ones_go = || async {
        let names = Kube::names("secrets", &namespace);
        let of_env = names.iter().filter(|name| name.contains("-env-"));
        (of_env.count() == 1).then_some(())
    };
    eventually("what no pod names any more goes", old_ones_go).await;

    // What the app cannot start without is deleted by no slip.
    let delete = [
        "secrets", "delete", "-a", &app.name, "-e", "test", "firebase",
    ];
    let refused = Hops::of(shared()).run(&delete).await;
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("cannot be built or start without it"),
        "{}",
        refused.err
    );

    // Not the platform's: the Secret of the namespace.
    let hops = Hops::of(shared());
    let list = ["secrets", "list", "-a", &app.name, "-e", "test", "--json"];
    let listed = hops.run(&list).await.ok();
    assert_eq!(listed.json()[0]["name"], "firebase");
    assert!(!listed.out.contains("sesame"), "{}", listed.out);
    is_secret("open sesame 4717");
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
    app.push_live(&repo).await;
    sees(&app, "KEY", "open sesame 4717").await;
    assert!(!objects(&namespace).contains("open sesame"));
    let told = [
        app.log(&app.last_release().await).await,
        app.status().await.to_string(),
    ];
    assert!(!told.concat().contains("sesame"), "{told:?}");
    hops.run(&delete).await.ok();
    assert_eq!(hops.run(&delete).await.code, 1);
}

fn image_of(release: &Deployed) -> Value {
    release.0["applings"][0]["image"].clone()
}

// Proves: X12
#[tokio::test]
async fn a_build_secret_is_mounted_and_is_in_no_image() {
    let app = shared().app("buildsecret").await;
    let (secret, canary) = (unique("sesame"), unique("canary"));
    let value = sealed(&app.name, &[], &secret).await;
    let named = unique("named-sesame");
    set_secret(&app, "registry", "token", &named).await;
    let repo = Repo::empty().await;
    let iterapp = format!(
        "replicas = 1\n[build_secrets]\n\"settings.xml\" = {{ encrypted = \"{value}\" }}\n\
         npmrc = {{ secret = \"registry\", key = \"token\" }}\n"
    );
    repo.write("iterapp.toml", &iterapp);
    let server = server_image();
    repo.write(
        "Dockerfile",
        &format!(
            "FROM busybox AS work\nRUN --mount=type=secret,id=settings.xml --mount=type=secret,id=npmrc \\\n\
             cat /run/secrets/settings.xml /run/secrets/npmrc | wc -c > /length && echo {canary} > /canary && \\\n\
             echo \"seen: $(cat /run/secrets/settings.xml) and $(cat /run/secrets/npmrc)\"\n\
             FROM {server}\nCOPY --from=work /length /canary /\n"
        ),
    );
    repo.commit("one").await;
    let begun = std::time::SystemTime::now();
    let release = app.push_live(&repo).await;
    let length = format!("{}\n", secret.len() + named.len());
    app.file_is("test", "/length", &length).await;
    let told = [app.log(&release).await, app.status().await.to_string()].concat();
    assert!(told.contains("seen: *** and ***"), "{told}");
    assert!(!told.contains(&secret) && !told.contains(&named), "{told}");

    // The search finds what is there, in the layers and in what the builder keeps; and not the secret.
    let secrets = [secret.as_str(), named.as_str()];
    let texts = [secret.as_str(), named.as_str(), canary.as_str()];
    let image = image_of(&release);
    let blobs = tests::image_blobs(image.as_str().expect("an image")).await;
    let found: Vec<String> = blobs
        .iter()
        .flat_map(|blob| find_in(blob, &texts))
        .collect();
    assert!(
        found.contains(&canary)
            && !secrets
                .iter()
                .any(|secret| found.iter().any(|text| text == secret)),
        "{found:?}"
    );
    let kept = std::path::Path::new(&setting("HOPS_STATE")).join("buildkit");
    let found = find_below(&kept, begun, &texts);
    assert!(found.iter().any(|(_, text)| *text == canary), "{found:?}");
    assert!(
        found
            .iter()
            .all(|(_, text)| !secrets.contains(&text.as_str())),
        "{found:?}"
    );

    // What a build needs is deleted by no slip either.
    let delete = [
        "secrets", "delete", "-a", &app.name, "-e", "test", "registry",
    ];
    let refused = Hops::of(shared()).run(&delete).await;
    assert_eq!(refused.code, 1, "{}", refused.out);

    // Another secret is no other build: it is no part of what a step is known by.
    set_secret(&app, "registry", "token", &unique("another-sesame")).await;
    repo.write("README", "nothing that the image has");
    repo.commit("two").await;
    let release = app.push_live(&repo).await;
    let log = app.log(&release).await;
    let is_cached =
        |line: &str| line.contains("CACHED") && line.contains("RUN --mount=type=secret");
    assert!(log.lines().any(is_cached), "{log}");
}

// Proves: K28 K30 K31
#[tokio::test]
async fn plain_configuration_is_variables_and_files_and_is_warned_of_when_it_is_no_plain_one() {
    let app = shared().app("config").await;
    let iterapp = "replicas = 1\n[env.common]\nGREETING = \"hello\"\nSMTP_PASSWORD = \"open-sesame-4720\"\n\
                   [files]\n\"/etc/shop/settings.json\" = '{ \"colour\": \"blue\" }'\n";
    let repo = Repo::server("one", iterapp).await;
    let pushed = app.push(&repo).await;
    let release = app.last_release().await;
    assert_eq!(release.state(), "live", "{}", pushed.output);
    sees(&app, "GREETING", "hello").await;
    let settings = "/etc/shop/settings.json";
    let blue = "{ \"colour\": \"blue\" }";
    app.file_is("test", settings, blue).await;
    let maps = Kube::names("configmaps", &app.namespace("test"));
    for kind in ["-env-", "-files-"] {
        assert!(maps.iter().any(|name| name.contains(kind)), "{maps:?}");
    }
    let log = app.log(&release).await;
    for told in [&log, &pushed.output] {
        let place = "iterapp.toml:4:17";
        assert!(told.contains("W0801") && told.contains(place), "{told}");
        assert!(!told.contains("open-sesame"), "{told}");
    }
    // A changed file replaces the pods.
    repo.write("iterapp.toml", &iterapp.replace("blue", "green"));
    repo.commit("two").await;
    app.push_live(&repo).await;
    let green = "{ \"colour\": \"green\" }";
    app.file_is("test", settings, green).await;
}

// A release command's pod is shown after its end: without what was secret then, also when that has changed.
// Proves: K32
#[tokio::test]
async fn what_ended_pods_said_stays_blotted_out() {
    let app = shared().app("ended").await;
    set_secret(&app, "door", "word", "open sesame 4731").await;
    let iterapp = "replicas = 1\nrelease_command = [\"sh\", \"-c\", \"echo said: $WORD\"]\n\
                   [env.common]\nWORD = { secret = \"door\", key = \"word\" }\n";
    let repo = Repo::server("one", iterapp).await;
    let server = server_image();
    repo.write(
        "Dockerfile",
        &format!(
            "FROM {server} AS server\nFROM busybox\nCOPY --from=server /server /server\n\
             COPY message /\nCMD [\"/server\"]\n"
        ),
    );
    repo.commit("with a shell").await;
    app.push_live(&repo).await;
    let namespace = app.namespace("test");
    let before: Vec<Pod> = Pod::all(&namespace)
        .into_iter()
        .filter(Pod::is_running)
        .collect();
    set_secret(&app, "door", "word", "open sesame 4732").await;
    sees(&app, "WORD", "open sesame 4732").await;
    let gone = || async {
        before
            .iter()
            .all(|pod| pod.again().name().is_empty())
            .then_some(())
    };
    eventually("the pods of before are gone", gone).await;
    // What nobody needs any more would go with the next pass.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let hops = Hops::of(shared());
    let logs = hops
        .run(&["logs", "-a", &app.name, "-e", "test"])
        .await
        .ok();
    assert!(logs.out.contains("said: ***"), "{}", logs.out);
    assert!(!logs.out.contains("sesame"), "{}", logs.out);
}

// What is too long to be shown whole is cut, but not before what is secret in it is gone.
// Proves: K32
#[tokio::test]
async fn no_half_of_a_secret_is_shown() {
    let app = shared().app("halves").await;
    let secret = unique("sesame") + &"0123456789".repeat(60);
    set_secret(&app, "long", "value", &secret).await;
    let repo = Repo::empty().await;
    let iterapp = "replicas = 1\n[env.common]\nLONG = { secret = \"long\", key = \"value\" }\n";
    repo.write("iterapp.toml", iterapp);
    // Not all that an app writes is text.
    let words = "printf '%490s%s\\n\\374\\n' begun: \"$LONG\"\nexit 3\n";
    repo.write("say.sh", words);
    repo.write(
        "Dockerfile",
        "FROM busybox\nCOPY say.sh /\nCMD [\"sh\", \"/say.sh\"]\n",
    );
    repo.commit("prints it and ends").await;
    let pushed = app.push(&repo).await;
    let release = app.last_release().await;
    assert_eq!(release.state(), "failed");
    let told = [release.reason(), &pushed.output, &app.log(&release).await].concat();
    assert!(told.contains("begun:***"), "{told}");
    assert!(!told.contains("sesame"), "{told}");
}

// Proves: K32
#[tokio::test]
async fn what_pods_say_of_their_secrets_is_blotted_out() {
    let app = shared().app("blotted").await;
    let secret = "open sesame/4721?";
    set_secret(&app, "door", "word", secret).await;
    let iterapp = "replicas = 1\n[env.common]\nWORD = { secret = \"door\", key = \"word\" }\n";
    app.push_live(&Repo::server("one", iterapp).await).await;
    app.get("test", "/say?text=open%20sesame%2F4721%3F").await;
    let hops = Hops::of(shared());
    let told = || async {
        let logs = hops.run(&["logs", "-a", &app.name]).await.ok().out;
        let blots = logs.lines().filter(|line| line.contains("***"));
        (blots.count() >= 3).then_some(logs)
    };
    let logs = eventually("lines without the secret", told).await;
    for form in ["sesame", "c2VzYW1l", "NlcHNhbW", "b3BlbiBz"] {
        assert!(!logs.contains(form), "{logs}");
    }
    assert!(logs.contains("said: ***"), "{logs}");

    // The last words of a container that fails are a release's reason.
    let iterapp = iterapp.replace("replicas = 1", "replicas = 1\nreadiness_path = \"/broken\"");
    let repo = Repo::empty().await;
    repo.write("iterapp.toml", &iterapp);
    repo.write(
        "Dockerfile",
        "FROM busybox\nCMD [\"sh\", \"-c\", \"echo my word is $WORD; exit 3\"]\n",
    );
    repo.commit("two").await;
    let pushed = app.push_refs(&repo, &["+HEAD:refs/heads/main"]).await;
    let release = app.last_release().await;
    assert_eq!(release.state(), "failed", "{}", pushed.output);
    for told in [release.reason(), &pushed.output] {
        assert!(
            told.contains("my word is ***") && !told.contains("sesame"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn a_new_key_seals_and_the_old_one_opens_until_the_files_are_sealed_anew() {
    // A platform of its own: its keys are everybody's.
    let platform = Platform::start(Options::default());
    let hops = Hops::of(&platform);
    let app = platform.app("rekey").await;
    let seal = ["--json", "seal", "-a", &app.name];
    is_secret("open sesame 4722");
    let old = hops
        .run_in(hops.home(), &seal, "open sesame 4722")
        .await
        .ok();
    let old = old.json()["encrypted"].as_str().expect("a text").to_owned();
    let iterapp = format!(
        "replicas = 1\n# kept as it is\n[env.common]\nTOKEN = {{ encrypted = \"{old}\" }} # and this\n"
    );
    let repo = Repo::server("one", &iterapp).await;
    app.push_live(&repo).await;

    platform.administer(&["sealing-keys", "rotate"]);
    let keys = platform.administer(&["sealing-keys", "list"]);
    let ids: Vec<&str> = keys
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(ids.len(), 2, "{keys}");
    // Retired, it opens what it sealed: a release of the old commit.
    repo.change("two").await;
    app.push_live(&repo).await;
    sees(&app, "TOKEN", "open sesame 4722").await;

    let path = repo.path().to_str().expect("a path");
    let rekeyed = hops
        .run(&["seal", "-a", &app.name, "--rekey", path])
        .await
        .ok();
    assert!(
        rekeyed.out.contains("iterapp.toml: 1 value sealed anew"),
        "{}",
        rekeyed.out
    );
    let written = std::fs::read_to_string(repo.path().join("iterapp.toml")).expect("the file");
    assert!(!written.contains(&old), "{written}");
    let start = written.find('"').expect("a value") + 1;
    let new = written[start..].split('"').next().expect("a value");
    assert_eq!(written.replace(new, &old), iterapp);
    let again = hops
        .run(&["seal", "-a", &app.name, "--rekey", path])
        .await
        .ok();
    assert!(again.err.contains("newest key already"), "{}", again.err);
    repo.commit("three").await;
    app.push_live(&repo).await;
    sees(&app, "TOKEN", "open sesame 4722").await;
    // Releases that one may go back to need the old one still.
    let refused = platform.try_administer(&["sealing-keys", "delete", ids[1]]);
    assert!(refused.is_err_and(|told| told.contains("hops seal --rekey")));
}

/// The platform's key is changed while an app runs that needs every kind of value that lies under it.
#[tokio::test]
async fn another_key_of_the_platform_takes_the_place_of_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    let keys = |lines: &[&str]| std::fs::write(&file, lines.join("\n")).expect("the key file");
    let (old, new) = (
        "b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2w=",
        "bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmU=",
    );
    keys(&[old]);
    let platform = Platform::start(Options {
        variables: vec![("HOPS_KEY_FILE".to_owned(), file.display().to_string())],
        ..Options::default()
    });
    let restart = || {
        platform.kill(Role::Serve);
        platform.spawn(Role::Serve);
        platform.wait_until_it_answers();
    };
    let token = "forge-token-4733";
    let (given, in_file) = ("given by hand 4731", "open sesame 4732");
    [token, given, in_file].into_iter().for_each(is_secret);
    let ssh = json!({ "name": unique("keyed"), "repository": "ssh://git@127.0.0.1/x.git",
        "deploy_key": true, "known_hosts": "127.0.0.1 ssh-ed25519 AAAA" });
    let _keyed = App::create_as(&platform, &ssh).await;
    let forge = Forge::private(token).await;
    let asked = json!({ "name": unique("keys"), "repository": forge.url, "token": token });
    let app = App::create_as(&platform, &asked).await;
    let hops = Hops::of(&platform);
    let set = [
        "secrets", "set", "-a", &app.name, "-e", "test", "mail", "password",
    ];
    hops.run_in(hops.home(), &set, given).await.ok();
    let seal = ["--json", "seal", "-a", &app.name];
    let sealed = hops.run_in(hops.home(), &seal, in_file).await.ok();
    let sealed = sealed.json()["encrypted"].clone();
    let iterapp = format!(
        "replicas = 1\n[postgres]\n[env.common]\nSEALED = {{ encrypted = {sealed} }}\n\
         GIVEN = {{ secret = \"mail\", key = \"password\" }}\n"
    );
    let repo = Repo::server("under the first key", &iterapp).await;
    // Webhook's secret, forge's token, and all that a release needs.
    let runs = |message: &'static str| {
        let (app, forge, repo, hops) = (&app, &forge, &repo, &hops);
        async move {
            forge.receive(repo, "main").await;
            assert_eq!(forge.announce(app, "main").await, 202);
            app.serves("test", message).await;
            sees(app, "SEALED", in_file).await;
            sees(app, "GIVEN", given).await;
            let info = ["--json", "db", "info", "-a", &app.name, "-e", "test"];
            let info = hops.run(&info).await.ok().json();
            assert_eq!(info[0]["trouble"], Value::Null, "{info}");
            assert!(info[0]["size"].is_number(), "{info}");
        }
    };
    runs("under the first key").await;
    let of_secrets = || Kube::names("secrets", &app.namespace("test"));
    let before = of_secrets();

    keys(&[new, old]);
    restart();
    repo.change("with both").await;
    runs("with both").await;
    let told = platform.administer(&["reseal"]);
    // Two webhook secrets, token, deploy key, database, sealing key, secret, fingerprints' key.
    assert!(told.starts_with("8 of 8 values"), "{told}");
    let told = platform.administer(&["reseal"]);
    assert!(told.starts_with("0 of 8 values"), "{told}");
    keys(&[new]);
    restart();
    repo.change("under the new key").await;
    runs("under the new key").await;
    // What pods know of their secrets is the same still, so they were replaced by pushes alone.
    assert_eq!(of_secrets(), before);

    keys(&[old]);
    let refused = platform.try_administer(&["reseal"]);
    let refused = refused.expect_err("nothing opens with the key before");
    assert!(refused.contains("does not open"), "{refused}");
}

// Proves: K33
#[tokio::test]
async fn a_secret_is_ciphertext_wherever_it_is_kept() {
    let app = shared().app("atrest").await;
    let secret = unique("sesame");
    set_secret(&app, "door", "word", &secret).await;
    let ciphertext = sealed(&app.name, &[], &secret).await;
    let iterapp = format!(
        "replicas = 1\n[env.common]\nWORD = {{ secret = \"door\", key = \"word\" }}\n\
         SEALED = {{ encrypted = \"{ciphertext}\" }}\n"
    );
    let repo = Repo::server("one", &iterapp).await;
    app.push_live(&repo).await;
    sees(&app, "WORD", &secret).await;
    sees(&app, "SEALED", &secret).await;

    // In Kubernetes' store: a Secret there is, and its bytes say nothing.
    let namespace = app.namespace("test");
    let names = Kube::names("secrets", &namespace);
    let name = names.iter().find(|name| name.contains("-env-"));
    let name = name.expect("a Secret of variables");
    let stored = stored_in_etcd(&format!("/registry/secrets/{namespace}/{name}")).await;
    assert!(stored.starts_with(b"k8s:enc:"), "{stored:?}");
    assert!(find_in(&stored, &[&secret]).is_empty());
    // A ConfigMap is found by the same look, and its value is there.
    let sha = release_commit(&app).await;
    let deployment =
        stored_in_etcd(&format!("/registry/deployments/{namespace}/{}", app.name)).await;
    assert_eq!(find_in(&deployment, &[&sha]).len(), 1);

    // In the platform's database, and in the repository.
    let dump = shared().dump_database();
    assert!(find_in(&dump, &[&secret]).is_empty());
    assert_eq!(find_in(&dump, &[&sha]), [sha]);
    let texts = [secret.as_str(), ciphertext.as_str()];
    let repositories = find_below(shared().folder(), std::time::UNIX_EPOCH, &texts);
    let found: Vec<&str> = repositories.iter().map(|(_, text)| text.as_str()).collect();
    assert!(
        found.contains(&texts[1]) && !found.contains(&texts[0]),
        "{found:?}"
    );

    // Of the API's readers the apps themselves have no right to it.
    let pod = format!("system:serviceaccount:{namespace}:default");
    for (who, answer) in [(Some(pod.as_str()), "no"), (None, "yes")] {
        let of = format!("secret/{name}");
        let mut asked = vec!["auth", "can-i", "get", &of, "-n", &namespace];
        asked.extend(who.iter().flat_map(|who| ["--as", who]));
        assert_eq!(can(&asked), answer, "{asked:?}");
    }
}

/// What `kubectl auth can-i` answers; its exit code says the same.
fn can(asked: &[&str]) -> String {
    let output = std::process::Command::new("kubectl").args(asked).output();
    let output = output.expect("kubectl").stdout;
    String::from_utf8_lossy(&output).trim().to_owned()
}

async fn release_commit(app: &App<'_>) -> String {
    let releases = app.releases().await;
    releases[0]["commit"].as_str().expect("a commit").to_owned()
}

/// The value of a key of the stack's etcd (its gRPC gateway: keys and values are in base64).
async fn stored_in_etcd(key: &str) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let file = |name: &str| std::fs::read(setting(name)).expect(name);
    let identity = [
        file("HOPS_LOCAL_ETCD_CERT_FILE"),
        file("HOPS_LOCAL_ETCD_KEY_FILE"),
    ]
    .concat();
    let authority = reqwest::Certificate::from_pem(&file("HOPS_LOCAL_ETCD_CA_FILE"));
    let client = reqwest::Client::builder()
        .tls_certs_only([authority.expect("a certificate")])
        .identity(reqwest::Identity::from_pem(&identity).expect("a client certificate"))
        .build()
        .expect("a client");
    let url = format!("{}/v3/kv/range", setting("HOPS_LOCAL_ETCD"));
    let asked = client
        .post(url)
        .json(&json!({ "key": STANDARD.encode(key) }));
    let answer: Value = asked
        .send()
        .await
        .expect("etcd")
        .json()
        .await
        .expect("JSON");
    let value = answer["kvs"][0]["value"].as_str();
    STANDARD
        .decode(value.unwrap_or_else(|| panic!("{key}: {answer}")))
        .expect("base64")
}

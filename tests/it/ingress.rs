//! How applings are reached from outside: their own domains, what redirects to them, what of a host
//! is whose, and what cannot be reached at all.

use serde_json::{Value, json};
use tests::{Answer, App, Kube, Repo, dockerfile, eventually, get, shared};

/// A repository of several applings, each with its `iterapp.toml`.
async fn repo_of(applings: &[(&str, &str)]) -> Repo {
    let repo = Repo::empty().await;
    let names: Vec<&str> = applings.iter().map(|(name, _)| *name).collect();
    let root = format!(
        "default_environment = \"prod\"\napplings = {}\n",
        json!(names)
    );
    repo.write("iterapp.toml", &root);
    for (name, iterapp) in applings {
        repo.write(&format!("{name}/iterapp.toml"), iterapp);
        repo.write(&format!("{name}/Dockerfile"), &dockerfile("message"));
    }
    repo.change("one").await;
    repo
}

/// A domain that no other test has.
fn domain(app: &App<'_>) -> String {
    format!("{}.example.org", app.name)
}

/// What a host answers, once it is as wanted.
async fn until(host: &str, path: &str, what: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
    let asked = || async {
        let answer = get(host, path).await;
        wanted(&answer).then_some(answer)
    };
    eventually(&format!("{host}{path} {what}"), asked).await
}

/// What an appling answers at a path of a host, once it is this appling that does.
async fn answered_by(appling: &str, host: &str, path: &str) -> Value {
    let what = format!("is answered by {appling}");
    let by = |answer: &Answer| answer.json()["appling"] == appling;
    until(host, path, &what, by).await.json()
}

async fn is_unknown(host: &str) {
    until(host, "/", "is unknown", |answer| answer.status == 404).await;
}

/// `auto_deploy_env`, `health` and `domain` are what `default_environment`, `readiness_path` and
/// `domains` are called now.
#[tokio::test]
async fn older_spellings_of_keys_take_effect() {
    let app = shared().app("older").await;
    let domain = domain(&app);
    let file = format!(
        "replicas = 1\nauto_deploy_env = \"prod\"\nhealth = \"/alive\"\ndomain = \"{domain}\"\n"
    );
    let release = app.push_live(&Repo::server("one", &file).await).await;
    answered_by(&app.name, &domain, "/").await;
    let deployment = Kube::get("deployment", &app.name, &app.namespace("prod"));
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/alive");
    let log = app.log(&release).await;
    for spelling in ["auto_deploy_env", "health", "domain"] {
        let told = format!("`{spelling}` is an older spelling of ");
        assert!(log.contains(&told), "{log}");
    }
}

// Proves: X14
// Its redirect half, both ways round: certificates come with TLS.
#[tokio::test]
async fn the_other_form_of_a_domain_redirects_to_it() {
    let (apex, www) = (shared().app("apex").await, shared().app("www").await);
    let to_apex = domain(&apex);
    let to_www = format!("www.{}", domain(&www));
    let file = |domain: &str| {
        format!(
            "replicas = 1\ndefault_environment = \"prod\"\ndomains = [\"{domain}\"]\nfrom_to_www_redirect = true\n"
        )
    };
    let (repo_apex, repo_www) = (
        Repo::server("one", &file(&to_apex)).await,
        Repo::server("one", &file(&to_www)).await,
    );
    tokio::join!(apex.push_live(&repo_apex), www.push_live(&repo_www));
    let pairs = [
        (format!("www.{to_apex}"), &to_apex, &apex),
        (domain(&www), &to_www, &www),
    ];
    for (from, to, app) in &pairs {
        answered_by(&app.name, to, "/").await;
        let path = "/a%20b/c?d=e&f=%2F";
        let answer = until(from, path, "redirects", |a| a.status != 404).await;
        assert!(matches!(answer.status, 301 | 308), "{answer:?}");
        assert_eq!(
            answer.header("location"),
            Some(format!("http://{to}{path}").as_str()),
            "{answer:?}"
        );
        // The port that was asked for, too.
        let answer = get(&format!("{from}:8081"), "/").await;
        assert_eq!(
            answer.header("location"),
            Some(format!("http://{to}:8081/").as_str()),
            "{answer:?}"
        );
    }

    // Without the key nothing redirects any more, and nothing of it is left.
    let (from, to, _) = &pairs[0];
    repo_apex.write(
        "iterapp.toml",
        &file(to).replace("from_to_www_redirect = true", ""),
    );
    repo_apex.commit("no redirect").await;
    apex.push_live(&repo_apex).await;
    is_unknown(from).await;
    for kind in ["ingressroutes", "middlewares"] {
        assert_eq!(
            Kube::names(kind, &apex.namespace("prod")),
            [""; 0],
            "{kind}"
        );
    }
    answered_by(&apex.name, to, "/").await;
}

// What redirects is claimed as the domain is.
#[tokio::test]
async fn a_host_that_redirects_is_nobody_elses() {
    let (one, two) = (shared().app("holds").await, shared().app("wants").await);
    let file = |domain: &str, more: &str| {
        format!("replicas = 1\ndefault_environment = \"prod\"\ndomains = [\"{domain}\"]\n{more}\n")
    };
    let wanted = format!("www.{}", domain(&one));
    let first = Repo::server(
        "the first",
        &file(&domain(&one), "from_to_www_redirect = true"),
    )
    .await;
    one.push_live(&first).await;

    let second = Repo::server("the second", &file(&wanted, "")).await;
    two.push(&second).await;
    let refused = two.last_release().await;
    assert_eq!(refused.state(), "failed");
    let told = format!(
        "the domain {wanted} belongs to the app {one}, which claimed it first\n\
         hint: remove it from `domains` there and deploy {one} to prod",
        one = one.name
    );
    assert!(refused.reason().contains(&told), "{}", refused.0);

    first.write("iterapp.toml", &file(&domain(&one), ""));
    first.commit("no redirect").await;
    one.push_live(&first).await;
    let release = two.deploy("prod", "main").await;
    assert_eq!(release.state(), "live", "{}", release.0);
    answered_by(&two.name, &wanted, "/").await;

    // Now it is the first that may not have it.
    first.write(
        "iterapp.toml",
        &file(&domain(&one), "from_to_www_redirect = true"),
    );
    first.commit("once more").await;
    one.push(&first).await;
    let refused = one.last_release().await;
    let told = format!(
        "the host {wanted}, which `from_to_www_redirect` is to redirect to {}, belongs to the app {}",
        domain(&one),
        two.name
    );
    assert!(refused.reason().contains(&told), "{}", refused.0);
}

#[tokio::test]
async fn domains_are_for_prod_alone() {
    let app = shared().app("domains").await;
    let own = domain(&app);
    let file = format!("replicas = 1\ndomains = [\"{own}\"]\nfrom_to_www_redirect = true\n");
    let repo = Repo::server("one", &file).await;
    app.push_live(&repo).await;
    answered_by(&app.name, &app.host("test"), "/").await;
    for host in [own.clone(), format!("www.{own}")] {
        assert_eq!(get(&host, "/").await.status, 404, "{host}");
    }
    let ingresses = Kube::list("ingresses", &app.namespace("test"));
    let rules = ingresses[0]["spec"]["rules"].as_array().expect("rules");
    assert_eq!((ingresses.len(), rules.len()), (1, 1), "{ingresses:?}");

    let release = app.deploy("prod", "main").await;
    assert_eq!(release.state(), "live", "{}", release.0);
    for host in [&own, &app.host("prod")] {
        let answer = answered_by(&app.name, host, "/").await;
        assert_eq!(answer["env"], "prod");
    }
    for unknown in [format!("other.{own}"), "example.org".to_owned()] {
        assert_eq!(get(&unknown, "/").await.status, 404, "{unknown}");
    }
}

// Proves: X15
#[tokio::test]
async fn without_ingress_an_appling_is_reached_from_inside_alone() {
    let app = shared().app("inside").await;
    let hidden = "replicas = 1\n[ingress]\ndisable = true\n";
    let repo = repo_of(&[("web", "replicas = 1\n"), ("hidden", hidden)]).await;
    app.push_live(&repo).await;
    let web = app.host_of("web", "prod");
    answered_by("web", &web, "/").await;

    assert_eq!(get(&app.host_of("hidden", "prod"), "/").await.status, 404);
    assert_eq!(Kube::names("ingresses", &app.namespace("prod")), ["web"]);
    for service in ["hidden".to_owned(), format!("{}-hidden", app.name)] {
        let inside = answered_by("hidden", &web, &format!("/fetch?url=http://{service}/")).await;
        assert_eq!(inside["message"], "one");
    }

    // The world reaches it again without the key, and no more with it.
    for (file, reached) in [("replicas = 1\n", true), (hidden, false)] {
        repo.write("hidden/iterapp.toml", file);
        repo.commit(&format!("reached: {reached}")).await;
        app.push_live(&repo).await;
        let host = app.host_of("hidden", "prod");
        if reached {
            answered_by("hidden", &host, "/").await;
        } else {
            is_unknown(&host).await;
        }
    }
}

#[tokio::test]
async fn two_applings_share_a_host_by_its_paths() {
    let app = shared().app("paths").await;
    let host = domain(&app);
    let web = format!("replicas = 1\ndomains = [\"{host}\"]\n");
    let api = format!(
        "replicas = 1\ndomains = [\"{host}\"]\n[ingress]\n\
         paths = [\"/api\", {{ prefix = \"/old\", rewrite = \"/request\" }}, {{ prefix = \"/api/v1.0\", rewrite = \"/\" }}]\n"
    );
    let repo = repo_of(&[("web", &web), ("api", &api)]).await;
    app.push_live(&repo).await;

    // Whose a path is, and what its container sees.
    let cases = [
        ("web", "/", "/"),
        ("api", "/api", "/api"),
        ("api", "/api/users", "/api/users"),
        ("web", "/apis", "/apis"),
        ("web", "/API", "/API"),
        ("api", "/old/users", "/request/users"),
        ("web", "/older", "/older"),
        ("api", "/api/v1.0", "/"),
        ("api", "/api/v1.0/users", "/users"),
        ("api", "/api/v1x0", "/api/v1x0"),
    ];
    for (appling, path, seen) in cases {
        let answer = answered_by(appling, &host, path).await;
        assert_eq!(answer["path"], seen, "{path}");
    }
    let answer = get(&host, "/old?a=b%20c&d").await.json();
    assert_eq!(
        (&answer["path"], &answer["query"]),
        (&json!("/request"), &json!("a=b%20c&d"))
    );
    // The appling's own host has the same paths and no others.
    let own = app.host_of("api", "prod");
    assert_eq!(
        answered_by("api", &own, "/old/x").await["path"],
        "/request/x"
    );
    assert_eq!(get(&own, "/else").await.status, 404);

    let namespace = app.namespace("prod");
    let hosts = |ingress: &Value| ingress["spec"]["rules"].to_string().contains(&host);
    let ingresses = Kube::list("ingresses", &namespace);
    assert_eq!(ingresses.iter().filter(|i| hosts(i)).count(), 2);
    assert_eq!(Kube::names("ingressroutes", &namespace), ["api"]);

    // What is taken away by hand comes back.
    Kube::run(&[
        "delete",
        "middleware.traefik.io",
        "api.rewrite-1",
        "--namespace",
        &namespace,
    ]);
    let back = || async {
        let names = Kube::names("middlewares", &namespace);
        (names == ["api.rewrite-1", "api.rewrite-2"]).then_some(())
    };
    eventually("the middleware is back", back).await;

    // Without the keys everything is web's again, and nothing of them is left.
    repo.write("api/iterapp.toml", "replicas = 1\n");
    repo.commit("no paths").await;
    app.push_live(&repo).await;
    answered_by("web", &host, "/api").await;
    answered_by("web", &host, "/old").await;
    answered_by("api", &own, "/else").await;
    for kind in ["ingressroutes", "middlewares"] {
        assert_eq!(Kube::names(kind, &namespace), [""; 0], "{kind}");
    }
}

//! Walls around applings, as objects: the local stack's network enforces none.

use serde_json::{Value, json};
use tests::{Kube, Repo, eventually, get, shared};

#[tokio::test]
async fn an_isolated_appling_has_its_walls_as_long_as_it_asks_for_them() {
    let app = shared().app("walled").await;
    let namespace = app.namespace("test");
    let file = "replicas = 1\n[experimental]\nisolate-appling = \"namespace\"\nisolate-allow-apps = \"billing\"\n";
    let repo = Repo::server("one", file).await;
    app.push_live(&repo).await;

    let names = [app.name.clone(), format!("{}.jobs", app.name)];
    assert_eq!(Kube::names("networkpolicies", &namespace), names);
    let policy = Kube::get("networkpolicies", &app.name, &namespace);
    let spec = &policy["spec"];
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    let own = json!({ "podSelector": {} });
    let billing = json!({ "namespaceSelector": { "matchLabels": {
        "hops.dev/instance": app.platform.instance,
        "hops.dev/app": "billing",
        "hops.dev/environment": "test",
    }}});
    let peers = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let from = peers(&spec["ingress"][0]["from"]);
    assert_eq!(from[..2], [own.clone(), billing.clone()]);
    assert!(from.len() > 2, "the ingress comes through: {from:?}");
    assert_eq!(peers(&spec["egress"][0]["to"]), [own, billing]);
    assert_eq!(spec["egress"][1]["ports"][0]["port"], 53);
    // It selects the appling's pods, and those alone.
    let selected = Kube::list("pods", &namespace).into_iter().filter(|pod| {
        let labels = &pod["metadata"]["labels"];
        let wanted = spec["podSelector"]["matchLabels"]
            .as_object()
            .expect("labels");
        wanted.iter().all(|(key, value)| &labels[key] == value)
    });
    assert_eq!(selected.count(), 1);
    assert_eq!(app.get("test", "/").await.status, 200);

    // What is taken away by hand comes back.
    Kube::run(&[
        "delete",
        "networkpolicy",
        &app.name,
        "--namespace",
        &namespace,
    ]);
    let back = || async { (Kube::names("networkpolicies", &namespace) == names).then_some(()) };
    eventually("the wall is back", back).await;

    repo.write("iterapp.toml", "replicas = 1\n");
    repo.commit("open").await;
    app.push_live(&repo).await;
    let gone = || async {
        Kube::names("networkpolicies", &namespace)
            .is_empty()
            .then_some(())
    };
    eventually("the walls are gone", gone).await;
    assert_eq!(get(&app.host("test"), "/").await.status, 200);
}

//! The first journey: a push becomes a running appling.

use tests::{Kube, Repo, shared};

// Proves: H10
#[tokio::test]
async fn a_push_becomes_a_running_appling() {
    let app = shared().app("first").await;
    let repo = Repo::server("one", "").await;
    app.push_live(&repo).await;
    assert_eq!(app.get("test", "/").await.json()["message"], "one");
    let pods = Kube::list("pods", &app.namespace("test"));
    assert_eq!(pods.len(), 2);
}

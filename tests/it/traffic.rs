//! A new version takes over while requests come in: none of them may fail, from before the push
//! until the last pod of the version before is gone.

use tests::{App, Connections, Kube, Load, Pod, Repo, Tally, eventually, shared};

/// Requests a second, over each kind of connection.
const PER_SECOND: u32 = 50;
/// Requests before the push and after the end of the last old pod: four seconds' worth.
const AROUND: usize = 200;

#[tokio::test]
async fn one_pod_that_exits_at_once_is_replaced_without_a_failed_request() {
    no_request_fails("replicas = 1").await;
}

#[tokio::test]
async fn two_pods_that_exit_at_once_are_replaced_without_a_failed_request() {
    no_request_fails("").await;
}

#[tokio::test]
async fn two_pods_that_drain_are_replaced_without_a_failed_request() {
    no_request_fails("[env.common]\nON_SIGTERM = \"drain\"").await;
}

/// Releases a second version under load.
async fn no_request_fails(iterapp: &str) {
    let app = shared().app("traffic").await;
    let repo = Repo::server("one", iterapp).await;
    app.push_live(&repo).await;
    assert_eq!(app.get("test", "/").await.json()["message"], "one");
    let kinds = [Connections::Fresh, Connections::Kept];
    let loads = kinds.map(|kind| Load::start(&app.host("test"), PER_SECOND, kind));
    more_requests(&loads, "one").await;

    repo.change("two").await;
    app.push_live(&repo).await;
    old_pods_are_gone(&app).await;
    more_requests(&loads, "two").await;

    for (kind, load) in kinds.into_iter().zip(loads) {
        assert_all_went_well(kind, &load.stop());
    }
}

/// Waits until so many more requests were answered by this version.
async fn more_requests(loads: &[Load], message: &str) {
    let count = |load: &Load| {
        let tally = load.so_far();
        tally
            .answered
            .get(message)
            .map_or(0, |answered| answered.count)
    };
    let wanted: Vec<usize> = loads.iter().map(|load| count(load) + AROUND).collect();
    let what = format!("{AROUND} more requests are answered by {message}");
    eventually(&what, || async {
        let reached = loads
            .iter()
            .zip(&wanted)
            .all(|(load, wanted)| count(load) >= *wanted);
        reached.then_some(())
    })
    .await;
}

async fn old_pods_are_gone(app: &App<'_>) {
    let namespace = app.namespace("test");
    let deployment = Kube::get("deployment", &app.name, &namespace);
    let current = deployment["spec"]["template"]["metadata"]["labels"]["hops.dev/version"].clone();
    eventually("no pod of the first version is left", || async {
        let pods = Pod::also_stopping(&namespace);
        pods.iter()
            .all(|pod| current == pod.version())
            .then_some(())
    })
    .await;
}

fn assert_all_went_well(kind: Connections, tally: &Tally) {
    let Tally { answered, failed } = tally;
    assert!(
        failed.is_empty(),
        "{kind:?}: {} of {} requests failed, those answered: {answered:?}\n{}",
        failed.len(),
        tally.total(),
        tally.failures()
    );
    let versions: Vec<&String> = answered.keys().collect();
    assert_eq!(versions, ["one", "two"], "{kind:?}: {answered:?}");
}

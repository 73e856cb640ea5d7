//! `hops diff` against the model of the platform.

use serde_json::json;

use super::Shell;
use super::platform::{Platform, app_named};
use crate::api::{Diff, ObjectChange};

async fn asked(builds: serde_json::Value, objects: serde_json::Value) -> (Platform, Shell) {
    let platform = Platform::start().await;
    let diff: Diff = serde_json::from_value(json!({
        "app": "hello", "environment": "prod", "ref": "main", "subject": "Say hello",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "builds": builds, "objects": objects,
    }))
    .unwrap();
    platform.model().apps = vec![app_named("hello", None)];
    platform.model().diff = Some(diff);
    let shell = Shell::at(&platform.url);
    (platform, shell)
}

#[tokio::test]
async fn nothing_that_would_change_is_exit_0_and_no_line() {
    let (platform, shell) = asked(json!([]), json!([])).await;
    let said = shell.hops("diff -a hello -e prod").await;
    assert_eq!((said.exit, said.out.as_str()), (0, ""));
    assert_eq!(said.err, "main would change nothing of hello in prod\n");
    shell.hops("diff -a hello -e prod -r v1.2").await;
    assert_eq!(
        platform.model().asked,
        [
            "GET /api/apps/hello/environments/prod/diff",
            "GET /api/apps/hello/environments/prod/diff?ref=v1.2"
        ]
    );
}

#[tokio::test]
async fn every_field_that_would_change_is_a_line() {
    let value = |before: serde_json::Value, after: serde_json::Value| json!({ "path": "spec.x[\u{1b}[2J]", "before": before, "after": after });
    let objects = json!([
        { "kind": "Service", "name": "api", "appling": "api", "change": "create", "fields": [] },
        { "kind": "Secret", "name": "s", "appling": null, "change": "update",
          "fields": [{ "path": "data.token", "before": null, "after": null, "masked": true }] },
        { "kind": "Deployment", "name": "web", "appling": "web", "change": "update",
          "fields": [value(json!("a"), json!("b")), value(json!(null), json!({ "c": 1 }))] },
        { "kind": "Ingress", "name": "old", "appling": "old", "change": "delete", "fields": [] },
        { "kind": "Deployment", "name": "api", "appling": "api", "change": "refused",
          "reason": "too large\nfor us", "fields": [] },
    ]);
    let builds =
        json!([{ "name": "web", "serving": "fedcba98", }, { "name": "api", "serving": null }]);
    let (_platform, shell) = asked(builds, objects).await;
    let said = shell.hops("diff -a hello -e prod").await;
    assert_eq!(said.exit, 1);
    insta::assert_snapshot!("diff", format!("{}\n{}", said.out, said.err));
    let said = shell.hops("diff -a hello -e prod --json").await;
    let diff: Diff = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.exit, said.err.as_str()), (1, ""));
    assert_eq!(diff.objects[4].change, ObjectChange::Refused);
}

#[tokio::test]
async fn a_new_image_alone_is_a_change_too() {
    let builds = json!([{ "name": "hello", "serving": "fedcba9876543210" }]);
    let (_platform, shell) = asked(builds, json!([])).await;
    let said = shell.hops("diff -a hello -e prod").await;
    assert_eq!((said.exit, said.out.as_str()), (1, ""));
    assert_eq!(
        said.err,
        "hello: an image is to be built from 01234567 instead of fedcba98\n\
         main would change nothing of hello in prod, but for the images\n"
    );
}

#[tokio::test]
async fn no_telling_is_neither_yes_nor_no() {
    let platform = Platform::start().await;
    let shell = Shell::at(&platform.url);
    let said = shell.hops("diff -a hello -e prod").await;
    assert_eq!((said.exit, said.out.as_str()), (4, ""));
    assert!(said.err.starts_with("error: "), "{}", said.err);
    let said = Shell::at("http://127.0.0.1:1")
        .hops("diff -a hello -e prod")
        .await;
    assert_eq!(said.exit, 3);
}

use axum::Router;
use axum::http::StatusCode;
use axum::response::Html;

use super::Shell;
use super::platform::Platform;

/// A server that is not the platform.
async fn stranger(status: u16) -> String {
    let status = StatusCode::from_u16(status).unwrap();
    let router = Router::new().fallback(move || async move { (status, Html("<h1>hello</h1>")) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test]
async fn a_platform_that_is_not_there_is_exit_3_with_address_and_hint() {
    let said = Shell::at("http://127.0.0.1:1").hops("apps list").await;
    assert_eq!((said.exit, said.out.as_str()), (3, ""));
    assert_eq!(
        said.err.lines().next(),
        Some("error: cannot reach the platform at http://127.0.0.1:1")
    );
    assert!(said.err.contains("Connection refused"), "{}", said.err);
    assert!(
        said.err
            .ends_with("\n\nhint: is it running? The address is from HOPS_URL\n"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn following_does_not_wait_for_a_platform_that_is_not_there() {
    let shell = Shell::at("http://127.0.0.1:1");
    for words in [
        "logs -a hello --follow",
        "logs -a hello --release 12 --follow",
    ] {
        assert_eq!(shell.hops(words).await.exit, 3, "{words}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_not_shown() {
    let platform = Platform::start().await;
    let mut shell = Shell::at(&platform.url);
    shell.set("HOPS_TOKEN", "hops_another-s3cret");
    let said = shell.hops("apps list").await;
    assert_eq!(said.exit, 1);
    assert!(
        said.err.contains("does not accept this token"),
        "{}",
        said.err
    );
    assert!(said.err.contains("hint: set HOPS_TOKEN"), "{}", said.err);
    assert!(!said.err.contains("s3cret"));
}

#[tokio::test]
async fn what_the_platform_refuses_is_told_in_its_words() {
    let platform = Platform::start().await;
    let shell = Shell::at(&platform.url);
    let said = shell.hops("apps show nothere").await;
    assert_eq!(said.exit, 1);
    assert_eq!(
        said.err,
        "error: there is no such thing\n\nhint: a hint of the platform\n"
    );
    let said = shell.hops("apps show nothere --json").await;
    let error: crate::api::ApiError = serde_json::from_str(&said.err).unwrap();
    assert_eq!((said.exit, error.code.as_str()), (1, "not_found"));
}

#[tokio::test]
async fn another_server_is_not_taken_for_the_platform() {
    for (status, exit, cause) in [
        (404, 1, "404 Not Found"),
        (200, 1, "expected value"),
        (502, 3, "502 Bad Gateway"),
    ] {
        let said = Shell::at(&stranger(status).await).hops("apps list").await;
        assert_eq!(said.exit, exit, "{said:?}");
        assert!(said.err.contains(cause), "{said:?}");
        assert!(said.err.contains("HOPS_URL"), "{said:?}");
    }
}

#[tokio::test]
async fn wrong_usage_is_exit_2_and_nothing_is_sent() {
    let platform = Platform::start().await;
    let shell = Shell::at(&platform.url);
    for (words, why) in [
        ("deploy -a hello -e staging -r main", "did you mean `test`?"),
        (
            "deploy -a hello -e local -r main",
            "there is no environment `local`",
        ),
        ("deploy -a hello -e test", "--ref"),
        ("deploy -a hello -e test -r main --timeout 5m", "--wait"),
        (
            "deploy -a hello -e test -r main --wait --timeout soon",
            "90s",
        ),
        ("diff -a hello", "--environment"),
        ("diff -e test", "add -a APP, or set HOPS_APP"),
        ("deploy -e test -r main", "add -a APP, or set HOPS_APP"),
        ("apps create prod", "reserved"),
        ("apps create hello --token-stdin", "--repo"),
        (
            "apps create hello --repo https://me:geheim@github.com/me/x",
            "--token-stdin",
        ),
        (
            "logs -a hello --release soon",
            "a release's number, or latest",
        ),
        ("check nowhere", "nowhere is no folder"),
    ] {
        let said = shell.hops(words).await;
        assert_eq!(said.exit, 2, "{words}: {said:?}");
        assert!(said.err.contains(why), "{words}: {said:?}");
    }
    assert_eq!(platform.model().asked, [""; 0]);
}

#[tokio::test]
async fn without_a_platform_the_way_to_one_is_told() {
    let mut shell = Shell::at("");
    shell.set("HOPS_TOKEN", "");
    let said = shell.hops("apps list").await;
    assert_eq!(said.exit, 2);
    assert!(
        said.err.contains("hint: hops login https://"),
        "{}",
        said.err
    );
}

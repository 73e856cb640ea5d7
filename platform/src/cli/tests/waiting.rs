use crate::api::{ApplingState, Release, ReleaseState};

use super::Shell;
use super::platform::{Platform, Stream, app_named, ended_release, line};

const DEPLOY: &str = "deploy -a hello -e test -r main --wait";

/// A platform on which a release of `hello` says three lines and ends like this.
async fn platform(ends: Release) -> (Platform, Shell) {
    let platform = Platform::start().await;
    let mut model = platform.model();
    model.apps = vec![app_named("hello", None)];
    model.log = vec![line(1, "one"), line(2, "two"), line(3, "two")];
    model.ends = Some(ends);
    drop(model);
    let shell = Shell::at(&platform.url);
    (platform, shell)
}

fn live() -> Release {
    ended_release(ReleaseState::Live, &[("web", ApplingState::Live)])
}

#[tokio::test]
async fn a_release_that_becomes_live_is_exit_0_with_its_addresses() {
    let (_platform, shell) = platform(live()).await;
    let said = shell.hops(DEPLOY).await;
    assert_eq!(said.exit, 0, "{said:?}");
    assert_eq!(
        said.out,
        "release 12 of hello to test: main (01234567)\n\n\
         APPLING  STATE  ADDRESS\n\
         web      live   http://web.hello.test.localhost:8081/\n"
    );
    assert!(
        said.err.ends_with("web | one\nweb | two\nweb | two\n"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn broken_streams_are_followed_on_and_each_line_is_told_once() {
    let (platform, shell) = platform(live()).await;
    platform.model().streams = [
        Stream::BreaksAfter(1),
        Stream::Refused(503),
        Stream::EndsAfter(2),
        Stream::BreaksAfter(3),
    ]
    .into();
    let said = shell.hops(DEPLOY).await;
    assert_eq!(said.exit, 0, "{said:?}");
    assert_eq!(said.err.matches("web | one").count(), 1, "{}", said.err);
    assert_eq!(said.err.matches("web | two").count(), 2, "{}", said.err);
    assert!(said.err.contains("the connection is lost"), "{}", said.err);
    let posts = platform
        .model()
        .asked
        .iter()
        .filter(|asked| asked.starts_with("POST"))
        .count();
    assert_eq!(posts, 1, "the release is asked for once");
}

#[tokio::test]
async fn a_release_that_fails_is_exit_1_and_says_which_appling_and_why() {
    let applings = [("web", ApplingState::Failed), ("api", ApplingState::Live)];
    let mut ends = ended_release(ReleaseState::Failed, &applings);
    ends.reason = ends.applings[0].reason.clone();
    let (_platform, shell) = platform(ends).await;
    let said = shell.hops(DEPLOY).await;
    assert_eq!(said.exit, 1);
    assert_eq!(said.out.matches("boom").count(), 1, "{}", said.out);
    assert!(said.out.contains("web      failed"), "{}", said.out);
    assert!(
        said.out
            .ends_with("\nweb:\n  it exits with code 1\n  last line: boom\n"),
        "{}",
        said.out
    );
    assert!(
        said.err
            .contains("error: release 12 of hello to test failed in web"),
        "{}",
        said.err
    );
    assert!(
        said.err
            .ends_with("hint: hops logs -a hello --release 12\n"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_release_that_is_superseded_is_exit_1() {
    let applings = [("web", ApplingState::Superseded)];
    let (_platform, shell) = platform(ended_release(ReleaseState::Superseded, &applings)).await;
    let said = shell.hops(DEPLOY).await;
    assert_eq!(said.exit, 1);
    assert!(
        said.err.contains("was superseded by a newer one"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn waiting_ends_though_the_release_does_not() {
    let (platform, shell) = platform(live()).await;
    platform.model().streams = [Stream::Silent].into();
    let said = shell.hops(&format!("{DEPLOY} --timeout 1s")).await;
    assert_eq!(said.exit, 1);
    assert!(
        said.err
            .contains("error: release 12 has not ended within 1 s; it goes on"),
        "{}",
        said.err
    );
    assert!(
        said.err
            .ends_with("hint: hops logs -a hello --release 12 --follow\n"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn programs_get_the_release_as_it_ended_and_nothing_else() {
    let applings = [("web", ApplingState::Failed)];
    let (_platform, shell) = platform(ended_release(ReleaseState::Failed, &applings)).await;
    let said = shell.hops(&format!("{DEPLOY} --json")).await;
    let release: Release = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.exit, release.state), (1, ReleaseState::Failed));
    let error: crate::api::ApiError = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error.code, "release_failed");
}

#[tokio::test]
async fn a_release_that_vanishes_ends_the_waiting() {
    let (platform, shell) = platform(live()).await;
    platform.model().streams = [Stream::Refused(404)].into();
    let said = shell.hops(DEPLOY).await;
    assert_eq!(said.exit, 1);
    assert!(
        said.err.contains("the release goes on without this"),
        "{}",
        said.err
    );
}

use std::path::Path;
use std::process::Command;

use crate::api::{ApplingState, LogLine, Release, ReleaseState};

use super::Shell;
use super::platform::{Platform, Stream, app_named, ended_release, line};

/// A platform with the app `hello` and its release 12, which is live.
async fn hello() -> (Platform, Shell) {
    let platform = Platform::start().await;
    let mut model = platform.model();
    model.apps = vec![app_named("hello", None)];
    model.releases = vec![ended_release(
        ReleaseState::Live,
        &[("web", ApplingState::Live)],
    )];
    drop(model);
    let shell = Shell::at(&platform.url);
    (platform, shell)
}

fn git(folder: &Path, words: &str) {
    let words = words.split_whitespace();
    let done = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(words)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[tokio::test]
async fn an_empty_platform_says_what_to_do() {
    let platform = Platform::start().await;
    let shell = Shell::at(&platform.url);
    for words in ["apps list", "status"] {
        let said = shell.hops(words).await;
        assert_eq!((said.exit, said.out.as_str()), (0, ""), "{words}");
        assert_eq!(
            said.err, "no apps yet\nhint: hops apps create NAME\n",
            "{words}"
        );
    }
    assert_eq!(shell.hops("apps list --json").await.out, "[]\n");
}

#[tokio::test]
async fn a_new_app_says_where_to_push_and_a_taken_name_fails() {
    let platform = Platform::start().await;
    let shell = Shell::at(&platform.url);
    let said = shell.hops("apps create hello").await;
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(
        said.out
            .contains("  git remote add hops http://127.0.0.1:8080/git/hello.git\n"),
        "{}",
        said.out
    );
    let said = shell.hops("apps create hello").await;
    assert_eq!((said.exit, said.out.as_str()), (1, ""));
    let said = shell
        .hops("apps create other --repo https://github.com/me/other.git")
        .await;
    assert!(
        said.out.contains("  hops apps webhook other\n"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn a_webhook_is_shown_with_its_secret() {
    let (_platform, shell) = hello().await;
    let said = shell.hops("apps webhook hello").await;
    assert_eq!(
        said.out,
        "  address:       https://hops.example.com/webhooks/github/hello\n  \
           secret:        the-webhooks-secret\n  \
           content type:  application/json\n  \
           events:        push\n"
    );
}

#[tokio::test]
async fn lists_are_tables_without_control_characters() {
    let (_platform, shell) = hello().await;
    insta::assert_snapshot!("apps_list", shell.hops("apps list").await.out);
    insta::assert_snapshot!("releases", shell.hops("releases -a hello").await.out);
    insta::assert_snapshot!("status", shell.hops("status -a hello").await.out);
}

#[tokio::test]
async fn a_failed_release_is_explained_by_status() {
    let (platform, shell) = hello().await;
    let applings = [("web", ApplingState::Failed), ("api", ApplingState::Live)];
    platform.model().releases = vec![ended_release(ReleaseState::Failed, &applings)];
    insta::assert_snapshot!("status_failed", shell.hops("status -a hello").await.out);
}

#[tokio::test]
async fn deploy_says_how_to_follow_in_both_spellings() {
    let (_platform, shell) = hello().await;
    for words in [
        "deploy -a hello -e snap3 -r feature",
        "v3 deploy -a hello -e snap3 -r feature",
    ] {
        let said = shell.hops(words).await;
        assert_eq!(said.exit, 0, "{said:?}");
        assert_eq!(
            said.out,
            "release 12 of hello to snap3: feature (01234567)\n"
        );
        assert_eq!(said.err, "hint: hops logs -a hello --release 12 --follow\n");
    }
}

#[tokio::test]
async fn the_app_comes_from_the_option_the_variable_or_the_git_remote() {
    let (platform, mut shell) = hello().await;
    git(&shell.folder, "init -q");
    git(
        &shell.folder,
        &format!("remote add hops {}/git/hello.git", platform.url),
    );
    let said = shell.hops("releases").await;
    assert_eq!(said.exit, 0, "{said:?}");
    assert_eq!(said.err, "app hello, from the git remote `hops`\n");
    shell.set("HOPS_APP", "other");
    shell.hops("releases").await;
    shell.hops("releases -a third").await;
    let asked = platform.model().asked.clone();
    let apps: Vec<&str> = asked
        .iter()
        .filter_map(|asked| asked.split('/').nth(3))
        .collect();
    assert_eq!(apps, ["hello", "other", "third"]);
}

#[tokio::test]
async fn logs_of_a_release_and_of_pods_ask_for_what_was_wanted() {
    let (platform, shell) = hello().await;
    platform.model().log = vec![
        line(1, "one"),
        line(2, "\u{1b}]0;title\u{7}two"),
        line(3, "three"),
    ];
    let said = shell.hops("logs -a hello --release 12 --tail 2").await;
    assert_eq!(
        said.out, "web | ^[]0;title^Gtwo\nweb | three\n",
        "{}",
        said.err
    );
    let said = shell.hops("logs -a hello --build --follow --tail 1").await;
    assert_eq!(said.out, "web | three\n", "{}", said.err);
    let said = shell
        .hops("logs -a hello --release latest --appling api")
        .await;
    assert_eq!((said.exit, said.out.as_str()), (0, ""));
    shell
        .hops("logs -a hello -e prod --appling web --tail 5")
        .await;
    let asked = platform.model().asked.last().cloned().unwrap();
    assert_eq!(
        asked,
        "GET /api/apps/hello/environments/prod/logs?tail=5&appling=web"
    );
}

#[tokio::test]
async fn logs_for_programs_are_one_object_a_line() {
    let (platform, shell) = hello().await;
    platform.model().log = vec![line(1, "one"), line(2, "\u{9b}2Jtwo")];
    let said = shell.hops("logs -a hello --json").await;
    let lines: Vec<LogLine> = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[1].text, "\u{9b}2Jtwo");
    assert!(!said.out.contains('\u{9b}'));
    let said = shell.hops("logs -a hello --release 12 --json").await;
    assert_eq!((said.out.lines().count(), said.err.as_str()), (2, ""));
}

#[tokio::test]
async fn a_log_that_breaks_off_is_not_taken_for_whole() {
    let (platform, shell) = hello().await;
    platform.model().log = vec![line(1, "one"), line(2, "two")];
    platform.model().streams = [Stream::BreaksAfter(1)].into();
    let said = shell.hops("logs -a hello").await;
    assert_eq!(said.exit, 1);
    assert!(
        said.err
            .contains("error: the log could not be read to its end"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn pods_are_followed_over_a_broken_stream_and_each_line_is_told_once() {
    let (platform, shell) = hello().await;
    platform.model().log = vec![
        line(-9, "old"),
        line(1, "one"),
        line(2, "two"),
        line(3, "three"),
    ];
    let streams = [
        Stream::BreaksAfter(3),
        Stream::EndsAfter(4),
        Stream::Refused(404),
    ];
    platform.model().streams = streams.into();
    let said = shell.hops("logs -a hello --follow --tail 7").await;
    assert_eq!(said.exit, 1, "the model forgets the app, which ends it");
    assert_eq!(said.out, "web | old\nweb | one\nweb | two\nweb | three\n");
    let asked = platform.model().asked.clone();
    let tails: Vec<_> = asked
        .iter()
        .filter_map(|asked| asked.split("tail=").nth(1))
        .collect();
    assert_eq!(tails, ["7&follow=true", "1000", "1000"]);
}

#[tokio::test]
async fn open_prints_the_address() {
    let (_platform, shell) = hello().await;
    let said = shell.hops("open -a hello --print").await;
    assert_eq!(said.out, "http://web.hello.test.localhost:8081/\n");
    let said = shell.hops("open -a hello -e prod").await;
    assert_eq!(said.exit, 1);
    assert!(
        said.err.contains("nothing of hello has an address in prod"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn releases_for_programs_are_the_apis_bodies() {
    let (_platform, shell) = hello().await;
    let said = shell.hops("releases -a hello --json").await;
    let releases: Vec<Release> = serde_json::from_str(&said.out).unwrap();
    assert_eq!(releases[0].number, 12);
}

#[tokio::test]
async fn check_needs_no_platform() {
    let mut shell = Shell::at("");
    shell.set("HOPS_TOKEN", "");
    let folder = shell.folder.join("hello");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("Dockerfile"), "FROM nginx\n").unwrap();
    std::fs::write(
        folder.join("iterapp.toml"),
        "port = 80\nreadiness_path = \"/\"\n",
    )
    .unwrap();
    let said = shell.hops("check hello").await;
    assert_eq!(said.exit, 0, "{said:?}");
    insta::assert_snapshot!("check_fine", said.out);
}

//! Builds on a real BuildKit daemon, pushed to a real registry: those of the local stack.
//!
//! `cargo test -p builder-client -- --include-ignored`, with `eval "$(deploy/local/env)"` before.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which Clippy takes for no tests"
)]

mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use builder_client::{
    BuildEvent, BuildRequest, Builder, Context, ContextError, Credential, Daemon, Entry, EntryKind,
    Stream,
};
use secrecy::SecretSlice;
use support::{
    Bridge, Files, Outcome, build, build_with, builder, daemon, guarded_registry, image_config,
    request, runs, unique, until,
};
use tokio::sync::mpsc;

/// Lists what is in the image: mode, kind, size, name, link target.
const LIST: &str = "FROM busybox\nARG UNIQUE\nCOPY . /context/\n\
    RUN cd /context && find . ! -name . | sort | while read -r f; do stat -c '%a %F %s %N' \"$f\"; done\n";

async fn list(files: &Files) -> Vec<String> {
    let outcome = build(unique_build(files.request())).await;
    let lines = outcome.lines();
    outcome.built();
    lines
}

/// Runs every step that comes after `ARG UNIQUE`.
fn unique_build(request: BuildRequest) -> BuildRequest {
    let build_args = BTreeMap::from([("UNIQUE".to_owned(), unique())]);
    BuildRequest {
        build_args,
        ..request
    }
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn an_image_is_built_pushed_and_told_about() {
    let files = Files::new("FROM scratch\nCOPY hello /\n").with("hello", unique());
    let request = files.request();
    let image = request.image.clone();
    let outcome = build(request).await;

    let name = |event: &BuildEvent| match event {
        BuildEvent::Started { step, name, .. } if name.contains("COPY hello") => Some(*step),
        _ => None,
    };
    let step = outcome
        .events
        .iter()
        .find_map(name)
        .expect("the COPY was started");
    let done = |event: &&BuildEvent| matches!(event, BuildEvent::Done { step: s, error: None, .. } if *s == step);
    assert_eq!(outcome.events.iter().filter(done).count(), 1);
    assert!(
        outcome
            .events
            .iter()
            .any(|e| matches!(e, BuildEvent::Progress { .. }))
    );

    let config = image_config(&image, &outcome.built());
    assert_eq!(
        (config["os"].as_str(), config["architecture"].as_str()),
        (Some("linux"), Some("amd64"))
    );
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn every_kind_of_file_arrives_as_it_is() {
    let large: Vec<u8> = (0..5_000_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let files = Files::new(LIST)
        .with(".dockerignore", "Dockerfile\n.dockerignore\n")
        .with("empty", "")
        .with("large", large)
        .with("foo/z", "z")
        .with("foo-bar", "-")
        .with("foo.txt", ".")
        .with("süß/日本 語", "x")
        .executable("bin/run")
        .link("link", "foo/z")
        .link("dangling", "/no/where");
    let want = [
        "755 directory 4096 ./bin",
        "755 regular file 10 ./bin/run",
        "777 symbolic link 9 './dangling' -> '/no/where'",
        "644 regular empty file 0 ./empty",
        "755 directory 4096 ./foo",
        "644 regular file 1 ./foo-bar",
        "644 regular file 1 ./foo.txt",
        "644 regular file 1 ./foo/z",
        "644 regular file 5000000 ./large",
        "777 symbolic link 5 './link' -> 'foo/z'",
        "755 directory 4096 ./süß",
        "644 regular file 1 ./süß/日本 語",
    ];
    assert_eq!(list(&files).await, want);
}

async fn names(files: &Files) -> Vec<String> {
    let name = |line: String| line.split_once(" ./").map(|(_, name)| name.to_owned());
    list(files).await.into_iter().filter_map(name).collect()
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn an_ignore_file_means_what_it_means_to_docker() {
    let ignore = "\u{feff}# the byte order mark is none of the pattern\nDockerfile\n  \n.dockerignore  \n\
        /secret\n**/*.log\n!keep/this.log\n# !secret\ndeep/*\n!deep/kept/\ndeep/kept/not\nété\n";
    let files = Files::new(LIST)
        .with(".dockerignore", ignore)
        .with("secret", "s")
        .with("sub/secret", "kept, since the pattern starts at the root")
        .with("a.log", "")
        .with("keep/this.log", "")
        .with("keep/that.log", "")
        .with("deep/lost", "")
        .with("deep/kept/yes", "")
        .with("deep/kept/not", "")
        .with("été/x", "");
    let want = [
        "deep",
        "deep/kept",
        "deep/kept/yes",
        "keep",
        "keep/this.log",
        "sub",
        "sub/secret",
    ];
    assert_eq!(names(&files).await, want);
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn the_dockerfiles_own_ignore_file_comes_first() {
    let files = Files::new("no Dockerfile")
        .with("web/Dockerfile", LIST)
        .with("web/Dockerfile.dockerignore", "*\n!web/kept\n")
        .with(".dockerignore", "web/kept\n")
        .with("web/kept", "")
        .with("web/other", "");
    let request = BuildRequest {
        dockerfile: "web/Dockerfile".to_owned(),
        ..files.request()
    };
    let outcome = build(unique_build(request)).await;
    let lines = outcome.lines();
    outcome.built();
    assert_eq!(
        lines,
        [
            "755 directory 4096 ./web",
            "644 regular empty file 0 ./web/kept"
        ]
    );
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn thousands_of_files_and_patterns_come_through() {
    let ignore: String = (0..3000)
        .map(|i| format!("some/folder/that/is/not/there/{i}\n"))
        .collect();
    let mut files = Files::new("FROM busybox\nCOPY . /c\nRUN find /c -type f | wc -l\n")
        .with(".dockerignore", ignore + "Dockerfile\n.dockerignore\n")
        .with("unique", unique());
    for i in 0..3000 {
        files = files.with(&format!("f{}/{i}", i % 30), format!("{i}"));
    }
    let outcome = build(files.request()).await;
    assert_eq!(outcome.lines(), ["3001"]);
    outcome.built();
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn only_what_a_copy_names_is_served_and_links_are_followed() {
    let files = Files::new("FROM busybox\nCOPY app/l* /c/\nRUN cat /c/*\n")
        .with("shared/text", format!("linked {}", unique()))
        .link("app/link", "../shared/text");
    let outcome = build(request(Arc::new(NoOther(builder_folder(&files))))).await;
    assert!(
        outcome.lines()[0].starts_with("linked "),
        "{:?}",
        outcome.result
    );
    outcome.built();
}

fn builder_folder(files: &Files) -> Arc<dyn Context> {
    files.request().context
}

/// Holds a file that nobody may read, for nobody asked for it.
struct NoOther(Arc<dyn Context>);

impl Context for NoOther {
    fn entries(&self, folder: &str) -> Result<Vec<Entry>, ContextError> {
        let mut entries = self.0.entries(folder)?;
        if folder.is_empty() {
            let kind = EntryKind::File {
                size: 1,
                executable: false,
            };
            entries.push(Entry {
                name: "other".to_owned(),
                kind,
            });
        }
        Ok(entries)
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, ContextError> {
        assert_ne!(path, "other");
        self.0.read(path)
    }
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_second_build_is_cached_and_has_the_same_digest() {
    let dockerfile = "FROM busybox\nCOPY data /\nRUN wc -c /data\n";
    let content = unique();
    let first = build(Files::new(dockerfile).with("data", &content).request())
        .await
        .built();
    let second = build(Files::new(dockerfile).with("data", &content).request()).await;
    let cached = second.cached();
    for step in ["COPY data", "RUN wc"] {
        assert!(
            cached.iter().any(|name| name.contains(step)),
            "{step} in {cached:?}"
        );
    }
    assert_eq!(second.built().digest, first.digest);
    let again = BuildRequest {
        no_cache: true,
        ..Files::new(dockerfile).with("data", &content).request()
    };
    assert!(
        !build(again)
            .await
            .cached()
            .iter()
            .any(|name| name.contains("RUN wc"))
    );
}

/// With one key for all builds, the second image would hold the first one's file: same size, same
/// time, other content.
#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn builds_do_not_get_each_others_files() {
    for content in ["aaaa", "bbbb"] {
        let dockerfile = format!(
            "FROM busybox\nCOPY data /\nRUN echo {} && cat /data\n",
            unique()
        );
        let files = Files::new(&dockerfile).with("data", content);
        let request = files.request();
        let started = std::time::SystemTime::UNIX_EPOCH;
        let outcome = build(BuildRequest { started, ..request }).await;
        assert_eq!(
            outcome.lines().last().map(String::as_str),
            Some(content),
            "{:?}",
            outcome.result
        );
    }
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn build_arguments_and_targets_are_honoured() {
    let files =
        Files::new("FROM busybox AS a\nARG UNIQUE\nRUN echo $UNIQUE\nFROM a AS b\nRUN false\n");
    let mut request = unique_build(files.request());
    request.target = Some("a".to_owned());
    let value = request.build_args["UNIQUE"].clone();
    let outcome = build(request).await;
    assert_eq!(outcome.lines(), [value]);
    outcome.built();
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_cache_mount_outlives_a_build() {
    let dockerfile = format!(
        "FROM busybox\nARG UNIQUE\nRUN --mount=type=cache,id={},target=/cache echo x >> /cache/n; wc -l < /cache/n\n",
        unique()
    );
    let files = Files::new(&dockerfile);
    for want in ["1", "2"] {
        let outcome = build(unique_build(files.request())).await;
        assert_eq!(outcome.lines(), [want]);
        outcome.built();
    }
}

fn with_secret(request: BuildRequest, id: &str, value: &str) -> BuildRequest {
    let secret = SecretSlice::from(value.as_bytes().to_vec());
    BuildRequest {
        secrets: BTreeMap::from([(id.to_owned(), secret)]),
        ..request
    }
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_secret_can_be_mounted_and_is_never_told() {
    let mount = "FROM busybox\nARG UNIQUE\nRUN --mount=type=secret,id=token";
    let files = Files::new(&format!(
        "{mount} cat /run/secrets/token; wc -c < /run/secrets/token; exit 3\n"
    ));
    let request = with_secret(unique_build(files.request()), "token", "hunter22-and-more");
    assert!(!format!("{request:?}").contains("hunter22"));
    let outcome = build(request).await;
    assert_eq!(outcome.lines(), ["***17"]);
    assert_eq!(outcome.author().exit_code, Some(3));
    assert!(!format!("{:?}{:?}", outcome.events, outcome.result).contains("hunter22"));

    let files = Files::new(&format!("{mount},required=true cat /run/secrets/token\n"));
    let outcome = build(with_secret(
        unique_build(files.request()),
        "other",
        "hunter22",
    ))
    .await;
    let error = outcome.author();
    assert!(
        error.message.contains("token") && error.message.contains("not found"),
        "{error}"
    );
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_failing_step_is_the_authors() {
    // With the whole file in its details, this error is larger than a client takes by default.
    let comments = "# a comment that makes this file large\n".repeat(400);
    let step = "RUN for i in $(seq 30); do echo line $i; done; \\\n    sleep 0.2; echo last >&2; \\\n    exit 42\n";
    let files = Files::new(&format!(
        "FROM busybox\n{comments}ARG UNIQUE\n{step}RUN true\n"
    ));
    let outcome = build(unique_build(files.request())).await;
    let error = outcome.author();
    assert_eq!(error.exit_code, Some(42));
    assert!(
        error.step.as_ref().unwrap().contains("RUN for i in"),
        "{error:?}"
    );
    assert_eq!(error.last_lines.len(), 20);
    assert!(
        error.last_lines.contains(&"line 30".to_owned()),
        "{error:?}"
    );
    assert!(error.last_lines.contains(&"last".to_owned()), "{error:?}");
    let place = error.place.as_ref().unwrap();
    assert_eq!(
        (place.file.as_str(), place.line_start, place.line_end),
        ("Dockerfile", 403, 405)
    );
    assert_eq!(place.excerpt[2], "    exit 42");
    let failed = |e: &BuildEvent| matches!(e, BuildEvent::Done { error: Some(_), .. });
    assert!(outcome.events.iter().any(failed));
    let errors = |e: &BuildEvent| matches!(e, BuildEvent::Log { stream: Stream::Err, line, .. } if line == "last");
    assert!(outcome.events.iter().any(errors));
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn mistakes_are_the_authors_and_have_a_place() {
    let missing_image = format!("FROM {}/no/such:1\n", support::setting("HOPS_REGISTRY"));
    let cases = [
        (
            "FROM busybox\nRUNN true\n",
            "unknown instruction: RUNN",
            Some(2),
        ),
        ("FROM busybox\nCOPY nothing /\n", "nothing", Some(2)),
        ("FROM busybox\nCOPY --from=nobody /a /\n", "nobody", Some(2)),
        ("FROM busybox\nCOPY [a /\n", "`[a` is malformed", None),
        (&missing_image, "no/such:1: not found", Some(1)),
        ("", "empty", None),
        ("FROM Upper:1\n", "invalid reference format", Some(1)),
    ];
    for (dockerfile, says, line) in cases {
        let outcome = build(Files::new(dockerfile).request()).await;
        let error = outcome.author();
        assert!(error.message.contains(says), "{dockerfile}: {error:?}");
        assert_eq!(
            error.place.as_ref().map(|place| place.line_start),
            line,
            "{dockerfile}: {error:?}"
        );
    }
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_missing_dockerfile_and_a_bad_ignore_file_are_the_authors() {
    let outcome = build(Files::new("").without("Dockerfile").request()).await;
    assert!(
        outcome.author().message.contains("Dockerfile"),
        "{:?}",
        outcome.result
    );
    for pattern in ["!", "[", "[z-a]"] {
        let files = Files::new("FROM scratch\nCOPY . /\n").with(".dockerignore", pattern);
        let outcome = build(files.request()).await;
        let message = &outcome.author().message;
        let says = [".dockerignore: ", "`[z-a]` is malformed"];
        assert!(says.iter().any(|text| message.contains(text)), "{message}");
    }
    let request = BuildRequest {
        target: Some("nobody".to_owned()),
        ..Files::new("FROM scratch\n").request()
    };
    assert!(build(request).await.author().message.contains("nobody"));
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_registry_that_is_away_is_the_platforms() {
    let files = Files::new("FROM scratch\nCOPY Dockerfile /\n");
    let request = BuildRequest {
        image: "127.0.0.1:9/t/x:1".to_owned(),
        ..files.request()
    };
    let outcome = build(request).await;
    let error = outcome.platform();
    assert!(
        error.retryable && error.message.contains("failed to push"),
        "{error:?}"
    );

    let outcome = build(Files::new("FROM 127.0.0.1:9/t/x:1\n").request()).await;
    assert!(outcome.platform().retryable);
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_context_that_cannot_answer_says_whose_fault_it_is() {
    struct Broken(Arc<dyn Context>, ContextError);
    impl Context for Broken {
        fn entries(&self, folder: &str) -> Result<Vec<Entry>, ContextError> {
            self.0.entries(folder)
        }
        fn read(&self, path: &str) -> Result<Vec<u8>, ContextError> {
            if path == "data" {
                Err(self.1.clone())
            } else {
                self.0.read(path)
            }
        }
    }
    let files = Files::new("FROM scratch\nCOPY data /\n").with("data", "");
    let broken = |error| request(Arc::new(Broken(files.request().context, error)));
    let outcome = build(broken(ContextError::Refused(
        "data is a submodule".to_owned(),
    )))
    .await;
    assert_eq!(outcome.author().message, "data is a submodule");
    let outcome = build(broken(ContextError::Failed("disk".to_owned()))).await;
    assert!(outcome.platform().message.contains("disk"));
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn dropping_the_future_ends_the_step() {
    let argument = &unique()[10..];
    let files = Files::new(&format!("FROM busybox\nRUN sleep {argument}\n"));
    let (events, mut told) = mpsc::channel(64);
    let builder = builder();
    let build = tokio::spawn({
        let request = files.request();
        async move { builder.build(request, events).await }
    });
    until("starting the step", Duration::from_secs(30), || {
        runs(argument)
    })
    .await;
    build.abort();
    let took = until("ending the step", Duration::from_secs(20), || {
        !runs(argument)
    })
    .await;
    println!("the step ended after {took:?}");
    while told.recv().await.is_some() {}
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn eight_builds_at_once() {
    let builder = builder();
    let one = async |i: usize| {
        let text = format!("build {i} of {}", unique());
        let files =
            Files::new("FROM busybox\nCOPY text /\nRUN sleep 1 && cat /text\n").with("text", &text);
        let outcome = build_with(&builder, files.request()).await;
        assert_eq!(outcome.lines(), [text]);
        outcome.built().digest
    };
    let digests = futures::future::join_all((0..8).map(one)).await;
    let different: std::collections::BTreeSet<_> = digests.iter().collect();
    assert_eq!(different.len(), 8);
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_daemon_that_is_away_is_passed_over() {
    let away = Daemon::parse("unix:///nonexistent/buildkitd.sock").unwrap();
    let both = Builder::new(vec![away.clone(), daemon()]);
    for affinity in ["a", "b", "c", "d"] {
        let files = Files::new("FROM scratch\nCOPY Dockerfile /\n");
        let request = BuildRequest {
            affinity: affinity.to_owned(),
            ..files.request()
        };
        assert_eq!(
            build_with(&both, request).await.built().daemon,
            daemon().address
        );
    }
    let health = both.health().await;
    assert!(health[0].1.is_err() && health[1].1.is_ok(), "{health:?}");

    let outcome = build_with(&Builder::new(vec![away]), Files::new("").request()).await;
    assert!(outcome.platform().retryable, "{:?}", outcome.result);
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn nobody_has_to_listen_to_the_events() {
    let (events, told) = mpsc::channel(1);
    drop(told);
    let files = Files::new("FROM busybox\nRUN seq 1000\n");
    builder()
        .build(
            BuildRequest {
                no_cache: true,
                ..files.request()
            },
            events,
        )
        .await
        .unwrap();
}

/// The daemon repeats all of a build at its end, and a listener may be slow.
#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn every_line_is_told_once_and_in_order() {
    let files = Files::new("FROM busybox\nARG UNIQUE\nRUN seq 2000 && printf 'no end'\n");
    let slow = AtomicBool::new(true);
    let (events, mut told) = mpsc::channel(1);
    let builder = builder();
    let build = builder.build(unique_build(files.request()), events);
    let listen = async {
        let mut events = Vec::new();
        while let Some(event) = told.recv().await {
            if slow.swap(false, Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            events.push(event);
        }
        events
    };
    let (result, events) = tokio::join!(build, listen);
    let outcome = Outcome { result, events };
    let mut want: Vec<String> = (1..=2000).map(|i| i.to_string()).collect();
    want.push("no end".to_owned());
    assert_eq!(outcome.lines(), want);
    outcome.built();
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_daemon_that_goes_away_is_the_platforms() {
    let bridge = Bridge::new();
    let builder = Builder::new(vec![bridge.daemon.clone()]);
    let argument = &unique()[10..];
    let files = Files::new(&format!("FROM busybox\nRUN sleep {argument}\n"));
    let cut = async {
        until("starting the step", Duration::from_secs(30), || {
            runs(argument)
        })
        .await;
        bridge.cut();
    };
    let (outcome, ()) = tokio::join!(build_with(&builder, files.request()), cut);
    assert!(outcome.platform().retryable, "{:?}", outcome.result);
    until("ending the step", Duration::from_secs(20), || {
        !runs(argument)
    })
    .await;
    assert!(builder.health().await[0].1.is_err());
}

#[tokio::test]
#[ignore = "needs the local stack: deploy/local/run"]
async fn a_registry_is_told_who_we_are_when_it_asks() {
    let registry = guarded_registry("Basic dXNlcjpodW50ZXIyMg==").await;
    let files = Files::new("FROM scratch\nCOPY Dockerfile /\n");
    let push = async |password: &str| {
        let username = "user".to_owned();
        let credential = Credential {
            username,
            password: password.into(),
        };
        let mut request = files.request();
        request.image = format!("{registry}/t/builder-client:{}", unique());
        request.credentials = BTreeMap::from([(registry.clone(), credential)]);
        build(request).await
    };
    push("hunter22").await.built();
    let refused = push("password").await;
    assert!(!refused.platform().retryable, "{:?}", refused.result);
}

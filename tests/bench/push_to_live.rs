//! How long a push takes to be live, against the same done by hand in the same run.
//!
//! * the platform: `git push`, until the new version answers on its Host;
//! * by hand: `buildctl build` of the work folder, `kubectl set image`, `kubectl rollout status`,
//!   and requests until the new version answers on its Host. The Deployment, Service and Ingress
//!   are copies of those that the platform made.
//!
//! Both are warm, take turns, and change one file each time. Run it by `tests/bench/push_to_live`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{App, Kube, Repo, get_with, setting};
use tokio::process::Command;

const ROUNDS: usize = 9;
/// Rounds that are not counted: caches are filled, connections made.
const WARM_UP: usize = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let platform = tests::shared();
    let app = platform.app("bench").await;
    let repo = Repo::server("start", "").await;
    app.push_live(&repo).await;
    let by_hand = ByHand::copy(&app).await;
    let (mut pushed, mut handmade) = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + ROUNDS {
        let push = push_to_live(&app, &repo, &format!("push {round}")).await;
        let hand = by_hand.build_to_live(&repo, &format!("hand {round}")).await;
        println!(
            "{}  push {:6.3} s   by hand {:6.3} s",
            if round < WARM_UP {
                "warm-up"
            } else {
                "counted"
            },
            push.as_secs_f64(),
            hand.as_secs_f64()
        );
        if round >= WARM_UP {
            pushed.push(push.as_secs_f64());
            handmade.push(hand.as_secs_f64());
        }
    }
    let (push, hand) = (median(&mut pushed), median(&mut handmade));
    println!(
        "median of {ROUNDS}: push to live {push:.3} s, by hand {hand:.3} s, ratio {:.2}",
        push / hand
    );
    by_hand.delete();
}

async fn push_to_live(app: &App<'_>, repo: &Repo, message: &str) -> Duration {
    repo.change(message).await;
    let host = app.host("test");
    let begun = Instant::now();
    let (pushed, live) = tokio::join!(app.push(repo), answers(&host, message, begun));
    assert!(pushed.ok, "{}", pushed.output);
    live
}

/// Asks until the new version answers; returns the time since `begun`.
async fn answers(host: &str, message: &str, begun: Instant) -> Duration {
    let client = tests::client();
    while get_with(&client, host, "/").await.json()["message"] != message {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{host} does not answer {message:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}

/// The same app, without the platform.
struct ByHand {
    namespace: String,
    deployment: String,
    host: String,
    image: String,
}

impl ByHand {
    async fn copy(app: &App<'_>) -> ByHand {
        let namespace = format!("by-hand-{}", app.name);
        let by_hand = ByHand {
            deployment: app.name.clone(),
            host: format!("{namespace}.localhost"),
            image: format!("{}/by-hand/{}", setting("HOPS_REGISTRY"), app.name),
            namespace,
        };
        Kube::run(&["create", "namespace", &by_hand.namespace]);
        for kind in ["services", "deployments", "ingresses"] {
            for object in Kube::list(kind, &app.namespace("test")) {
                by_hand.create(object).await;
            }
        }
        by_hand
    }

    async fn create(&self, mut object: Value) {
        object["metadata"] =
            json!({ "name": object["metadata"]["name"], "namespace": self.namespace });
        if let Some(spec) = object["spec"].as_object_mut() {
            spec.retain(|key, _| !matches!(key.as_str(), "clusterIP" | "clusterIPs"));
        }
        if object["kind"] == "Ingress" {
            object["spec"]["rules"][0]["host"] = json!(self.host);
        }
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), object.to_string()).expect("writing it");
        Kube::run(&[
            "create",
            "--filename",
            file.path().to_str().expect("a path of text"),
        ]);
    }

    async fn build_to_live(&self, repo: &Repo, message: &str) -> Duration {
        repo.write("message", message);
        let begun = Instant::now();
        let image = format!("{}:{}", self.image, message.replace(' ', "-"));
        let folder = repo.path().to_str().expect("a path of text");
        let (context, dockerfile) = (format!("context={folder}"), format!("dockerfile={folder}"));
        let output = format!("type=image,name={image},push=true,registry.insecure=true");
        let build = [
            "build",
            "--frontend",
            "dockerfile.v0",
            "--local",
            &context,
            "--local",
            &dockerfile,
            "--output",
            &output,
        ];
        run("buildctl", &build).await;
        let (deployment, container) = (
            format!("deployment/{}", self.deployment),
            format!("*={image}"),
        );
        run(
            "kubectl",
            &[
                "--namespace",
                &self.namespace,
                "set",
                "image",
                &deployment,
                &container,
            ],
        )
        .await;
        run(
            "kubectl",
            &[
                "--namespace",
                &self.namespace,
                "rollout",
                "status",
                "--timeout",
                "60s",
                &deployment,
            ],
        )
        .await;
        answers(&self.host, message, begun).await
    }

    fn delete(&self) {
        Kube::run(&["delete", "namespace", "--wait=false", &self.namespace]);
    }
}

async fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .await
        .expect(program);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

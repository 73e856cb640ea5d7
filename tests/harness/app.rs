//! An app of a test: asked for over the API, pushed to with git, looked at through the ingress.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{Answer, Kube, Platform, Pushed, Repo, eventually, get, record, web::client};

/// An app on a platform under test; its namespaces are deleted when it is dropped.
pub struct App<'p> {
    /// Its name.
    pub name: String,
    /// Where it runs.
    pub platform: &'p Platform,
}

/// A release that has ended, as the API tells it.
#[derive(Debug, Clone)]
pub struct Deployed(pub Value);

impl Deployed {
    /// `live`, `failed` or `superseded`.
    pub fn state(&self) -> &str {
        self.0["state"].as_str().unwrap_or_default()
    }

    /// Why it did not become live.
    pub fn reason(&self) -> &str {
        self.0["reason"].as_str().unwrap_or_default()
    }

    /// Its number.
    pub fn number(&self) -> i64 {
        self.0["number"].as_i64().unwrap_or_default()
    }

    /// One appling's state.
    pub fn appling(&self, name: &str) -> &Value {
        let applings = self.0["applings"].as_array();
        applings
            .and_then(|all| all.iter().find(|appling| appling["name"] == name))
            .unwrap_or(&Value::Null)
    }
}

impl<'p> App<'p> {
    /// Creates an app.
    ///
    /// # Panics
    /// When the platform refuses.
    pub async fn create(platform: &'p Platform, name: &str, repository: Option<&str>) -> App<'p> {
        App::create_as(platform, &json!({ "name": name, "repository": repository })).await
    }

    /// Creates an app from the body of a request.
    ///
    /// # Panics
    /// When the platform refuses.
    pub async fn create_as(platform: &'p Platform, asked: &Value) -> App<'p> {
        let (status, created) = platform.create_app(asked).await;
        assert_eq!(status, 201, "creating {asked}: {created}");
        let name = created["name"].as_str().expect("a name").to_owned();
        record::is_canary(&name);
        App { name, platform }
    }

    /// Where it is pushed to.
    pub fn push_url(&self) -> String {
        format!("{}/git/{}.git", self.platform.url, self.name)
    }

    /// Pushes `main`; returns when git does, which is when the release has ended.
    pub async fn push(&self, repo: &Repo) -> Pushed {
        self.push_refs(repo, &["HEAD:refs/heads/main"]).await
    }

    /// Pushes refs.
    pub async fn push_refs(&self, repo: &Repo, refs: &[&str]) -> Pushed {
        repo.push(&self.push_url(), &self.platform.token, refs)
            .await
    }

    /// Pushes `main` and wants the release to become live.
    ///
    /// # Panics
    /// When it does not.
    pub async fn push_live(&self, repo: &Repo) -> Deployed {
        let pushed = self.push(repo).await;
        assert!(pushed.ok, "git push failed:\n{}", pushed.output);
        let release = self.last_release().await;
        assert_eq!(release.state(), "live", "{}\n{}", release.0, pushed.output);
        release
    }

    /// Deploys a ref and returns the release once it has ended.
    ///
    /// # Panics
    /// When the platform refuses.
    pub async fn deploy(&self, environment: &str, reference: &str) -> Deployed {
        let (status, release) = self.try_deploy(environment, reference).await;
        assert_eq!(
            status, 202,
            "deploying {reference} to {environment}: {release}"
        );
        self.ended(release["number"].as_i64().expect("a number"))
            .await
    }

    /// Asks for a release and returns the answer.
    pub async fn try_deploy(&self, environment: &str, reference: &str) -> (u16, Value) {
        let path = format!(
            "/api/apps/{}/environments/{environment}/releases",
            self.name
        );
        self.platform
            .post(&path, &json!({ "ref": reference }))
            .await
    }

    /// A release, once it has ended.
    pub async fn ended(&self, number: i64) -> Deployed {
        let path = format!("/api/apps/{}/releases/{number}", self.name);
        let ended = || async {
            let release = self.api(&path).await;
            (release["ended_at"].is_string()).then_some(Deployed(release))
        };
        eventually(&format!("release {number} of {} ends", self.name), ended).await
    }

    /// Releases, newest first.
    pub async fn releases(&self) -> Vec<Value> {
        let releases = self
            .api(&format!("/api/apps/{}/releases?limit=200", self.name))
            .await;
        releases.as_array().cloned().unwrap_or_default()
    }

    /// The newest release, once it has ended.
    ///
    /// # Panics
    /// When there is none.
    pub async fn last_release(&self) -> Deployed {
        let newest = self.releases().await.into_iter().next().expect("a release");
        self.ended(newest["number"].as_i64().expect("a number"))
            .await
    }

    /// `GET` at the API.
    ///
    /// # Panics
    /// When the platform does not answer, or refuses.
    pub async fn api(&self, path: &str) -> Value {
        let (status, answer) = self.platform.get(path).await;
        assert!(status < 300, "{path} answered {status}: {answer}");
        answer
    }

    /// What `GET …/status` says.
    pub async fn status(&self) -> Value {
        self.api(&format!("/api/apps/{}/status", self.name)).await
    }

    /// The lines of a release's log, steps and build.
    pub async fn log(&self, release: &Deployed) -> String {
        let id = release.0["id"].as_str().unwrap_or_default();
        let request = client()
            .get(format!("{}/api/releases/{id}/log", self.platform.url))
            .bearer_auth(&self.platform.token);
        let text = request
            .send()
            .await
            .expect("the API")
            .text()
            .await
            .expect("text");
        record::keep("answers", text.as_bytes());
        let line = |line: &str| {
            serde_json::from_str::<Value>(line)
                .ok()
                .and_then(|line| line["text"].as_str().map(str::to_owned))
        };
        text.lines().filter_map(line).collect::<Vec<_>>().join("\n")
    }

    /// The only appling's host.
    pub fn host(&self, environment: &str) -> String {
        match environment {
            "prod" => format!("{}.localhost", self.name),
            other => format!("{}.{other}.localhost", self.name),
        }
    }

    /// One of several applings' host.
    pub fn host_of(&self, appling: &str, environment: &str) -> String {
        format!("{appling}.{}", self.host(environment))
    }

    /// The namespace of an environment.
    pub fn namespace(&self, environment: &str) -> String {
        format!("apps-{}-{environment}", self.name)
    }

    /// `GET` of the only appling in an environment, once the ingress routes to it.
    pub async fn get(&self, environment: &str, path: &str) -> Answer {
        routed(&self.host(environment), path).await
    }

    /// `GET` of one of several applings in an environment, once the ingress routes to it.
    pub async fn get_of(&self, appling: &str, environment: &str, path: &str) -> Answer {
        routed(&self.host_of(appling, environment), path).await
    }

    /// A file in the only appling's image, as a pod of it answers: for a moment after a release is live
    /// that may still be one of the version before.
    pub async fn file(&self, environment: &str, path: &str) -> String {
        self.get(environment, &format!("/file?path={path}"))
            .await
            .body
    }

    /// Waits until a file is this.
    ///
    /// # Panics
    /// When it is not for a while.
    pub async fn file_is(&self, environment: &str, path: &str, wanted: &str) {
        let is_there = || async { (self.file(environment, path).await == wanted).then_some(()) };
        eventually(&format!("{path} of {} is {wanted:?}", self.name), is_there).await;
    }
}

/// The ingress learns of a new host a moment after the pods are ready.
async fn routed(host: &str, path: &str) -> Answer {
    let answered = || async {
        let answer = get(host, path).await;
        (!matches!(answer.status, 0 | 404 | 502 | 503)).then_some(answer)
    };
    crate::eventually_within(
        Duration::from_secs(20),
        &format!("{host} is routed"),
        answered,
    )
    .await
}

impl Drop for App<'_> {
    fn drop(&mut self) {
        let labels = format!(
            "hops.dev/instance={},hops.dev/app={}",
            self.platform.instance, self.name
        );
        if std::thread::panicking() {
            // What may be the cause, and is gone with the namespaces.
            println!("{}", Kube::warnings(&labels));
        } else if record::is_on() {
            // (A failure within a failure would end all tests.)
            record::keep("database", &self.platform.dump_database());
        }
        // The platform would make the namespaces again: it has to forget the app first.
        crate::platform::forget(self.platform, &self.name);
        Kube::delete_namespaces(&labels);
    }
}

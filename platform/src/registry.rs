//! Who the platform is at registries: read from a Docker configuration file.

use std::{collections::BTreeMap, fmt, path::Path};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use builder_client::Credential;
use secrecy::SecretString;
use serde::Deserialize;

/// User names and passwords by registry host.
#[derive(Clone, Default)]
pub struct RegistryAuth(BTreeMap<String, Credential>);

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The part of `~/.docker/config.json` that holds plain credentials.
#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
}

#[derive(Deserialize)]
struct Auth {
    auth: Option<SecretString>,
    username: Option<String>,
    password: Option<SecretString>,
}

impl RegistryAuth {
    /// Reads a Docker configuration file; no file means no credentials.
    ///
    /// # Errors
    /// When the file cannot be read, or is no such file; its content is not repeated.
    pub fn read(file: Option<&Path>) -> anyhow::Result<RegistryAuth> {
        let Some(file) = file else {
            return Ok(RegistryAuth::default());
        };
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        RegistryAuth::parse(&text)
            .with_context(|| format!("{} is no Docker configuration", file.display()))
    }

    fn parse(text: &str) -> anyhow::Result<RegistryAuth> {
        // serde_json's own error may quote a value, and a value may be a password.
        let config: DockerConfig = serde_json::from_str(text)
            .ok()
            .context("not JSON of the right shape")?;
        let credentials = config
            .auths
            .into_iter()
            .filter_map(|(host, auth)| Some((host_of(&host), auth.credential()?)));
        Ok(RegistryAuth(credentials.collect()))
    }

    /// All credentials, by registry host.
    pub fn all(&self) -> &BTreeMap<String, Credential> {
        &self.0
    }

    /// The credential for the registry of an image or repository reference.
    pub fn for_reference(&self, reference: &str) -> Option<&Credential> {
        self.0.get(reference.split('/').next().unwrap_or(reference))
    }
}

impl Auth {
    fn credential(self) -> Option<Credential> {
        use secrecy::ExposeSecret;
        if let (Some(username), Some(password)) = (self.username, self.password) {
            return Some(Credential { username, password });
        }
        let decoded = STANDARD.decode(self.auth?.expose_secret()).ok()?;
        let text = String::from_utf8(decoded).ok()?;
        let (username, password) = text.split_once(':')?;
        Some(Credential {
            username: username.to_owned(),
            password: password.to_owned().into(),
        })
    }
}

/// Docker writes its own registry as an address, and others sometimes too.
fn host_of(key: &str) -> String {
    let host = key
        .trim_start_matches("https://")
        .trim_start_matches("http://");
    let host = host.split('/').next().unwrap_or(host);
    if host == "index.docker.io" {
        "docker.io".to_owned()
    } else {
        host.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn reads_both_forms_and_shows_neither() {
        let text = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "YWxpY2U6czNjcmV0"},
            "registry.test:5000": {"username": "bob", "password": "pw:with:colons"}}}"#;
        let auth = RegistryAuth::parse(text).unwrap();
        assert_eq!(
            auth.for_reference("docker.io")
                .unwrap()
                .password
                .expose_secret(),
            "s3cret"
        );
        let bob = auth.for_reference("registry.test:5000/app/web").unwrap();
        assert_eq!(
            (bob.username.as_str(), bob.password.expose_secret()),
            ("bob", "pw:with:colons")
        );
        assert!(!format!("{auth:?}").contains("s3cret"));
        assert!(
            RegistryAuth::parse("{\"auths\": {\"x\": \"s3cret\"}}")
                .is_err_and(|e| !format!("{e:#}").contains("s3cret"))
        );
    }
}

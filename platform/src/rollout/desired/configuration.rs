//! What a version's containers are configured with: variables and files, plain ones in ConfigMaps,
//! secret ones in Secrets. Each is named after its content, so that what changes rolls the pods, and
//! pods of a version that goes keep what they had.

use std::collections::BTreeMap;

use iterapp_schema::EnvValue;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapEnvSource, ConfigMapVolumeSource, EnvFromSource, EnvVar, EnvVarSource,
    Secret, SecretEnvSource, SecretKeySelector, SecretVolumeSource, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use secrecy::ExposeSecret;

use super::{Part, pod, pull_secret, sql_proxy};
use crate::database::connection::Address;
use crate::rollout::labels;
use crate::secrets::open::OpenedValue;

/// The group that may read files, and that containers belong to besides their own.
pub(super) const FILES_GROUP: i64 = 65_534;

/// Owner and group may read: the files are the group's.
pub(super) const OF_GROUP: i32 = 0o440;

/// Values by name, of one kind: variables, or files.
struct Values<'a> {
    /// `env` or `files`: a part of the objects' names.
    kind: &'static str,
    plain: BTreeMap<String, String>,
    secret: BTreeMap<String, OpenedValue>,
    /// Keys of Secrets that the platform has not made, or that it could not open.
    elsewhere: BTreeMap<String, (&'a str, &'a str)>,
}

/// Stands for a Secret that may not be had: whoever reads the pod's events learns that it is not there.
const NONE: &str = "not-available";

/// Whether a Secret of this name would be the platform's.
fn is_ours(name: &str) -> bool {
    name == pull_secret::NAME || name.starts_with("cron-") || labels::without_content(name) != name
}

/// The plain values of the parts, each once.
pub(super) fn config_maps(parts: &[&Part<'_>]) -> Vec<ConfigMap> {
    let all = parts
        .iter()
        .flat_map(|part| [variables(part), files(part)].map(|values| values.config_map(part)));
    once(all.flatten())
}

/// The secret values of the parts, each once.
pub(super) fn secrets(parts: &[&Part<'_>]) -> Vec<Secret> {
    let all = parts.iter().flat_map(|part| {
        let configured = [variables(part), files(part)].map(|values| values.secret(part));
        configured.into_iter().chain([sql_proxy::secret(part)])
    });
    once(all.flatten())
}

/// The variables that stand in objects of their own.
pub(super) fn env_from(part: &Part<'_>) -> Option<Vec<EnvFromSource>> {
    let values = variables(part);
    let plain = values.plain_name(part).map(|name| EnvFromSource {
        config_map_ref: Some(ConfigMapEnvSource {
            name,
            optional: None,
        }),
        ..EnvFromSource::default()
    });
    let secret = values.secret_name(part).map(|name| EnvFromSource {
        secret_ref: Some(SecretEnvSource {
            name,
            optional: None,
        }),
        ..EnvFromSource::default()
    });
    let all: Vec<_> = plain.into_iter().chain(secret).collect();
    (!all.is_empty()).then_some(all)
}

/// The variables that come from Secrets which are not the platform's.
pub(super) fn env_elsewhere(part: &Part<'_>) -> Vec<EnvVar> {
    let elsewhere = variables(part).elsewhere.into_iter();
    let variable = |(name, (secret, key)): (String, (&str, &str))| EnvVar {
        name,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: secret.to_owned(),
                key: key.to_owned(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    };
    elsewhere.map(variable).collect()
}

/// What changes with the Secrets that are not the platform's: nothing else of the pods does.
pub(super) fn fingerprints(part: &Part<'_>) -> Option<String> {
    let opened = part
        .version
        .spec
        .env
        .values()
        .chain(part.version.spec.run.files.values());
    let found: Vec<&str> = opened
        .filter_map(|value| part.wanted.opened.get(value))
        .filter(|opened| opened.is_in_namespace)
        .map(|opened| opened.fingerprint.as_str())
        .collect();
    (!found.is_empty()).then(|| pod::short_hash(&found))
}

/// The volumes that hold the files.
pub(super) fn volumes(part: &Part<'_>) -> Vec<Volume> {
    let files = files(part);
    let plain = files.plain_name(part).map(|name| Volume {
        name: "files".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name,
            default_mode: Some(OF_GROUP),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    });
    let secret = files.secret_name(part).map(|name| Volume {
        name: "secret-files".to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(name),
            default_mode: Some(OF_GROUP),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    });
    let elsewhere = secrets_elsewhere(&files)
        .into_iter()
        .map(|(volume, secret)| Volume {
            name: volume,
            secret: Some(SecretVolumeSource {
                secret_name: Some(secret.to_owned()),
                default_mode: Some(OF_GROUP),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        });
    plain.into_iter().chain(secret).chain(elsewhere).collect()
}

/// Each file by itself, so that what else the image has in its folder stays.
pub(super) fn volume_mounts(part: &Part<'_>) -> Vec<VolumeMount> {
    let files = files(part);
    let paths: Vec<&String> = part.version.spec.run.files.keys().collect();
    let mount = |path: &str, volume: &str, key: &str| VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        sub_path: Some(key.to_owned()),
        read_only: Some(true),
        ..VolumeMount::default()
    };
    let volumes = secrets_elsewhere(&files);
    let of = |(position, path): (usize, &&String)| {
        let key = file_key(position);
        if files.plain.contains_key(&key) {
            return Some(mount(path, "files", &key));
        }
        if files.secret.contains_key(&key) {
            return Some(mount(path, "secret-files", &key));
        }
        let (secret, key) = files.elsewhere.get(&key)?;
        let (volume, _) = volumes.iter().find(|(_, name)| name == secret)?;
        Some(mount(path, volume, key))
    };
    paths.iter().enumerate().filter_map(of).collect()
}

/// The volumes of Secrets that are not the platform's, and their names.
fn secrets_elsewhere<'a>(files: &Values<'a>) -> Vec<(String, &'a str)> {
    let mut names: Vec<&str> = files
        .elsewhere
        .values()
        .map(|(secret, _)| *secret)
        .collect();
    names.sort_unstable();
    names.dedup();
    let numbered = names.into_iter().enumerate();
    numbered
        .map(|(number, name)| (format!("secret-{number}"), name))
        .collect()
}

fn variables<'a>(part: &'a Part<'_>) -> Values<'a> {
    let env = &part.version.spec.env;
    let written = env.iter().map(|(name, value)| (name.clone(), value));
    let mut values = Values::of("env", part, written);
    // What the author wrote wins.
    let is_free = |name: &String| !env.contains_key(name);
    let proxied = sql_proxy::variables(part).into_iter();
    values
        .plain
        .extend(proxied.filter(|(name, _)| is_free(name)));
    let addressed = of_address(part).into_iter();
    values
        .secret
        .extend(addressed.filter(|(name, _)| is_free(name)));
    values
}

/// The variables of a database that is somewhere else, and that no proxy stands before.
fn of_address(part: &Part<'_>) -> Vec<(String, OpenedValue)> {
    let external = part.version.spec.external_database();
    let opened = external
        .filter(|external| !external.proxy)
        .and_then(|external| part.wanted.opened.get(&external.address));
    let Some(opened) = opened else {
        return Vec::new();
    };
    let variables = Address::parse(&opened.value).map(|address| address.variables());
    let value = |(name, value): (String, String)| {
        let fingerprint = format!("{} {name}", opened.fingerprint);
        let value = OpenedValue {
            value: value.into(),
            fingerprint,
            is_in_namespace: false,
        };
        (name, value)
    };
    variables
        .unwrap_or_default()
        .into_iter()
        .map(value)
        .collect()
}

/// A file's path is no key of a ConfigMap, so they are numbered.
fn files<'a>(part: &'a Part<'_>) -> Values<'a> {
    let files = part.version.spec.run.files.values().enumerate();
    Values::of(
        "files",
        part,
        files.map(|(position, value)| (file_key(position), value)),
    )
}

fn file_key(position: usize) -> String {
    format!("file-{position}")
}

impl<'a> Values<'a> {
    fn of(
        kind: &'static str,
        part: &'a Part<'_>,
        all: impl Iterator<Item = (String, &'a EnvValue)>,
    ) -> Self {
        let mut values = Self {
            kind,
            plain: BTreeMap::new(),
            secret: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
        };
        for (name, value) in all {
            let opened = part.wanted.opened.get(value);
            match (value, opened.filter(|opened| !opened.is_in_namespace)) {
                (_, Some(opened)) => drop(values.secret.insert(name, opened.clone())),
                // One of our own by its name holds others' secrets, and was never opened.
                (EnvValue::Secret { secret, key }, None)
                    if opened.is_some() || !is_ours(secret) =>
                {
                    values.elsewhere.insert(name, (secret, key));
                }
                (EnvValue::Secret { key, .. }, None) => {
                    values.elsewhere.insert(name, (NONE, key));
                }
                (value, None) => {
                    values
                        .plain
                        .extend(value.plain().map(|plain| (name, plain)));
                }
            }
        }
        values
    }

    fn plain_name(&self, part: &Part<'_>) -> Option<String> {
        let hash = pod::short_hash(&self.plain);
        (!self.plain.is_empty()).then(|| self.name(part, &hash))
    }

    /// The fingerprints tell nobody anything about the values.
    fn secret_name(&self, part: &Part<'_>) -> Option<String> {
        let fingerprints: BTreeMap<&String, &String> = self
            .secret
            .iter()
            .map(|(name, opened)| (name, &opened.fingerprint))
            .collect();
        let hash = pod::short_hash(&fingerprints);
        (!self.secret.is_empty()).then(|| self.name(part, &hash))
    }

    fn name(&self, part: &Part<'_>, hash: &str) -> String {
        format!("{}-{}-{hash}", part.version.spec.name, self.kind)
    }

    fn config_map(&self, part: &Part<'_>) -> Option<ConfigMap> {
        Some(ConfigMap {
            metadata: metadata(part, &self.plain_name(part)?),
            data: Some(self.plain.clone()),
            immutable: Some(true),
            ..ConfigMap::default()
        })
    }

    fn secret(&self, part: &Part<'_>) -> Option<Secret> {
        let bytes = |opened: &OpenedValue| opened.value.expose_secret().as_bytes().to_vec();
        let data = self.secret.iter();
        Some(Secret {
            metadata: metadata(part, &self.secret_name(part)?),
            type_: Some("Opaque".to_owned()),
            data: Some(
                data.map(|(name, opened)| (name.clone(), ByteString(bytes(opened))))
                    .collect(),
            ),
            immutable: Some(true),
            ..Secret::default()
        })
    }
}

pub(super) fn metadata(part: &Part<'_>, name: &str) -> ObjectMeta {
    let mut metadata = part.metadata(name);
    metadata
        .labels
        .get_or_insert_default()
        .insert(labels::CONTENT.to_owned(), "hashed".to_owned());
    metadata
}

/// A candidate and the version before it may have the same.
fn once<K: ResourceExt>(objects: impl Iterator<Item = K>) -> Vec<K> {
    let by_name: BTreeMap<String, K> = objects.map(|object| (object.name_any(), object)).collect();
    by_name.into_values().collect()
}

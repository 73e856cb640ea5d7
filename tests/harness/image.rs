//! Images in the stack's registry, looked at as the registry has them.

use std::{process::Stdio, sync::Mutex};

use serde_json::Value;

use crate::{setting, web::client};

const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// Everything that the registry has of an image: its manifest, its configuration (and in it its
/// history), and its layers, compressed as they are.
///
/// # Panics
/// When the registry does not have it.
pub async fn image_blobs(image: &str) -> Vec<Vec<u8>> {
    let (name, digest) = image.split_once('@').expect("an image by digest");
    let (registry, name) = name.split_once('/').expect("a registry");
    let mut manifest = read(&format!("http://{registry}/v2/{name}/manifests/{digest}")).await;
    if let Some(first) = manifest["manifests"][0]["digest"].as_str() {
        manifest = read(&format!("http://{registry}/v2/{name}/manifests/{first}")).await;
    }
    let mut blobs = vec![manifest.to_string().into_bytes()];
    let layers = manifest["layers"].as_array().cloned().unwrap_or_default();
    for part in std::iter::once(manifest["config"].clone()).chain(layers) {
        let digest = part["digest"].as_str().expect("a digest");
        let url = format!("http://{registry}/v2/{name}/blobs/{digest}");
        let answer = client().get(url).send().await.expect("the registry");
        blobs.push(answer.bytes().await.expect("a blob").to_vec());
    }
    blobs
}

/// The configuration of an image `registry/name@sha256:…`: its platform, variables, labels.
///
/// # Panics
/// When the registry does not have it.
pub async fn image_config(image: &str) -> Value {
    let (name, digest) = image.split_once('@').expect("an image by digest");
    let (registry, name) = name.split_once('/').expect("a registry");
    let mut manifest = read(&format!("http://{registry}/v2/{name}/manifests/{digest}")).await;
    if let Some(first) = manifest["manifests"][0]["digest"].as_str() {
        manifest = read(&format!("http://{registry}/v2/{name}/manifests/{first}")).await;
    }
    let config = manifest["config"]["digest"]
        .as_str()
        .unwrap_or_else(|| panic!("no configuration in {manifest}"));
    read(&format!("http://{registry}/v2/{name}/blobs/{config}")).await
}

async fn read(url: &str) -> Value {
    let answer = client().get(url).header("accept", MANIFESTS).send().await;
    let answer = answer.expect("the registry").error_for_status();
    answer.expect("an image").json().await.expect("JSON")
}

/// Has one of the larger base images made, if the registry lacks it.
///
/// # Panics
/// When it cannot be made.
pub async fn want_base_image(name: &'static str) {
    let registry = setting("HOPS_REGISTRY");
    let url = format!("http://{registry}/v2/library/{name}/tags/list");
    let answer = client().get(url).send().await.expect("the registry");
    if !answer.status().is_success() {
        let made = tokio::task::spawn_blocking(move || make_base_image(name));
        made.await.expect("making a base image");
    }
}

fn make_base_image(name: &str) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/local/base-images");
    let output = std::process::Command::new(script)
        .arg(name)
        .stdin(Stdio::null())
        .output()
        .expect("deploy/local/base-images");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

//! The solve: what the daemon is asked to do, and its answer.

use std::collections::HashMap;

use bollard_buildkit_proto::moby::buildkit::v1::{
    Exporter, SolveRequest, SolveResponse, control_client::ControlClient,
};
use tonic::{Status, transport::Channel};

use crate::BuildRequest;

/// Builds and pushes. **Dropping the future cancels the solve**, and nothing else does: not the end
/// of the session, nor that of the status stream.
pub(crate) async fn solve(
    channel: Channel,
    reference: String,
    session: String,
    request: &BuildRequest,
) -> Result<SolveResponse, Status> {
    let solve = SolveRequest {
        r#ref: reference,
        session,
        frontend: "dockerfile.v0".to_owned(),
        frontend_attrs: frontend(request),
        exporters: vec![exporter(request)],
        // Else the daemon keeps what the steps wrote, and that may be a secret.
        internal: true,
        ..SolveRequest::default()
    };
    let answer = ControlClient::new(channel).solve(solve).await?;
    Ok(answer.into_inner())
}

fn frontend(request: &BuildRequest) -> HashMap<String, String> {
    let attribute = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut attributes = HashMap::from([
        attribute("filename", &request.dockerfile),
        attribute("platform", &request.platform),
    ]);
    attributes.extend(
        request
            .target
            .iter()
            .map(|target| attribute("target", target)),
    );
    attributes.extend(request.no_cache.then(|| attribute("no-cache", "")));
    for (name, value) in &request.build_args {
        attributes.insert(format!("build-arg:{name}"), value.clone());
    }
    attributes
}

fn exporter(request: &BuildRequest) -> Exporter {
    let attribute = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut attrs = HashMap::from([attribute("name", &request.image), attribute("push", "true")]);
    if request.insecure_registry {
        attrs.extend([attribute("registry.insecure", "true")]);
    }
    Exporter {
        r#type: "image".to_owned(),
        attrs,
    }
}

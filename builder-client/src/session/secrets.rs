//! `RUN --mount=type=secret`.

use std::collections::BTreeMap;

use bollard_buildkit_proto::moby::buildkit::secrets::v1::{
    GetSecretRequest, GetSecretResponse, secrets_server::Secrets,
};
use secrecy::{ExposeSecret, SecretSlice};
use tonic::{Request, Response, Status};

/// The secrets of one build. A Dockerfile can mount any id, so only what was meant for it is here.
pub(super) struct Known {
    secrets: BTreeMap<String, SecretSlice<u8>>,
}

impl Known {
    pub(super) fn new(secrets: BTreeMap<String, SecretSlice<u8>>) -> Known {
        Known { secrets }
    }
}

#[tonic::async_trait]
impl Secrets for Known {
    /// A miss must be `NotFound`: then a mount that is not `required` goes without.
    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let id = &request.get_ref().id;
        let secret = self.secrets.get(id);
        let secret = secret.ok_or_else(|| Status::not_found(format!("secret {id} not found")))?;
        let data = secret.expose_secret().to_vec();
        Ok(Response::new(GetSecretResponse { data }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_known_ids_are_answered() {
        let secret = SecretSlice::from(b"x".to_vec());
        let known = Known::new(BTreeMap::from([("token".to_owned(), secret)]));
        let ask = async |id: &str| {
            let request = GetSecretRequest {
                id: id.to_owned(),
                ..GetSecretRequest::default()
            };
            known.get_secret(Request::new(request)).await
        };
        assert_eq!(ask("token").await.unwrap().into_inner().data, b"x");
        assert_eq!(
            ask("other").await.unwrap_err().code(),
            tonic::Code::NotFound
        );
    }
}

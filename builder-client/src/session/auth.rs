//! Who to be at a registry.

use std::collections::BTreeMap;

use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse,
    GetTokenAuthorityRequest, GetTokenAuthorityResponse, VerifyTokenAuthorityRequest,
    VerifyTokenAuthorityResponse, auth_server::Auth,
};
use secrecy::ExposeSecret;
use tonic::{Request, Response, Status};

use crate::Credential;

/// All the names of Docker Hub.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// Credentials by registry host.
pub(super) struct Registries {
    credentials: BTreeMap<String, Credential>,
}

impl Registries {
    pub(super) fn new(credentials: BTreeMap<String, Credential>) -> Registries {
        Registries { credentials }
    }

    /// Only for the host that was asked about: a Dockerfile chooses which registries are asked.
    fn get(&self, host: &str) -> Option<&Credential> {
        let others = DOCKER_HUB.contains(&host).then_some(DOCKER_HUB);
        let aliases = others.into_iter().flatten();
        std::iter::once(host)
            .chain(aliases)
            .find_map(|host| self.credentials.get(host))
    }
}

#[tonic::async_trait]
impl Auth for Registries {
    /// Nothing, which means anonymously, for hosts that are not known.
    async fn credentials(
        &self,
        request: Request<CredentialsRequest>,
    ) -> Result<Response<CredentialsResponse>, Status> {
        let known = self.get(&request.get_ref().host);
        Ok(Response::new(known.map_or_else(
            CredentialsResponse::default,
            |credential| CredentialsResponse {
                username: credential.username.clone(),
                secret: credential.password.expose_secret().to_owned(),
            },
        )))
    }

    async fn fetch_token(
        &self,
        _: Request<FetchTokenRequest>,
    ) -> Result<Response<FetchTokenResponse>, Status> {
        Err(use_credentials())
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(use_credentials())
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(use_credentials())
    }
}

/// On this answer the daemon asks for credentials and fetches tokens itself.
fn use_credentials() -> Status {
    Status::unimplemented("ask for credentials")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_for_their_own_host_only() {
        let credential = Credential {
            username: "u".to_owned(),
            password: "p".into(),
        };
        let hosts = ["docker.io", "r.example.com:5000"];
        let registries = Registries::new(
            hosts
                .iter()
                .map(|h| ((*h).to_owned(), credential.clone()))
                .collect(),
        );
        for host in ["docker.io", "registry-1.docker.io", "r.example.com:5000"] {
            assert!(registries.get(host).is_some(), "{host}");
        }
        for host in ["r.example.com", "evil.example.com", ""] {
            assert!(registries.get(host).is_none(), "{host}");
        }
    }
}

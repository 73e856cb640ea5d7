//! Why objects could not be made as wanted: three cases, for three reactions.

use iterapp_schema::ApplingName;
use kube::core::Status;

use super::super::cluster::ClusterError;
use super::LeaseLost;

/// Why [`super::apply`] stopped.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Kubernetes or the platform says no, and will say so again: told to the author. What was not
    /// refused was written.
    #[error("{}", sentences(.0))]
    Refused(Vec<Refusal>),
    /// Another controller works on the environment now.
    #[error(transparent)]
    LeaseLost(#[from] LeaseLost),
    /// May go well a little later: tried again by the caller, and logged.
    #[error("{0}")]
    Transient(String),
}

/// One object that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The appling whose object it is; nothing when it concerns the whole environment.
    pub appling: Option<ApplingName>,
    /// A sentence or two for people.
    pub reason: String,
}

impl ApplyError {
    /// A refusal that concerns the whole environment, as long as nobody says which appling.
    pub(super) fn refused(reason: impl Into<String>) -> Self {
        let (appling, reason) = (None, reason.into());
        Self::Refused(vec![Refusal { appling, reason }])
    }
}

fn sentences(refusals: &[Refusal]) -> String {
    let reasons: Vec<&str> = refusals.iter().map(|r| r.reason.as_str()).collect();
    reasons.join("; ")
}

impl From<ClusterError> for ApplyError {
    fn from(error: ClusterError) -> Self {
        match error.answer() {
            Some(status) if is_refusal(status) => {
                Self::refused(format!("Kubernetes refuses: {}", status.message))
            }
            _ => Self::Transient(error.to_string()),
        }
    }
}

/// Whether the apiserver objects to the object itself (invalid, too large, over a quota, against
/// the cluster's policies), and not to the moment or to the platform's own rights.
fn is_refusal(status: &Status) -> bool {
    match status.code {
        400 | 413 | 422 => true,
        403 => !lacks_rights(status) && !is_being_deleted(status),
        _ => false,
    }
}

/// RBAC's refusals read `User "…" cannot patch resource "…"`: the operator's to mend.
fn lacks_rights(status: &Status) -> bool {
    status.message.contains(" cannot ") && status.message.contains(" resource \"")
}

fn is_being_deleted(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes
        .into_iter()
        .any(|cause| cause.reason == "NamespaceTerminating")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, message: &str) -> Status {
        Status::failure(message, "").with_code(code)
    }

    #[test]
    fn what_the_author_can_mend_is_refused() {
        for told in [
            status(
                422,
                "Deployment.apps \"web\" is invalid: spec.replicas: must be positive",
            ),
            status(
                403,
                "services \"web\" is forbidden: exceeded quota: small, requested: 1",
            ),
            status(400, "admission webhook \"policy\" denied the request"),
        ] {
            assert!(is_refusal(&told), "{}", told.message);
        }
    }

    #[test]
    fn what_time_or_the_operator_mends_is_not() {
        let terminating = serde_json::from_value(serde_json::json!({
            "code": 403,
            "message": "unable to create new content in namespace x because it is being terminated",
            "details": { "causes": [{ "reason": "NamespaceTerminating" }] },
        }));
        for logged in [
            status(409, "the object has been modified"),
            status(503, "etcd leader changed"),
            status(
                403,
                "User \"system:serviceaccount:hops:hops\" cannot patch resource \"services\" in API group \"\"",
            ),
            terminating.unwrap(),
        ] {
            assert!(!is_refusal(&logged), "{}", logged.message);
        }
    }
}

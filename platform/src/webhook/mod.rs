//! Webhooks: one file per forge. A handler verifies and stores; it never fetches, parses the
//! app's files or calls Kubernetes.

pub mod github;

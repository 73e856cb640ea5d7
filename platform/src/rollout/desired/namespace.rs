//! The namespace of an environment.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::super::cluster::Settings;
use super::labels;
use crate::release::spec::WantedEnvironment;

pub(super) fn namespace(wanted: &WantedEnvironment, settings: &Settings) -> Namespace {
    let labels = labels::of_environment(&settings.instance, &wanted.app, wanted.environment);
    Namespace {
        metadata: ObjectMeta {
            name: Some(wanted.namespace()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

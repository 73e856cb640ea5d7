//! Who says how many pods an autoscaled appling has.

use iterapp_schema::Scale;
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
    MetricTarget, ResourceMetricSource,
};

use super::Part;
use super::deployment::to_i32;

/// One that follows the CPU that the pods use; none for an appling with a number of its own.
pub(super) fn autoscaler(part: &Part<'_>) -> Option<HorizontalPodAutoscaler> {
    let spec = &part.version.spec;
    let Scale::Auto(autoscale) = &spec.run.scale else {
        return None;
    };
    Some(HorizontalPodAutoscaler {
        metadata: part.metadata(spec.name.as_ref()),
        spec: HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name: spec.name.to_string(),
            },
            min_replicas: Some(to_i32(autoscale.min)),
            max_replicas: to_i32(autoscale.max),
            metrics: Some(vec![average_cpu(autoscale.cpu)]),
            ..HorizontalPodAutoscalerSpec::default()
        },
        ..HorizontalPodAutoscaler::default()
    })
}

fn average_cpu(percent: u32) -> MetricSpec {
    MetricSpec {
        type_: "Resource".to_owned(),
        resource: Some(ResourceMetricSource {
            name: "cpu".to_owned(),
            target: MetricTarget {
                type_: "Utilization".to_owned(),
                average_utilization: Some(to_i32(percent)),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    }
}

//! What matters of objects whose status changes far more often.

use std::collections::HashMap;
use std::fmt::Debug;

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec};
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;

/// A kind of which less matters than what changes in it.
pub(super) trait Shaped:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static
{
    /// What matters.
    type Shape: Clone + PartialEq + Send;

    fn shape(&self) -> Self::Shape;
}

impl Shaped for Pod {
    type Shape = PodShape;

    fn shape(&self) -> PodShape {
        PodShape::of(self)
    }
}

/// Its status tells every few seconds what it last measured.
impl Shaped for HorizontalPodAutoscaler {
    type Shape = HorizontalPodAutoscalerSpec;

    fn shape(&self) -> Self::Shape {
        self.spec.clone()
    }
}

/// The last known shape of every object of a kind, by its identity.
pub(super) struct Shapes<K: Shaped>(HashMap<String, K::Shape>);

impl<K: Shaped> Default for Shapes<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Shaped> Shapes<K> {
    /// Whether an event changes anything that matters.
    pub(super) fn differ(&mut self, event: &Event<K>) -> bool {
        match event {
            Event::Init => {
                self.0.clear();
                false
            }
            Event::InitDone => false,
            Event::Delete(object) => {
                self.0.remove(&object.uid().unwrap_or_default());
                true
            }
            Event::Apply(object) | Event::InitApply(object) => {
                let (uid, shape) = (object.uid().unwrap_or_default(), object.shape());
                let before = self.0.insert(uid, shape.clone());
                before != Some(shape)
            }
        }
    }
}

/// Whether a pod serves, how often its container was restarted, what it waits for.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PodShape {
    stopping: bool,
    phase: Option<String>,
    /// Type and status of each condition.
    conditions: Vec<(String, String)>,
    /// Restarts and state of each container.
    containers: Vec<(i32, String)>,
}

impl PodShape {
    fn of(pod: &Pod) -> Self {
        let status = pod.status.clone().unwrap_or_default();
        let conditions = status.conditions.into_iter().flatten();
        let containers = status.container_statuses.into_iter().flatten();
        Self {
            stopping: pod.metadata.deletion_timestamp.is_some(),
            phase: status.phase,
            conditions: conditions.map(|c| (c.type_, c.status)).collect(),
            containers: containers
                .map(|c| (c.restart_count, word(c.state.as_ref())))
                .collect(),
        }
    }
}

fn word(state: Option<&ContainerState>) -> String {
    let Some(state) = state else {
        return String::new();
    };
    if state.running.is_some() {
        return "running".to_owned();
    }
    if state.terminated.is_some() {
        return "terminated".to_owned();
    }
    let waiting = state.waiting.as_ref();
    waiting
        .and_then(|waiting| waiting.reason.clone())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(restarts: i32, ip: &str) -> Pod {
        let container = json!({
            "name": "app", "image": "", "imageID": "", "ready": true,
            "restartCount": restarts, "state": { "running": {} },
        });
        serde_json::from_value(json!({
            "metadata": { "uid": "a" },
            "status": { "podIP": ip, "containerStatuses": [container] },
        }))
        .unwrap()
    }

    #[test]
    fn what_an_autoscaler_measures_makes_none() {
        let autoscaler = |max: i32, cpu: i32| {
            let measured = json!([{ "type": "Resource", "resource": {
                "name": "cpu", "current": { "averageUtilization": cpu },
            }}]);
            let target = json!({ "kind": "Deployment", "name": "web" });
            Event::Apply(
                serde_json::from_value::<HorizontalPodAutoscaler>(json!({
                    "metadata": { "uid": "a" },
                    "spec": { "maxReplicas": max, "scaleTargetRef": target },
                    "status": { "desiredReplicas": 1, "currentMetrics": measured },
                }))
                .unwrap(),
            )
        };
        let mut shapes = Shapes::default();
        assert!(shapes.differ(&autoscaler(3, 10)));
        assert!(!shapes.differ(&autoscaler(3, 90)));
        assert!(shapes.differ(&autoscaler(4, 90)));
    }

    #[test]
    fn only_what_matters_makes_a_difference() {
        let mut shapes = Shapes::default();
        assert!(shapes.differ(&Event::Apply(pod(0, "10.0.0.1"))));
        assert!(!shapes.differ(&Event::Apply(pod(0, "10.0.0.2"))));
        assert!(shapes.differ(&Event::Apply(pod(1, "10.0.0.2"))));
        assert!(shapes.differ(&Event::Delete(pod(1, "10.0.0.2"))));
        assert!(shapes.0.is_empty());
    }
}

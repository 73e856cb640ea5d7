//! What matters of a pod: whether it serves, how often its container was restarted, what it waits
//! for. The rest of its status changes far more often.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::ResourceExt;
use kube::runtime::watcher::Event;

/// The last known shape of every pod, by its identity.
#[derive(Default)]
pub(super) struct Shapes(HashMap<String, Shape>);

impl Shapes {
    /// Whether an event changes anything that matters.
    pub(super) fn differ(&mut self, event: &Event<Pod>) -> bool {
        match event {
            Event::Init => {
                self.0.clear();
                false
            }
            Event::InitDone => false,
            Event::Delete(pod) => {
                self.0.remove(&pod.uid().unwrap_or_default());
                true
            }
            Event::Apply(pod) | Event::InitApply(pod) => {
                let shape = Shape::of(pod);
                let before = self.0.insert(pod.uid().unwrap_or_default(), shape.clone());
                before != Some(shape)
            }
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
struct Shape {
    stopping: bool,
    phase: Option<String>,
    /// Type and status of each condition.
    conditions: Vec<(String, String)>,
    /// Restarts and state of each container.
    containers: Vec<(i32, String)>,
}

impl Shape {
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
    fn only_what_matters_makes_a_difference() {
        let mut shapes = Shapes::default();
        assert!(shapes.differ(&Event::Apply(pod(0, "10.0.0.1"))));
        assert!(!shapes.differ(&Event::Apply(pod(0, "10.0.0.2"))));
        assert!(shapes.differ(&Event::Apply(pod(1, "10.0.0.2"))));
        assert!(shapes.differ(&Event::Delete(pod(1, "10.0.0.2"))));
        assert!(shapes.0.is_empty());
    }
}

//! What the kubelet and the scheduler complain about: a namespace's warning events.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, ListParams};

use super::super::cluster::{Cluster, ClusterError};

/// A namespace with more warnings than this has one cause for most of them.
const LIMIT: u32 = 500;

/// Warnings by the pod's identity, oldest first.
pub(super) struct Warnings(BTreeMap<String, Vec<(Timestamp, String)>>);

impl Warnings {
    pub(super) async fn read(cluster: &Cluster, namespace: &str) -> Result<Self, ClusterError> {
        let api: Api<Event> = cluster.in_namespace(namespace);
        let query = ListParams::default()
            .fields("type=Warning,involvedObject.kind=Pod")
            .limit(LIMIT);
        let what = format!("list the events of {namespace}");
        let events = cluster
            .request(&what, || async { api.list(&query).await })
            .await?;
        Ok(Self::sort(events.items))
    }

    fn sort(events: Vec<Event>) -> Self {
        let mut by_pod: BTreeMap<String, Vec<(Timestamp, String)>> = BTreeMap::new();
        for event in events {
            let at = last_seen(&event);
            if let (Some(pod), Some(message)) = (event.involved_object.uid, event.message) {
                by_pod.entry(pod).or_default().push((at, message));
            }
        }
        by_pod.values_mut().for_each(|warnings| warnings.sort());
        Self(by_pod)
    }

    /// A pod's warnings, newest first.
    pub(super) fn of(&self, pod: &Pod) -> Vec<String> {
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        let warnings = self.0.get(uid).into_iter().flatten().rev();
        warnings.map(|(_, message)| message.clone()).collect()
    }
}

/// Repeated events are counted up, and have the time of the last one.
fn last_seen(event: &Event) -> Timestamp {
    let series = event
        .series
        .as_ref()
        .and_then(|series| series.last_observed_time.as_ref());
    let micro = series.or(event.event_time.as_ref()).map(|time| time.0);
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    last.max(micro).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pods_warnings_come_newest_first() {
        let event = |uid: &str, at: &str, message: &str| {
            serde_json::from_value::<Event>(json!({
                "metadata": {},
                "involvedObject": { "kind": "Pod", "uid": uid },
                "lastTimestamp": at,
                "message": message,
            }))
        };
        let warnings = Warnings::sort(vec![
            event("a", "2026-01-01T00:00:02Z", "refused").unwrap(),
            event("b", "2026-01-01T00:00:09Z", "another pod's").unwrap(),
            event("a", "2026-01-01T00:00:05Z", "500").unwrap(),
        ]);
        let pod = serde_json::from_value(json!({ "metadata": { "uid": "a" } })).unwrap();
        assert_eq!(warnings.of(&pod), ["500", "refused"]);
    }
}

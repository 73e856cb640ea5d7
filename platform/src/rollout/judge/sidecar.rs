//! What stands beside the app and does not come to run: the app's container waits for it.

use k8s_openapi::api::core::v1::ContainerStatus;

use super::super::observe::{ObservedPod, last_end, last_lines};
use super::trouble::{Trouble, Weight};
use super::{Reason, start};

/// So many restarts are a loop.
const LOOP: i32 = 3;

/// A sidecar's trouble. Its author is the platform, so the hint is for whoever runs that.
pub(super) fn trouble(pod: &ObservedPod) -> Option<Trouble> {
    let status = pod.pod.status.as_ref()?;
    let mut sidecars = status.init_container_statuses.iter().flatten();
    sidecars.find_map(|sidecar| of_sidecar(pod, sidecar))
}

fn of_sidecar(pod: &ObservedPod, status: &ContainerStatus) -> Option<Trouble> {
    const HINT: &str = "the platform puts it beside the app: whoever runs the platform has to look";
    let state = status.state.as_ref()?;
    if state.running.is_some() {
        return None;
    }
    let name = &status.name;
    if let Some((hopeless, message)) = start::unpulled(pod, state) {
        let summary = format!("the image of its {name} cannot be pulled: {}", status.image);
        let reason = Reason::new(summary).details(vec![message]).hint(HINT);
        return Some(Trouble::passing(Weight::Image, reason).hopeless_if(hopeless));
    }
    let ended = last_end(status)?;
    let words = last_lines(ended.message.as_deref().unwrap_or_default());
    let summary = format!("its {name} ended with code {}", ended.exit_code);
    let reason = Reason::new(summary).details(words).hint(HINT);
    Some(Trouble::passing(Weight::Start, reason).hopeless_if(status.restart_count >= LOOP))
}

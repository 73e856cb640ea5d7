//! Who says how many pods a Deployment has: our apply, or an autoscaler.
//!
//! Server-side apply sets a field that only we have named, and name no more, to its default, which
//! here is 1. So the number passes to a manager of its own before our apply is silent about it, and
//! stays there until the autoscaler writes another. The way back needs no such step: our apply
//! names the number again, and that is that, once the autoscaler is gone.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::kind::{Kind, of_appling};
use super::take_back::{self, REPLICAS_MANAGER};
use super::write::Writer;
use super::{ApplyError, Fence, Refusal};

impl Kind<Deployment> {
    /// Applies every wanted Deployment; those that are autoscaled keep the number of pods they have.
    pub(super) async fn put_scaled<F: Fence>(
        &self,
        writer: &Writer<'_, F>,
        wanted: &[Deployment],
        autoscalers: &[HorizontalPodAutoscaler],
    ) -> Result<Vec<Refusal>, ApplyError> {
        let mut refusals = Vec::new();
        for deployment in wanted {
            let bounds = autoscalers
                .iter()
                .find(|autoscaler| autoscaler.name_any() == deployment.name_any())
                .map(Bounds::of);
            let outcome = match bounds {
                Some(bounds) => self.put_autoscaled(writer, deployment, bounds).await,
                None => self.put_one(writer, deployment).await,
            };
            refusals.extend(of_appling(deployment, outcome)?);
        }
        Ok(refusals)
    }

    async fn put_autoscaled<F: Fence>(
        &self,
        writer: &Writer<'_, F>,
        deployment: &Deployment,
        bounds: Bounds,
    ) -> Result<(), ApplyError> {
        self.refuse_foreign(&deployment.name_any())?;
        let found = match self.find(writer.cluster, &deployment.name_any()).await? {
            Some(found) => found,
            None => {
                let mut first = deployment.clone();
                first.spec.get_or_insert_default().replicas = Some(bounds.min);
                self.apply(writer, &first).await?
            }
        };
        if let Some(number) = bounds.hand_over(&found) {
            self.hand_over(writer, &deployment.name_any(), number)
                .await?;
        }
        self.put_one(writer, deployment).await
    }

    async fn hand_over<F: Fence>(
        &self,
        writer: &Writer<'_, F>,
        name: &str,
        number: i32,
    ) -> Result<(), ApplyError> {
        let patch = Patch::Apply(json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": name },
            "spec": { "replicas": number },
        }));
        let parameters = PatchParams::apply(REPLICAS_MANAGER).force();
        let patch = || async { self.api.patch(name, &parameters, &patch).await };
        writer.write(&self.what("scale", name), patch).await?;
        Ok(())
    }
}

/// Between how many pods an autoscaler chooses.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    min: i32,
    max: i32,
}

impl Bounds {
    fn of(autoscaler: &HorizontalPodAutoscaler) -> Self {
        let min = autoscaler.spec.min_replicas.unwrap_or(1);
        let max = autoscaler.spec.max_replicas.max(min);
        Self { min, max }
    }

    /// The number to hand over: the one there is, within the bounds. Nothing when the number is not
    /// ours and the autoscaler can take it from there: it would never touch a Deployment with no
    /// pods, and be late for others.
    fn hand_over(self, found: &Deployment) -> Option<i32> {
        let now = found.spec.as_ref().and_then(|spec| spec.replicas);
        let now = now.unwrap_or(1);
        let number = now.clamp(self.min, self.max);
        let ours = take_back::we_name_replicas(found.managed_fields());
        (ours || number != now).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { min: 2, max: 5 };

    fn deployment(replicas: i32, manager: &str, fields: serde_json::Value) -> Deployment {
        serde_json::from_value(json!({
            "metadata": { "managedFields": [{
                "manager": manager, "operation": "Apply", "fieldsV1": { "f:spec": fields },
            }]},
            "spec": { "replicas": replicas, "selector": {}, "template": {} },
        }))
        .unwrap()
    }

    #[test]
    fn what_we_named_is_handed_over_as_it_is() {
        let named = |replicas| deployment(replicas, "hops", json!({ "f:replicas": {} }));
        assert_eq!(BOUNDS.hand_over(&named(3)), Some(3));
        assert_eq!(BOUNDS.hand_over(&named(0)), Some(2));
        assert_eq!(BOUNDS.hand_over(&named(9)), Some(5));
    }

    #[test]
    fn the_autoscalers_choice_is_let_alone() {
        let chosen = |replicas| deployment(replicas, "hops", json!({ "f:template": {} }));
        for replicas in 2..=5 {
            assert_eq!(BOUNDS.hand_over(&chosen(replicas)), None);
        }
        // It gives up on a Deployment that somebody scaled to nothing.
        assert_eq!(BOUNDS.hand_over(&chosen(0)), Some(2));
        let handed = deployment(3, REPLICAS_MANAGER, json!({ "f:replicas": {} }));
        assert_eq!(BOUNDS.hand_over(&handed), None);
    }
}

//! The Jobs of release commands. A Job runs once, so it is not applied like other objects: it is
//! made suspended, told once to run, and never made again.

use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::super::cluster::{Cluster, ClusterError};
use super::super::labels;
use super::super::observe::end_of;
use super::kind::of_appling;
use super::write::Writer;
use super::{ApplyError, FIELD_MANAGER, Fence, OurNamespace, Refusal};

/// Our Jobs of release commands in a namespace, as they were when it was read.
pub(super) struct Jobs {
    api: Api<Job>,
    namespace: String,
    found: Vec<Job>,
}

impl Jobs {
    pub(super) async fn read(
        cluster: &Cluster,
        namespace: &OurNamespace,
    ) -> Result<Self, ClusterError> {
        let api: Api<Job> = cluster.in_namespace(&namespace.name);
        // Those of cron jobs carry no release, and are Kubernetes' to make and to delete.
        let ours = labels::query(&namespace.labels);
        let query = ListParams::default().labels(&format!("{ours},{}", labels::RELEASE));
        let what = format!("list the jobs of {}", namespace.name);
        let list = cluster
            .request(&what, || async { api.list(&query).await })
            .await?;
        Ok(Self {
            api,
            namespace: namespace.name.clone(),
            found: list.items,
        })
    }

    /// Makes those that may not run yet, and lets those run that may. One that is gone though it may
    /// run stays gone. Says why some were refused.
    pub(super) async fn put<F: Fence>(
        &self,
        writer: &Writer<'_, F>,
        wanted: &[Job],
    ) -> Result<Vec<Refusal>, ApplyError> {
        let mut refusals = Vec::new();
        for job in wanted {
            let put = match (self.find(job), is_suspended(job)) {
                (None, true) => self.create(writer, job).await,
                (Some(found), false) if is_suspended(found) => self.resume(writer, found).await,
                _ => Ok(()),
            };
            refusals.extend(of_appling(job, put)?);
        }
        Ok(refusals)
    }

    /// Deletes those that are wanted no more: their release was superseded before they could begin,
    /// or they were given up, or they have ended and a newer one of the appling is there. The last
    /// one stays for people to look at; Kubernetes deletes it in time.
    pub(super) async fn prune<F: Fence>(
        &self,
        writer: &Writer<'_, F>,
        wanted: &[Job],
    ) -> Result<(), ApplyError> {
        let is_wanted = |job: &Job| wanted.iter().any(|w| w.name_any() == job.name_any());
        for job in self.found.iter().filter(|job| !is_wanted(job)) {
            let is_last = !self.found.iter().any(|other| is_newer(other, job));
            let is_going = job.metadata.deletion_timestamp.is_some();
            let stays = end_of(job).is_some() && is_last;
            if !is_going && !stays {
                self.delete(writer, job).await?;
            }
        }
        Ok(())
    }

    fn find(&self, wanted: &Job) -> Option<&Job> {
        self.found
            .iter()
            .find(|job| job.name_any() == wanted.name_any())
    }

    async fn create<F: Fence>(&self, writer: &Writer<'_, F>, job: &Job) -> Result<(), ApplyError> {
        let parameters = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let name = job.name_any();
        let create = || async {
            match self.api.create(&parameters, job).await {
                Err(kube::Error::Api(status)) if status.is_already_exists() => {
                    self.api.get(&name).await
                }
                other => other,
            }
        };
        let made = writer.write(&self.what("create", job), create).await?;
        let is_ours = |(key, value)| made.labels().get(key) == Some(value);
        if job.labels().iter().all(is_ours) {
            return Ok(());
        }
        Err(ApplyError::refused(format!(
            "the Job {name} in the namespace {} was not made by this platform, which leaves it alone; delete it",
            self.namespace
        )))
    }

    /// A patch makes nothing: should the Job be gone by now, it stays gone.
    async fn resume<F: Fence>(&self, writer: &Writer<'_, F>, job: &Job) -> Result<(), ApplyError> {
        let name = job.name_any();
        let patch = Patch::Merge(json!({
            "metadata": { "uid": job.uid() },
            "spec": { "suspend": false },
        }));
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let resume = || async {
            match self.api.patch(&name, &parameters, &patch).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
                other => other.map(drop),
            }
        };
        writer.write(&self.what("resume", job), resume).await
    }

    async fn delete<F: Fence>(&self, writer: &Writer<'_, F>, job: &Job) -> Result<(), ApplyError> {
        let name = job.name_any();
        let parameters = DeleteParams::background().preconditions(Preconditions {
            uid: job.uid(),
            resource_version: None,
        });
        let delete = || async {
            match self.api.delete(&name, &parameters).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
                other => other.map(drop),
            }
        };
        writer.write(&self.what("delete", job), delete).await
    }

    fn what(&self, verb: &str, job: &Job) -> String {
        format!(
            "{verb} the {} {} in {}",
            Job::kind(&()),
            job.name_any(),
            self.namespace
        )
    }
}

fn is_suspended(job: &Job) -> bool {
    job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true)
}

/// Whether a Job is of a newer release of the same appling than another one.
fn is_newer(job: &Job, other: &Job) -> bool {
    let release = |job: &Job| job.labels().get(labels::RELEASE)?.parse::<i64>().ok();
    labels::appling_of(job.labels()) == labels::appling_of(other.labels())
        && release(job) > release(other)
}

//! Says which environment changed in Kubernetes, whoever changed it.

mod shape;

use std::collections::BTreeSet;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use iterapp_schema::{AppName, Environment};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

use super::cluster::{Cluster, IngressFlavour};
use super::labels;
use super::traefik::{IngressRoute, Middleware};
use shape::{Shaped, Shapes};

/// One environment of one app.
type Place = (AppName, Environment);

/// Changes come in bursts (a Deployment, its ReplicaSet, its pods); so long are they gathered.
const BURST: Duration = Duration::from_millis(50);

/// Watches everything of this instance and sends which environment changed, several changes at
/// once as one. At the start, and after a connection was lost for long, every environment that has
/// objects is sent. Ends when the receiver is dropped.
///
/// A nudge, not a record: what is deleted while the connection is lost is not sent.
pub async fn watch(cluster: Cluster, changed: Sender<Place>) {
    let mut changes = changes(&cluster);
    tokio::select! {
        () = pass_on(&mut changes, &changed) => {}
        () = changed.closed() => {}
    }
}

/// Gathers bursts. While the receiver is slow, changes of the same environment become one, so that
/// what waits is never more than there are environments.
async fn pass_on(changes: &mut BoxStream<'_, Place>, changed: &Sender<Place>) {
    let mut pending = BTreeSet::new();
    loop {
        match changes.next().await {
            Some(place) => pending.insert(place),
            None => return,
        };
        let burst = async {
            while let Some(place) = changes.next().await {
                pending.insert(place);
            }
        };
        // Times out, because changes never end.
        let _ = timeout(BURST, burst).await;
        while let Some(place) = pending.pop_first() {
            tokio::select! {
                biased;
                sent = changed.send(place.clone()) => if sent.is_err() { return },
                Some(other) = changes.next() => {
                    pending.insert(place);
                    pending.insert(other);
                }
            }
        }
    }
}

/// Every change of an object of this instance, anywhere. Of Secrets and others only metadata is
/// read; what matters of a pod or an autoscaler is less than what changes in it.
fn changes(cluster: &Cluster) -> BoxStream<'static, Place> {
    let of_instance = format!("{}={}", labels::INSTANCE, cluster.settings().instance);
    let config = watcher::Config::default().labels(&of_instance);
    // A cron job's run comes and goes without changing what is wanted.
    let pods = config
        .clone()
        .labels(&format!("{of_instance},!{}", labels::CRONJOB));
    let mut all = vec![
        metadata::<Namespace>(cluster, &config),
        metadata::<ConfigMap>(cluster, &config),
        metadata::<Secret>(cluster, &config),
        metadata::<NetworkPolicy>(cluster, &config),
        metadata::<Service>(cluster, &config),
        metadata::<Deployment>(cluster, &config),
        metadata::<Ingress>(cluster, &config),
        metadata::<CronJob>(cluster, &config),
        metadata::<Job>(cluster, &pods),
        shaped::<HorizontalPodAutoscaler>(cluster, &config),
        shaped::<Pod>(cluster, &pods),
    ];
    if cluster.settings().ingress_flavour == IngressFlavour::Traefik {
        all.push(metadata::<Middleware>(cluster, &config));
        all.push(metadata::<IngressRoute>(cluster, &config));
    }
    stream::select_all(all).boxed()
}

fn metadata<K>(cluster: &Cluster, config: &watcher::Config) -> BoxStream<'static, Place>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
{
    watcher::watcher(cluster.everywhere::<PartialObjectMeta<K>>(), config.clone())
        .default_backoff()
        .filter_map(|event| std::future::ready(heard(event).and_then(place)))
        .boxed()
}

/// Only changes of what matters of an object.
fn shaped<K: Shaped>(cluster: &Cluster, config: &watcher::Config) -> BoxStream<'static, Place> {
    let mut shapes = Shapes::<K>::default();
    watcher::watcher(cluster.everywhere::<K>(), config.clone())
        .default_backoff()
        .filter_map(move |event| {
            let event = heard(event).filter(|event| shapes.differ(event));
            std::future::ready(event.and_then(place))
        })
        .boxed()
}

/// The watcher goes on after an error, with more and more time between its attempts.
fn heard<K>(event: watcher::Result<Event<K>>) -> Option<Event<K>> {
    event
        .inspect_err(|error| tracing::warn!(%error, "watching Kubernetes failed, and goes on"))
        .ok()
}

/// The environment that an event is about.
fn place<K: ResourceExt>(event: Event<K>) -> Option<Place> {
    match event {
        Event::Apply(object) | Event::InitApply(object) | Event::Delete(object) => {
            labels::environment_of(object.labels())
        }
        Event::Init | Event::InitDone => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    fn place(app: &str) -> Place {
        (app.parse().unwrap(), Environment::Test)
    }

    #[tokio::test]
    async fn changes_of_one_environment_become_one() {
        let burst = ["a", "b", "a", "a", "b"].map(place);
        let mut changes = stream::iter(burst).chain(stream::pending()).boxed();
        let (sender, mut receiver) = mpsc::channel(8);
        let pass_on = pass_on(&mut changes, &sender);
        let received = async { (receiver.recv().await, receiver.recv().await) };
        let received = tokio::select! {
            () = pass_on => panic!("ended"),
            received = received => received,
        };
        assert_eq!(received, (Some(place("a")), Some(place("b"))));
        assert!(receiver.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_slow_receiver_gets_each_environment_once() {
        let (sender, mut receiver) = mpsc::channel(1);
        let later = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            Some((place("a"), ()))
        });
        let mut changes = later.take(8).chain(stream::pending()).boxed();
        let slow = async {
            tokio::time::sleep(Duration::from_millis(800)).await;
            let mut got = 0;
            while timeout(Duration::from_millis(200), receiver.recv())
                .await
                .is_ok()
            {
                got += 1;
            }
            got
        };
        let got = tokio::select! {
            () = pass_on(&mut changes, &sender) => panic!("ended"),
            got = slow => got,
        };
        // One that lay in the channel, and one for all the others.
        assert_eq!(got, 2);
    }
}

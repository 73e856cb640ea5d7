//! The labels by which the platform knows its own objects, and finds them again.

use std::collections::BTreeMap;

use iterapp_schema::{AppName, ApplingName, Environment};

/// Which of several platforms on one cluster an object belongs to.
pub const INSTANCE: &str = "hops.dev/instance";
/// The app.
pub const APP: &str = "hops.dev/app";
/// The environment.
pub const ENVIRONMENT: &str = "hops.dev/environment";
/// The appling.
pub const APPLING: &str = "hops.dev/appling";
/// Hash of a pod template's content: tells a candidate's pods from those of the version before.
pub const VERSION: &str = "hops.dev/version";
/// Marks objects whose names tell their content: they go when no pod names them any more.
pub const CONTENT: &str = "hops.dev/content";
/// The login that the SQL proxies of a Secret use on their server.
pub const LOGIN: &str = "hops.dev/database-login";
/// The appling that a Job's pods work for. Not [`APPLING`], by which Services and Deployments select
/// pods: those of Jobs are none of theirs.
pub const JOB_OF: &str = "hops.dev/job-of";
/// The cron job of the appling that a Job and its pods are a run of.
pub const CRONJOB: &str = "hops.dev/cronjob";
/// The number of the release whose command a Job, or its pod, runs.
pub const RELEASE: &str = "hops.dev/release";
/// Kubernetes' own convention for "who made this".
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Labels, as Kubernetes has them.
pub type Labels = BTreeMap<String, String>;

/// What every object of an environment carries.
pub fn of_environment(instance: &str, app: &AppName, environment: Environment) -> Labels {
    labels([
        (INSTANCE, instance),
        (APP, app.as_ref()),
        (ENVIRONMENT, &environment.to_string()),
        (MANAGED_BY, "hops"),
    ])
}

/// What a Deployment and a Service select pods by. A Deployment's selector can never change, so
/// these are the three things that never do.
pub fn selecting(app: &AppName, environment: Environment, appling: &ApplingName) -> Labels {
    labels([
        (APP, app.as_ref()),
        (ENVIRONMENT, &environment.to_string()),
        (APPLING, appling.as_ref()),
    ])
}

/// What the pods of an appling's Jobs carry, and what selects them.
pub fn of_jobs(app: &AppName, environment: Environment, appling: &ApplingName) -> Labels {
    labels([
        (APP, app.as_ref()),
        (ENVIRONMENT, &environment.to_string()),
        (JOB_OF, appling.as_ref()),
    ])
}

/// The name of an object that is named after its content, without what stands for that.
pub fn without_content(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((family, hash)) if hash.len() == 10 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            family
        }
        _ => name,
    }
}

/// Labels as a list request's `labelSelector`; every one of them must match.
pub fn query(labels: &Labels) -> String {
    let terms: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    terms.join(",")
}

/// The app and environment that an object's labels name, unless they name none.
pub fn environment_of(labels: &Labels) -> Option<(AppName, Environment)> {
    let app = labels.get(APP)?.parse().ok()?;
    let environment = labels.get(ENVIRONMENT)?.parse().ok()?;
    Some((app, environment))
}

/// The appling that an object's labels name, unless they name none.
pub fn appling_of(labels: &Labels) -> Option<ApplingName> {
    labels.get(APPLING)?.parse().ok()
}

/// The appling that a Job's pod works for, unless it is no such pod.
pub fn job_of(labels: &Labels) -> Option<ApplingName> {
    labels.get(JOB_OF)?.parse().ok()
}

fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_read_back_from_its_labels() {
        let app: AppName = "my_shop".parse().unwrap();
        let labels = of_environment("main", &app, Environment::Snap(3));
        assert_eq!(environment_of(&labels), Some((app, Environment::Snap(3))));
    }

    #[test]
    fn labels_of_nothing_we_know_are_skipped() {
        for (app, environment) in [("Shop", "prod"), ("shop", "staging"), ("prod", "prod")] {
            let odd = labels([(APP, app), (ENVIRONMENT, environment)]);
            assert_eq!(environment_of(&odd), None);
        }
        assert_eq!(environment_of(&Labels::new()), None);
    }
}

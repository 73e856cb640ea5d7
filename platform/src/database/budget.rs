//! Whether all pods of a database together stay within the connections that it takes.

use iterapp_schema::{Concurrency, CronAction, CronJob, Run, Scale};

use crate::release::spec::ApplingSpec;

/// What the applings of a database may need at the same time, and what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Pods that there may be at the same time: of each appling all replicas and those that they replace,
    /// its release command and its cron jobs.
    pub pods: u32,
    /// Connections that one pod opens at most.
    pub pool_size: u32,
    /// Connections that the database takes.
    pub limit: u32,
}

impl Budget {
    /// The budget of a database with these applings.
    pub fn of<'s>(
        applings: impl Iterator<Item = &'s ApplingSpec>,
        pool_size: u32,
        limit: u32,
    ) -> Budget {
        Budget {
            pods: applings.map(|spec| pods(&spec.run)).sum(),
            pool_size,
            limit,
        }
    }

    /// Why it is exceeded, for the author; nothing when it is not.
    pub fn exceeded(&self) -> Option<String> {
        let Budget {
            pods,
            pool_size,
            limit,
        } = self;
        let wanted = pods.saturating_mul(*pool_size);
        (wanted > *limit).then(|| format!(
            "its database takes {limit} connections, and up to {pods} pods (replicas, those that they replace, release command and cron jobs) with {pool_size} each could open {wanted}\n\
             hint: fewer replicas, or a higher `connection_limit` or a lower `pool_size` of the database server, which is a setting of the platform"
        ))
    }
}

fn pods(run: &Run) -> u32 {
    let replicas = match &run.scale {
        Scale::Fixed(replicas) => *replicas,
        Scale::Auto(autoscale) => autoscale.max,
    };
    // The pods of the version before hold their connections for some seconds after Kubernetes has stopped
    // counting them, so that in the end there are as many of either: see `rollout::desired::sql_proxy`.
    let replaced = replicas;
    let command = u32::from(run.release_command.is_some());
    let cron_jobs = run.cronjobs.values();
    let runs = cron_jobs.map(runs).fold(0, u32::saturating_add);
    replicas
        .saturating_add(replaced)
        .saturating_add(command)
        .saturating_add(runs)
}

/// Pods of a cron job that there may be at the same time.
fn runs(job: &CronJob) -> u32 {
    match (&job.action, job.concurrency) {
        // Those that call are asked of the pods that are there.
        (CronAction::Call { .. }, _) => 0,
        (CronAction::Run { .. }, Concurrency::Forbid) => 1,
        // The one before is still being stopped. Of those that may overlap nobody knows how many do.
        (CronAction::Run { .. }, Concurrency::Replace | Concurrency::Allow) => 2,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use iterapp_schema::Autoscale;

    use super::*;

    fn cron_job(action: CronAction) -> CronJob {
        CronJob {
            schedule: "@daily".to_owned(),
            action,
            concurrency: Concurrency::Forbid,
        }
    }

    #[test]
    fn all_that_may_run_at_the_same_time_counts() {
        let mut run = Run {
            scale: Scale::Fixed(12),
            ..Run::default()
        };
        assert_eq!(pods(&run), 2 * 12);
        let (min, max, cpu) = (2, 5, 80);
        run.scale = Scale::Auto(Autoscale { min, max, cpu });
        assert_eq!(pods(&run), 2 * 5);
        run.release_command = Some(vec!["migrate".to_owned()]);
        assert_eq!(pods(&run), 2 * 5 + 1);
        let call = cron_job(CronAction::Call {
            path: "/".to_owned(),
            headers: BTreeMap::new(),
        });
        let command = vec!["tidy".to_owned()];
        let tidy = cron_job(CronAction::Run { command });
        run.cronjobs = [("call", call), ("tidy", tidy)]
            .map(|(name, job)| (name.to_owned(), job))
            .into();
        assert_eq!(pods(&run), 2 * 5 + 1 + 1);
        let tidy = run.cronjobs.get_mut("tidy").unwrap();
        tidy.concurrency = Concurrency::Replace;
        assert_eq!(pods(&run), 2 * 5 + 1 + 2);
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_numbers() {
        let budget = |pods| Budget {
            pods,
            pool_size: 10,
            limit: 100,
        };
        assert_eq!(budget(10).exceeded(), None);
        let told = budget(11).exceeded().unwrap();
        assert!(told.contains("11 pods") && told.contains("110") && told.contains("hint: "));
    }
}

//! What Postgres knows of an environment, read once at the beginning of a pass.

use iterapp_schema::ApplingName;

use crate::{
    api::ApplingState,
    db::{self, environments::EnvironmentRow, releases::Release, verdicts::Verdict},
    lease::Lease,
    platform::Platform,
};

/// What Postgres has of an environment.
pub(super) struct Gathered {
    pub(super) environment: EnvironmentRow,
    /// The newest unfinished release, with its verdicts so far.
    pub(super) release: Option<(Release, Vec<Verdict>)>,
    /// The newest good version of each appling.
    pub(super) good: Vec<Verdict>,
    /// Those whose release commands may run, also of superseded releases; oldest first.
    pub(super) running_commands: Vec<Verdict>,
    /// Whether Kubernetes may hold anything of it.
    pub(super) tried: bool,
}

pub(super) async fn gather(platform: &Platform, lease: &Lease) -> anyhow::Result<Gathered> {
    let environment = db::environments::get(&platform.db, lease.id()).await?;
    let release = match db::releases::unfinished(&platform.db, environment.id).await? {
        Some(release) => {
            let verdicts = db::verdicts::of_release(&platform.db, release.id).await?;
            Some((release, verdicts))
        }
        None => None,
    };
    let good = db::verdicts::good(&platform.db, environment.id).await?;
    let running_commands =
        db::verdicts::with_running_commands(&platform.db, environment.id).await?;
    let tried = db::verdicts::any_tried(&platform.db, environment.id).await?;
    Ok(Gathered {
        environment,
        release,
        good,
        running_commands,
        tried,
    })
}

impl Gathered {
    /// The release of an appling whose command may run; there is never more than one.
    pub(super) fn running_command_of(&self, appling: &ApplingName) -> Option<&Verdict> {
        let mut running = self.running_commands.iter();
        running.find(|verdict| verdict.appling == *appling)
    }

    /// Verdicts of the unfinished release in this state.
    pub(super) fn in_state(
        &self,
        state: ApplingState,
    ) -> impl Iterator<Item = (&Release, &Verdict)> + Clone {
        let all = self
            .release
            .iter()
            .flat_map(|(release, verdicts)| verdicts.iter().map(move |verdict| (release, verdict)));
        all.filter(move |(_, verdict)| verdict.state == state)
    }
}

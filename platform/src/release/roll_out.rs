//! One pass over an environment: *gather → desired → apply → observe*, and out.
//!
//! A pass never waits for a build or a rollout; it does what can be done now, writes it down under
//! the lease, and says when to look again. What is healed behind the platform's back is healed by
//! the same pass.

use std::time::Duration;

use super::{
    built::take_built,
    candidates, command,
    conclude::conclude,
    gathered::{Gathered, gather},
    spec::namespace,
    start::read_queued,
};
use crate::{
    database::{environment as databases, rotation},
    db::environments::EnvironmentRow,
    lease::{FenceError, Lease, Next},
    platform::Platform,
    rollout::{
        apply::{self, ApplyError},
        desired::desired,
    },
};

/// Looks at the environment that `lease` holds and does what can be done now.
///
/// # Errors
/// When Postgres, the git store or Kubernetes fail: the pass is made again a little later.
pub async fn pass(platform: &Platform, lease: &Lease) -> anyhow::Result<Next> {
    let mut gathered = gather(platform, lease).await?;
    if read_queued(platform, lease, &gathered).await?
        || take_built(platform, lease, &gathered).await?
        || command::take_turns(lease, &gathered).await?
    {
        gathered = gather(platform, lease).await?;
    }
    if gathered.tried {
        let (commanding, commands) = command::wanted(&gathered);
        let mut wanted = candidates::wanted(&gathered, commands);
        wanted.opened = candidates::open_all(platform, &wanted).await?;
        let environment = gathered.environment.id;
        wanted.databases = databases::connections(platform, environment, &wanted).await?;
        databases::complete(&wanted)?;
        match apply::apply(
            &platform.cluster,
            &desired(&wanted, platform.cluster.settings()),
            lease,
        )
        .await
        {
            Ok(()) => {
                candidates::attend(platform, lease, &gathered, &wanted).await?;
                finish_rotations(platform, &gathered).await?;
            }
            Err(ApplyError::Refused(refusals)) => {
                let redactor = wanted.redactor();
                candidates::refuse(lease, &gathered, &refusals, &redactor).await?;
            }
            Err(ApplyError::LeaseLost(_)) => {
                return Err(FenceError::Lost(crate::lease::LeaseLost).into());
            }
            Err(ApplyError::Transient(reason)) => {
                tracing::warn!(app = %wanted.app, environment = %wanted.environment, reason, "Kubernetes cannot be changed now");
                return Ok(Next::Retry);
            }
        }
        if command::attend(platform, lease, &gathered, &commanding, &wanted).await? {
            return Ok(Next::After(Duration::ZERO));
        }
    } else {
        finish_rotations(platform, &gathered).await?;
    }
    conclude(platform, lease).await
}

async fn finish_rotations(platform: &Platform, gathered: &Gathered) -> anyhow::Result<()> {
    let EnvironmentRow {
        id,
        app,
        environment,
        ..
    } = &gathered.environment;
    rotation::finish(platform, *id, &namespace(app, *environment)).await
}

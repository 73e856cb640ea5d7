//! Several daemons: which one a build goes to.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bollard_buildkit_proto::moby::buildkit::v1::{
    ListWorkersRequest, control_client::ControlClient,
};
use tokio::time::timeout;
use tonic::transport::Channel;

use super::{Daemon, connect::connect};
use crate::error::status_text;

/// How long a daemon may take to say that it is there.
const ANSWER: Duration = Duration::from_secs(3);

/// How long a daemon that did not answer is asked last.
const REST: Duration = Duration::from_secs(10);

/// The daemons of a builder.
pub(crate) struct Pool {
    members: Vec<Member>,
}

struct Member {
    daemon: Daemon,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    channel: Option<Channel>,
    failed: Option<Instant>,
}

/// A daemon that has just answered.
pub(crate) struct Connection {
    pub(crate) address: String,
    pub(crate) channel: Channel,
}

impl Pool {
    pub(crate) fn new(daemons: Vec<Daemon>) -> Pool {
        let member = |daemon| Member {
            daemon,
            state: Mutex::default(),
        };
        Pool {
            members: daemons.into_iter().map(member).collect(),
        }
    }

    /// The first daemon that answers, in the affinity's order.
    ///
    /// # Errors
    /// A text that says of each daemon why it cannot be used.
    pub(crate) async fn connection(&self, affinity: &str) -> Result<Connection, String> {
        let mut reasons = Vec::new();
        for member in self.in_order(affinity) {
            match member.answer().await {
                Ok(channel) => {
                    let address = member.daemon.address.clone();
                    return Ok(Connection { address, channel });
                }
                Err(reason) => reasons.push(format!("{}: {reason}", member.daemon.address)),
            }
        }
        match reasons.is_empty() {
            true => Err("no BuildKit daemon is configured".to_owned()),
            false => Err(format!(
                "no BuildKit daemon answers: {}",
                reasons.join("; ")
            )),
        }
    }

    /// What each daemon says, asked at the same time.
    pub(crate) async fn health(&self) -> Vec<(Daemon, Result<(), String>)> {
        let ask = async |member: &Member| (member.daemon.clone(), member.answer().await.map(drop));
        let answers = self.members.iter().map(ask);
        futures::future::join_all(answers).await
    }

    /// The affinity's favourites first, but those that failed lately after all others.
    fn in_order(&self, affinity: &str) -> Vec<&Member> {
        let mut members: Vec<&Member> = self.members.iter().collect();
        members.sort_by_key(|member| {
            let score = score(affinity, &member.daemon.address);
            (member.failed_lately(), std::cmp::Reverse(score))
        });
        members
    }
}

impl Member {
    /// Asks the daemon for its workers. A channel on which there was no answer is not used again:
    /// it may lead to a machine that is gone.
    async fn answer(&self) -> Result<Channel, String> {
        let answer = self.ask().await;
        let mut state = self.state();
        match &answer {
            Ok(_) => state.failed = None,
            Err(_) => {
                *state = State {
                    channel: None,
                    failed: Some(Instant::now()),
                }
            }
        }
        answer
    }

    async fn ask(&self) -> Result<Channel, String> {
        let channel = self.channel()?;
        let mut client = ControlClient::new(channel.clone());
        let workers = timeout(ANSWER, client.list_workers(ListWorkersRequest::default()))
            .await
            .map_err(|_| format!("no answer within {} s", ANSWER.as_secs()))?
            .map_err(|status| status_text(&status))?;
        match workers.into_inner().record.is_empty() {
            true => Err("it has no worker".to_owned()),
            false => Ok(channel),
        }
    }

    fn channel(&self) -> Result<Channel, String> {
        let mut state = self.state();
        if state.channel.is_none() {
            state.channel = Some(connect(&self.daemon)?);
        }
        state.channel.clone().ok_or_else(|| "no channel".to_owned())
    }

    fn failed_lately(&self) -> bool {
        self.state().failed.is_some_and(|at| at.elapsed() < REST)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rendezvous hashing: everybody scores everybody, the highest wins, and when a daemon comes or goes
/// only its own builds move. FNV-1a, stirred: it must be the same in every process and version.
fn score(affinity: &str, address: &str) -> u64 {
    let bytes = affinity.bytes().chain([0]).chain(address.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let stirred = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    stirred ^ (stirred >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(addresses: &[&str]) -> Pool {
        Pool::new(
            addresses
                .iter()
                .map(|a| Daemon::parse(a).unwrap())
                .collect(),
        )
    }

    fn first(pool: &Pool, affinity: &str) -> String {
        pool.in_order(affinity)[0].daemon.address.clone()
    }

    const THREE: [&str; 3] = ["tcp://a:1", "tcp://b:1", "tcp://c:1"];

    #[test]
    fn affinities_are_spread_and_stay_when_another_daemon_goes() {
        let (three, two) = (pool(&THREE), pool(&THREE[..2]));
        let mut counts = std::collections::HashMap::<_, u32>::new();
        for i in 0..300 {
            let affinity = format!("app{i}/web");
            let favourite = first(&three, &affinity);
            if favourite != THREE[2] {
                assert_eq!(first(&two, &affinity), favourite);
            }
            *counts.entry(favourite).or_default() += 1;
        }
        assert!(
            counts.len() == 3 && counts.values().all(|n| *n > 60),
            "{counts:?}"
        );
    }

    #[tokio::test]
    async fn daemons_that_are_not_there_are_named_and_asked_last() {
        let pool = pool(&["unix:///nonexistent/1", "unix:///nonexistent/2"]);
        let reason = pool.connection("x").await.err().unwrap();
        assert!(
            reason.contains("/nonexistent/1") && reason.contains("/nonexistent/2"),
            "{reason}"
        );
        assert!(reason.contains("No such file"), "{reason}");
        assert!(pool.members.iter().all(Member::failed_lately));
        let health = pool.health().await;
        assert!(health.len() == 2 && health.iter().all(|(_, answer)| answer.is_err()));
        assert!(Pool::new(Vec::new()).connection("x").await.is_err());
    }

    #[tokio::test]
    async fn a_daemon_that_says_nothing_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _silent = tokio::net::UnixListener::bind(&path).unwrap();
        let pool = pool(&[&format!("unix://{}", path.display())]);
        let begin = Instant::now();
        let reason = pool.connection("x").await.err().unwrap();
        assert!(reason.contains("no answer within 3 s"), "{reason}");
        assert!(begin.elapsed() < ANSWER * 2);
    }
}

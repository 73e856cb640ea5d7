//! Nudges: Postgres' notifications, passed on to whoever waits in this process.
//!
//! A nudge only shortens a wait. Whoever waits looks again after a while anyway, so a lost nudge
//! costs time and nothing else.

use std::{sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgListener};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{sleep, timeout},
};

/// Channel on which due work is announced; the payload is the table's name.
pub const WORK: &str = "hops_work";
/// Channel on which new log lines and changed releases are announced; the payload is the
/// stream's id.
pub const LOG: &str = "hops_log";

#[derive(Debug)]
struct Nudge {
    channel: String,
    payload: String,
}

/// Where the nudges of this process arrive.
#[derive(Clone)]
pub struct Nudges(broadcast::Sender<Arc<Nudge>>);

impl Nudges {
    /// Starts listening, and listens again whenever the connection breaks.
    pub fn listen(db: PgPool) -> Nudges {
        let nudges = Nudges(broadcast::channel(4096).0);
        tokio::spawn(keep_listening(db, nudges.0.clone()));
        nudges
    }

    /// A view of the nudges on one channel. Subscribe before looking, so that nothing falls
    /// between the look and the wait.
    pub fn subscribe(&self, channel: &'static str) -> Subscription {
        Subscription {
            receiver: self.0.subscribe(),
            channel,
        }
    }
}

/// One reader's view of [`Nudges`].
pub struct Subscription {
    receiver: broadcast::Receiver<Arc<Nudge>>,
    channel: &'static str,
}

impl Subscription {
    /// Waits for a nudge whose payload is wanted, but never longer than `longest`.
    pub async fn wait(&mut self, longest: Duration, wanted: impl Fn(&str) -> bool) {
        let nudged = async {
            loop {
                match self.receiver.recv().await {
                    Ok(nudge) if nudge.channel == self.channel && wanted(&nudge.payload) => return,
                    Ok(_) => {}
                    // Too many to count: better look.
                    Err(RecvError::Lagged(_)) => return,
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        // Running out of time is the other half of the contract.
        let _ = timeout(longest, nudged).await;
    }
}

async fn keep_listening(db: PgPool, nudges: broadcast::Sender<Arc<Nudge>>) {
    loop {
        if let Err(error) = forward(&db, &nudges).await {
            tracing::warn!(%error, "listening for notifications was interrupted");
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn forward(db: &PgPool, nudges: &broadcast::Sender<Arc<Nudge>>) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(db).await?;
    listener.listen_all([WORK, LOG]).await?;
    loop {
        let notification = listener.recv().await?;
        let nudge = Nudge {
            channel: notification.channel().to_owned(),
            payload: notification.payload().to_owned(),
        };
        // Nobody waiting is no failure.
        let _ = nudges.send(Arc::new(nudge));
    }
}

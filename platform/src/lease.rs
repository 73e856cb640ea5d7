//! Leased, fenced rows: the one mechanism by which work is shared out among controllers.
//!
//! A row that is due is claimed under a lease (`FOR UPDATE SKIP LOCKED`), a heartbeat extends the
//! lease while the work goes on, and every write of the work happens in a transaction that first
//! checks the row's epoch. A controller that died is replaced when its lease runs out; one that
//! was only paused finds its epoch gone and can change nothing any more.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use sqlx::{PgConnection, PgPool, Postgres, Row, Transaction};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a claim holds without a heartbeat. A killed controller's work starts again after this.
pub const LEASE: Duration = Duration::from_secs(10);
/// How often a claim is extended.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// What must be left of a lease when a write outside Postgres begins: more than the deadline of
/// one request to Kubernetes, so that the write cannot land after somebody else took over.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(6);

/// Of so many tries before it one clears away what they left.
const LEFT_BEHIND: i64 = 1_000;

/// The tables whose rows are work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Work {
    /// A push not yet read.
    Pushes,
    /// A build wanted.
    Builds,
    /// An environment not as wanted, or not looked at for a while.
    Environments,
    /// A backup to be taken, or proved.
    Backups,
    /// A restore of a backup.
    Restores,
}

/// The statements for one table; all static, so that no SQL is ever put together at run time.
struct Statements {
    claim: &'static str,
    extend: &'static str,
    fence: &'static str,
    give_back: &'static str,
    nudge: &'static str,
}

macro_rules! statements {
    ($table:literal) => {
        Statements {
            // Due, or left behind by a controller whose lease ran out. `due_at` is emptied, so
            // that a nudge during the work is seen when the row is given back.
            claim: concat!(
                "update ", $table, " set epoch = epoch + 1, due_at = null, lease_until = now() + make_interval(secs => $1) ",
                "where id = (select id from ", $table, " where (lease_until is null and due_at <= now()) or lease_until < now() ",
                "order by coalesce(due_at, lease_until) limit 1 for update skip locked) returning id, epoch, attempts"
            ),
            extend: concat!(
                "update ", $table, " set lease_until = now() + make_interval(secs => $3) where id = $1 and epoch = $2"
            ),
            fence: concat!(
                "select 1 from ", $table, " where id = $1 and epoch = $2 and lease_until > now() + make_interval(secs => $3) for update"
            ),
            give_back: concat!(
                "update ", $table, " set lease_until = null, attempts = $4, ",
                "due_at = least(due_at, now() + make_interval(secs => $3)) where id = $1 and epoch = $2"
            ),
            nudge: concat!("update ", $table, " set due_at = least(due_at, now()) where id = $1"),
        }
    };
}

impl Work {
    /// All of them.
    pub const ALL: [Work; 5] = [
        Work::Pushes,
        Work::Builds,
        Work::Environments,
        Work::Backups,
        Work::Restores,
    ];

    /// The table's name; also the payload of the notification that says a row of it is due.
    pub fn table(self) -> &'static str {
        match self {
            Work::Pushes => "pushes",
            Work::Builds => "builds",
            Work::Environments => "environments",
            Work::Backups => "backups",
            Work::Restores => "restores",
        }
    }

    fn statements(self) -> Statements {
        match self {
            Work::Pushes => statements!("pushes"),
            Work::Builds => statements!("builds"),
            Work::Environments => statements!("environments"),
            Work::Backups => statements!("backups"),
            Work::Restores => statements!("restores"),
        }
    }

    /// Makes a row due now and wakes the controllers.
    pub async fn nudge(self, connection: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
        sqlx::query(self.statements().nudge)
            .bind(id)
            .execute(&mut *connection)
            .await?;
        self.notify(connection).await
    }

    /// Wakes the controllers when the surrounding transaction commits.
    pub async fn notify<'e, E>(self, db: E) -> sqlx::Result<()>
    where
        E: sqlx::Executor<'e, Database = Postgres>,
    {
        sqlx::query("select pg_notify('hops_work', $1)")
            .bind(self.table())
            .execute(db)
            .await?;
        Ok(())
    }

    /// Claims the row that has been due for longest, if any.
    pub async fn claim(self, db: &PgPool) -> sqlx::Result<Option<Lease>> {
        let claimed_at = Instant::now();
        let row = sqlx::query(self.statements().claim)
            .bind(LEASE.as_secs_f64())
            .fetch_optional(db)
            .await?;
        Ok(row.map(|row| {
            Lease::start(
                self,
                db.clone(),
                row.get(0),
                row.get(1),
                row.get(2),
                claimed_at,
            )
        }))
    }
}

/// This controller does not hold the row any more: somebody else does, or the work was cancelled.
#[derive(Debug, thiserror::Error)]
#[error("the lease was lost")]
pub struct LeaseLost;

/// Why a fenced write did not happen.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// See [`LeaseLost`].
    #[error(transparent)]
    Lost(#[from] LeaseLost),
    /// Postgres failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// A claimed row. The heartbeat runs until this is given back or dropped.
pub struct Lease {
    work: Work,
    db: PgPool,
    id: Uuid,
    epoch: i64,
    attempts: i32,
    lost: CancellationToken,
    heartbeat: JoinHandle<()>,
}

/// What to do with a row that is given back.
#[derive(Debug, Clone, Copy)]
pub enum Next {
    /// Nothing until somebody nudges it.
    Rest,
    /// Look again after this time, or when nudged.
    After(Duration),
    /// It did not work: again after a back-off that grows with the failures in a row.
    Retry,
}

impl Lease {
    fn start(
        work: Work,
        db: PgPool,
        id: Uuid,
        epoch: i64,
        attempts: i32,
        claimed_at: Instant,
    ) -> Lease {
        let lost = CancellationToken::new();
        let heartbeat = tokio::spawn(beat(work, db.clone(), id, epoch, lost.clone(), claimed_at));
        Lease {
            work,
            db,
            id,
            epoch,
            attempts,
            lost,
            heartbeat,
        }
    }

    /// The claimed row.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Counts the claims of the row: no other try has the same.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// The epochs of the last tries before this one, whose leftovers it clears away.
    pub fn epochs_before(&self) -> Range<i64> {
        (self.epoch - LEFT_BEHIND).max(1)..self.epoch
    }

    /// How often in a row the work failed before.
    pub fn attempts(&self) -> i32 {
        self.attempts
    }

    /// Resolves when the lease is lost: stop working then.
    pub async fn lost(&self) -> LeaseLost {
        self.lost.cancelled().await;
        LeaseLost
    }

    /// A transaction that commits only while the lease is held: the row is locked in it.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, FenceError> {
        let mut tx = self.db.begin().await?;
        self.fence(&mut tx, Duration::ZERO).await?;
        Ok(tx)
    }

    /// Checks that the lease will hold for another [`WRITE_DEADLINE`], for a write outside Postgres.
    pub async fn check(&self) -> Result<(), FenceError> {
        let mut tx = self.db.begin().await?;
        self.fence(&mut tx, WRITE_DEADLINE).await
    }

    async fn fence(
        &self,
        tx: &mut Transaction<'static, Postgres>,
        left: Duration,
    ) -> Result<(), FenceError> {
        let held = sqlx::query(self.work.statements().fence)
            .bind(self.id)
            .bind(self.epoch)
            .bind(left.as_secs_f64())
            .fetch_optional(&mut **tx)
            .await?;
        held.map(|_| ()).ok_or(FenceError::Lost(LeaseLost))
    }

    /// Ends the claim. A row that was nudged meanwhile stays due.
    pub async fn give_back(self, next: Next) -> sqlx::Result<()> {
        self.heartbeat.abort();
        let (delay, attempts) = match next {
            Next::Rest => (None, 0),
            Next::After(delay) => (Some(delay.as_secs_f64()), 0),
            Next::Retry => (
                Some(back_off(self.attempts).as_secs_f64()),
                self.attempts.saturating_add(1),
            ),
        };
        sqlx::query(self.work.statements().give_back)
            .bind(self.id)
            .bind(self.epoch)
            .bind(delay)
            .bind(attempts)
            .execute(&self.db)
            .await?;
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

/// Half a second, doubled with every failure in a row, at most half a minute.
fn back_off(attempts: i32) -> Duration {
    let doublings = attempts.clamp(0, 6).unsigned_abs();
    Duration::from_millis(500)
        .saturating_mul(1 << doublings)
        .min(Duration::from_secs(30))
}

async fn beat(
    work: Work,
    db: PgPool,
    id: Uuid,
    epoch: i64,
    lost: CancellationToken,
    claimed_at: Instant,
) {
    let mut held_until = claimed_at + LEASE;
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let now = Instant::now();
        let extend = sqlx::query(work.statements().extend)
            .bind(id)
            .bind(epoch)
            .bind(LEASE.as_secs_f64());
        match timeout(HEARTBEAT, extend.execute(&db)).await {
            Ok(Ok(done)) if done.rows_affected() == 1 => held_until = now + LEASE,
            Ok(Ok(_)) => break,
            // Postgres does not answer: the lease holds until its time is up.
            Ok(Err(_)) | Err(_) if Instant::now() < held_until => {}
            Ok(Err(_)) | Err(_) => break,
        }
    }
    lost.cancel();
}

impl crate::rollout::apply::Fence for Lease {
    async fn check(&self) -> Result<(), crate::rollout::apply::LeaseLost> {
        // A database that does not answer is no proof either.
        Lease::check(self)
            .await
            .map_err(|_| crate::rollout::apply::LeaseLost)
    }
}

//! Release commands: each a Job that runs once, before the pods of its appling are replaced.
//!
//! A pass makes the Job, suspended; writes down that it may run; and the next pass lets it. So a
//! Job that is not there has either never run and is made again, or it was allowed to run and never
//! is: whatever happens in between, it runs once. It belongs to its release and outlives it: when a
//! newer release takes over, that one's rollout of the appling waits for the Job's end.

use std::time::Duration;

use builder_client::Redactor;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    gathered::Gathered,
    record::{begin, say},
    spec::{ApplingSpec, ReleaseCommand, WantedEnvironment},
    tell,
};
use crate::{
    api::ApplingState,
    db::{
        self,
        releases::Release,
        verdicts::{Command, Verdict},
    },
    lease::Lease,
    platform::Platform,
    rollout::{
        cluster::ClusterError,
        judge::{CommandStanding, Patience, Reason, judge_command},
        observe::{ObservedCommand, command_lines, commands},
        secrets,
    },
};

/// How long a superseded release's command may take to begin, before the newer one goes on.
const SUPERSEDED_BEGIN: Duration = Duration::from_secs(10);
/// Lines of a release command that are kept.
const MAX_LINES: i64 = 50_000;
/// Characters of a line that are kept.
const MAX_LINE: usize = 16_384;
/// Lines that are read and stored at once.
const BATCH: usize = 1_000;
/// How long the last lines of a command that has ended are asked for.
const LAST_LINES: Duration = Duration::from_secs(30);

/// What keeps an appling of the unfinished release from its rollout.
enum Turn {
    /// Nothing, or nothing any more.
    RollOut,
    /// An older release's command, by that release's number.
    After(i64),
    /// Its own command, which is to be made ready.
    Prepare,
    /// Its own command, which may run.
    Running,
}

fn turn(gathered: &Gathered, release: Uuid, spec: &ApplingSpec) -> Turn {
    match gathered.running_command_of(&spec.name) {
        Some(running) if running.release == release => Turn::Running,
        Some(older) => Turn::After(older.release_number),
        None if spec.run.release_command.is_none() => Turn::RollOut,
        None => Turn::Prepare,
    }
}

/// Whether an appling has to wait for a release command once its image is there: its own or an
/// older release's.
pub(super) fn must_wait(gathered: &Gathered, release: Uuid, spec: &ApplingSpec) -> bool {
    !matches!(turn(gathered, release, spec), Turn::RollOut)
}

/// Moves applings on that have nothing to wait for any more, and notes what the others wait for;
/// `true` when any was moved.
pub(super) async fn take_turns(lease: &Lease, gathered: &Gathered) -> anyhow::Result<bool> {
    let mut moved = false;
    for (release, verdict) in gathered.in_state(ApplingState::Releasing) {
        let name = &verdict.appling;
        match turn(gathered, release.id, &verdict.spec) {
            Turn::Prepare | Turn::Running => {}
            Turn::RollOut => {
                let Some(mut tx) = begin(lease, release).await? else {
                    continue;
                };
                db::verdicts::roll_out(&mut tx, release.id, name).await?;
                tx.commit().await?;
                moved = true;
            }
            Turn::After(older) => {
                wait_for(lease, verdict, &tell::other_command(older)).await?;
            }
        }
    }
    Ok(moved)
}

/// The verdicts whose commands are wanted now, and the commands: those that may run, also of
/// superseded releases, and those that are to be made ready.
pub(super) fn wanted(gathered: &Gathered) -> (Vec<Verdict>, Vec<ReleaseCommand>) {
    let is_ready = |(release, verdict): &(&Release, &Verdict)| {
        matches!(turn(gathered, release.id, &verdict.spec), Turn::Prepare)
    };
    let releasing = gathered.in_state(ApplingState::Releasing);
    let ready = releasing.filter(is_ready).map(|(_, verdict)| verdict);
    let verdicts = gathered.running_commands.iter().chain(ready);
    verdicts
        .filter_map(|verdict| {
            let command = ReleaseCommand {
                id: verdict.release,
                release: verdict.release_number,
                version: verdict.version()?,
                started: verdict.command.is_some(),
            };
            Some((verdict.clone(), command))
        })
        .unzip()
}

/// Attends to the wanted commands, whose Jobs are there unless they were refused: starts those that are ready, stores what
/// the others wrote, and writes down those that have ended. `true` when any was started or ended.
pub(super) async fn attend(
    platform: &Platform,
    lease: &Lease,
    gathered: &Gathered,
    verdicts: &[Verdict],
    wanted: &WantedEnvironment,
) -> anyhow::Result<bool> {
    let mut changed = false;
    for verdict in verdicts {
        if let Some((release, _)) = &gathered.release
            && verdict.command.is_none()
        {
            start(lease, release, verdict).await?;
            changed = true;
        }
    }
    if verdicts.iter().all(|verdict| verdict.command.is_none()) {
        return Ok(changed);
    }
    let observed = commands(&platform.cluster, wanted).await?;
    // It may have begun before a secret was set anew.
    let redactor = secrets::redactor(&platform.cluster, wanted).await?;
    for (verdict, observed) in verdicts.iter().zip(&observed) {
        if let Some(command) = &verdict.command {
            changed |= look_after(platform, lease, verdict, command, observed, &redactor).await?;
        }
    }
    Ok(changed)
}

async fn start(lease: &Lease, release: &Release, verdict: &Verdict) -> anyhow::Result<()> {
    let name = &verdict.appling;
    let Some(mut tx) = begin(lease, release).await? else {
        return Ok(());
    };
    if db::verdicts::start_command(&mut tx, release.id, name, tell::COMMAND_RUNS).await? {
        let text = tell::releasing(name, tell::COMMAND_RUNS);
        say(&mut tx, release.id, Some(name), &text).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// One command that may run; `true` when it has ended.
async fn look_after(
    platform: &Platform,
    lease: &Lease,
    verdict: &Verdict,
    command: &Command,
    observed: &ObservedCommand,
    redactor: &Redactor,
) -> anyhow::Result<bool> {
    let Some(version) = verdict.version() else {
        return Ok(false);
    };
    let patience = Patience {
        deadline: platform.config.release_command_deadline,
        begin: match verdict.state {
            ApplingState::Releasing => platform.config.rollout_deadline,
            _ => SUPERSEDED_BEGIN,
        },
    };
    let started_for = Timestamp::now()
        .duration_since(command.started_at)
        .unsigned_abs();
    let standing = judge_command(&version, observed, started_for, patience).redacted(redactor);
    let unread = store_lines(platform, lease, verdict, command, observed, redactor).await?;
    if let Some(error) = &unread {
        tracing::warn!(appling = %verdict.appling, %error, "the lines of a release command cannot be read now");
    }
    match standing {
        CommandStanding::Running { why } => {
            note(lease, verdict, why).await?;
            Ok(false)
        }
        // Its last lines are worth another try or two.
        _ if unread.is_some() && ended_for(observed) < LAST_LINES => Ok(false),
        CommandStanding::Succeeded => end(lease, verdict, None).await,
        CommandStanding::Failed { reason } => end(lease, verdict, Some(&reason)).await,
    }
}

/// Stores what a command wrote since it was last looked at; what was stored, and how far that is,
/// is written down together. Why it could not be read, if it could not.
async fn store_lines(
    platform: &Platform,
    lease: &Lease,
    verdict: &Verdict,
    command: &Command,
    observed: &ObservedCommand,
    redactor: &Redactor,
) -> anyhow::Result<Option<ClusterError>> {
    let Some(pod) = observed.pod.as_ref().filter(|pod| pod.has_begun()) else {
        return Ok(None);
    };
    let mut until = command.log_until;
    let mut stored = db::log_lines::count(&platform.db, command.stream).await?;
    while stored <= MAX_LINES {
        let read = command_lines(&platform.cluster, &pod.pod, until, BATCH).await;
        let lines = match read {
            Ok(lines) => lines,
            Err(error) => return Ok(Some(error)),
        };
        let Some(last) = lines.last() else { break };
        let is_last_batch = lines.len() < BATCH;
        stored += i64::try_from(lines.len()).unwrap_or(i64::MAX);
        let (at, name) = (last.at, &verdict.appling);
        // Cut afterwards: half a secret is not known for one.
        let shown = |text: &str| redactor.text(text).chars().take(MAX_LINE).collect();
        let mut texts: Vec<String> = lines.iter().map(|line| shown(&line.text)).collect();
        if stored > MAX_LINES {
            texts.push(format!("the log is cut here: more than {MAX_LINES} lines"));
        }
        let mut tx = lease.begin().await?;
        db::log_lines::append(&mut tx, command.stream, Some(name.as_ref()), &texts).await?;
        db::verdicts::set_command_log_until(&mut tx, verdict.release, name, at).await?;
        tx.commit().await?;
        if is_last_batch {
            break;
        }
        until = Some(at);
    }
    Ok(None)
}

/// Notes what keeps a command from running, or that it runs.
async fn note(lease: &Lease, verdict: &Verdict, trouble: Option<String>) -> anyhow::Result<()> {
    let told = verdict.waiting_for.as_deref().unwrap_or_default();
    match trouble {
        Some(why) => wait_for(lease, verdict, &why).await,
        None if told == tell::COMMAND_RUNS => Ok(()),
        None => wait_for(lease, verdict, tell::COMMAND_RUNS).await,
    }
}

/// Nothing is noted of a release that was superseded.
async fn wait_for(lease: &Lease, verdict: &Verdict, why: &str) -> anyhow::Result<()> {
    if verdict.state != ApplingState::Releasing || verdict.waiting_for.as_deref() == Some(why) {
        return Ok(());
    }
    let (release, name) = (verdict.release, &verdict.appling);
    let mut tx = lease.begin().await?;
    if db::verdicts::set_waiting_for(&mut tx, release, name, why).await? {
        say(&mut tx, release, Some(name), &tell::releasing(name, why)).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Writes down the end of a command, whatever became of its release meanwhile.
async fn end(lease: &Lease, verdict: &Verdict, failure: Option<&Reason>) -> anyhow::Result<bool> {
    let (release, name) = (verdict.release, &verdict.appling);
    let mut tx = lease.begin().await?;
    if !db::verdicts::end_command(&mut tx, release, name).await? {
        return Ok(false);
    }
    let text = match failure.map(tell::rollout_failure) {
        None => {
            db::verdicts::roll_out(&mut tx, release, name).await?;
            tell::command_succeeded(name)
        }
        Some(reason) => {
            db::verdicts::fail(&mut tx, release, name, &reason).await?;
            tell::appling_failed(name, &reason)
        }
    };
    say(&mut tx, release, Some(name), &text).await?;
    tx.commit().await?;
    Ok(true)
}

/// The time since Kubernetes called a command's Job ended; a Job that is gone ended long ago.
fn ended_for(observed: &ObservedCommand) -> Duration {
    let ended_at = observed.ended_at();
    ended_at.map_or(Duration::MAX, |at| {
        Timestamp::now().duration_since(at).unsigned_abs()
    })
}

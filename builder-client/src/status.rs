//! The status stream: what the daemon says while a solve runs.

use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::{StatusRequest, control_client::ControlClient};
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, transport::Channel};

use crate::{BuildEvent, feed::Feed};

/// The end of a status stream repeats everything at once, logs included.
const LONGEST_MESSAGE: usize = 256 << 20;

/// How long to wait for a message when the solve is over.
const AFTER_THE_END: Duration = Duration::from_secs(10);

/// How long to wait before asking again.
const AGAIN: Duration = Duration::from_millis(200);

/// Tells `events` what happens in the solve `reference` until the daemon has no more to say, or, once
/// `solved`, says nothing. Losing the stream is no failure of the build: it is asked for again, and
/// what was told already is not told again.
pub(crate) async fn follow(
    channel: Channel,
    reference: String,
    solved: CancellationToken,
    feed: &mut Feed,
    events: mpsc::Sender<BuildEvent>,
) {
    loop {
        match follow_once(&channel, &reference, &solved, feed, &events).await {
            Ok(()) => break,
            Err(_) if solved.is_cancelled() => break,
            // The daemon gives up after a while on a solve that has not begun.
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => tracing::warn!(
                error = crate::error::status_text(&status),
                "the status of a build was lost, asking again"
            ),
        }
        sleep(AGAIN).await;
    }
    tell(feed.finish(), &events).await;
}

async fn follow_once(
    channel: &Channel,
    reference: &str,
    solved: &CancellationToken,
    feed: &mut Feed,
    events: &mpsc::Sender<BuildEvent>,
) -> Result<(), Status> {
    let mut client = ControlClient::new(channel.clone()).max_decoding_message_size(LONGEST_MESSAGE);
    let request = StatusRequest {
        r#ref: reference.to_owned(),
    };
    let mut stream = in_time(solved, client.status(request)).await?.into_inner();
    while let Some(message) = in_time(solved, stream.message()).await? {
        tell(feed.apply(message), events).await;
    }
    Ok(())
}

/// While the solve runs there may be nothing to say for hours; afterwards there may not.
async fn in_time<T>(
    solved: &CancellationToken,
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let too_late = async {
        solved.cancelled().await;
        sleep(AFTER_THE_END).await;
    };
    tokio::select! {
        answer = answer => answer,
        () = too_late => Err(Status::deadline_exceeded("the status stream has no end")),
    }
}

async fn tell(news: Vec<BuildEvent>, events: &mpsc::Sender<BuildEvent>) {
    for event in news {
        if events.send(event).await.is_err() {
            // Nobody listens any more; the feed still has to know the last lines.
            return;
        }
    }
}

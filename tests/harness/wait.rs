//! Waiting for what is to become true, with an end.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

/// Asks again until there is an answer, for at most two minutes.
///
/// # Panics
/// When there is none by then; `what` says what was waited for.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl FnMut() -> F) -> T {
    eventually_within(Duration::from_secs(120), what, ask).await
}

/// Asks again until there is an answer, for at most so long.
///
/// # Panics
/// When there is none by then.
pub async fn eventually_within<T, F: Future<Output = Option<T>>>(
    longest: Duration,
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + longest;
    loop {
        // An answer that comes too late is none.
        match timeout_at(deadline, ask()).await {
            Ok(Some(answer)) => return answer,
            Ok(None) if Instant::now() < deadline => {}
            _ => panic!(
                "within {} s this did not become true: {what}",
                longest.as_secs()
            ),
        }
        sleep(Duration::from_millis(250)).await;
    }
}

//! `hops-platform git-hook`: what git runs once a push is stored. It hands the changed refs to the
//! server that started git, and prints what the server tells; git passes that on to the pusher as
//! `remote:` lines. Whatever happens here, the push stays stored.

use std::io::{Read, Write};

use futures::StreamExt;

/// Environment variable with the address to hand the changed refs to.
pub const URL: &str = "HOPS_HOOK_URL";
/// Environment variable with the token for that address.
pub const TOKEN: &str = "HOPS_HOOK_TOKEN";
/// Environment variable with this program's path.
pub const PROGRAM: &str = "HOPS_PROGRAM";

/// Longest list of changed refs that is handed over, in bytes.
const MAX_INPUT: u64 = 4 << 20;

/// Runs the hook. Never fails: a pusher cannot do anything about it.
pub async fn run() {
    if let Err(error) = tell().await {
        // The timer compares the branch's tip with what was released, so nothing is lost.
        tracing::debug!(%error, "post-receive");
        let _ = writeln!(
            std::io::stdout(),
            "The push is stored. The platform did not answer, so its progress cannot be told here; see: hops status"
        );
    }
}

async fn tell() -> anyhow::Result<()> {
    let mut changes = String::new();
    std::io::stdin()
        .take(MAX_INPUT)
        .read_to_string(&mut changes)?;
    let client = reqwest::Client::builder()
        .connect_timeout(std::time::Duration::from_secs(5))
        .no_proxy()
        .build()?;
    let answer = client
        .post(std::env::var(URL)?)
        .bearer_auth(std::env::var(TOKEN)?)
        .header("content-type", "text/plain")
        .body(changes)
        .send()
        .await?
        .error_for_status()?;
    let mut chunks = answer.bytes_stream();
    let mut out = std::io::stdout();
    while let Some(chunk) = chunks.next().await {
        out.write_all(&chunk?)?;
        out.flush()?;
    }
    Ok(())
}

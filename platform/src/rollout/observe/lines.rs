//! The last lines of a container that keeps exiting.

use builder_client::Redactor;
use futures::io::AsyncReadExt;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, LogParams};

use super::super::cluster::Cluster;
use super::super::desired::CONTAINER;
use super::{container, last_end};

/// What people read of an app's last words.
const MAX_LINES: i64 = 20;
const MAX_BYTES: usize = 4096;

/// What is read at most; cut to [`MAX_BYTES`] from its end, which the apiserver does not offer.
const MAX_READ: i64 = 256 * 1024;

/// Whether the author's container exited more than once, or just now.
pub(super) fn are_wanted(pod: &Pod) -> bool {
    container(pod).is_some_and(|status| {
        let exited = status
            .state
            .as_ref()
            .and_then(|state| state.terminated.as_ref());
        status.restart_count >= 1 || exited.is_some()
    })
}

/// The lines, or, where the log is gone already, the end that the kubelet kept in the status.
pub(super) async fn read(
    cluster: &Cluster,
    namespace: &str,
    pod: &Pod,
    redactor: &Redactor,
) -> Vec<String> {
    let api: Api<Pod> = cluster.in_namespace(namespace);
    let name = pod.name_any();
    let query = LogParams {
        container: Some(CONTAINER.to_owned()),
        previous: !has_just_exited(pod),
        tail_lines: Some(MAX_LINES),
        limit_bytes: Some(MAX_READ),
        ..LogParams::default()
    };
    let what = format!("read the log of {name}");
    let read = || async {
        let mut log = Box::pin(api.log_stream(&name, &query).await?);
        let mut written = Vec::new();
        // What was read before it broke off is better than nothing.
        let _ = log.read_to_end(&mut written).await;
        Ok(written)
    };
    let written = cluster.request(&what, read).await.unwrap_or_default();
    // An app may write whatever bytes it likes.
    let text = String::from_utf8_lossy(whole_lines(&written)).into_owned();
    let text = Some(text).filter(|text| !text.trim().is_empty());
    let text = text.or_else(|| kept(pod)).unwrap_or_default();
    // Cut afterwards: half a secret is not known for one.
    last_lines(&redactor.text(&text))
}

/// Without a last line of which the end was not read.
fn whole_lines(written: &[u8]) -> &[u8] {
    let is_cut = i64::try_from(written.len()).is_ok_and(|length| length >= MAX_READ);
    match written.iter().rposition(|byte| *byte == b'\n') {
        Some(end) if is_cut => &written[..end],
        None if is_cut => &[],
        _ => written,
    }
}

fn has_just_exited(pod: &Pod) -> bool {
    let state = container(pod).and_then(|status| status.state.as_ref());
    state.is_some_and(|state| state.terminated.is_some())
}

fn kept(pod: &Pod) -> Option<String> {
    last_end(container(pod)?)?.message.clone()
}

/// The end of a text, as lines that are safe to print on anybody's terminal.
pub fn last_lines(text: &str) -> Vec<String> {
    let plain = anstream::adapter::strip_str(text).to_string();
    let lines: Vec<String> = plain.lines().map(printable).collect();
    let mut room = MAX_BYTES;
    let fits = |line: &&String| {
        let used = line.len() + 1;
        let fits = used <= room;
        room = room.saturating_sub(used);
        fits
    };
    let newest = lines
        .iter()
        .rev()
        .take(usize::try_from(MAX_LINES).unwrap_or(0));
    let mut kept: Vec<String> = newest.take_while(fits).cloned().collect();
    kept.reverse();
    kept
}

/// Without control characters, and cut where nobody reads on.
fn printable(line: &str) -> String {
    const MAX_LINE: usize = 500;
    let clean = line.trim_end().replace('\t', "    ");
    let mut characters = clean.chars().filter(|c| !c.is_control());
    let mut short: String = characters.by_ref().take(MAX_LINE).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_control_characters_are_left_out() {
        let text = "\u{1b}[31mError\u{1b}[0m: no\u{7} port\r\n\tat main\n";
        assert_eq!(last_lines(text), ["Error: no port", "    at main"]);
    }

    #[test]
    fn half_a_line_is_none() {
        let read = usize::try_from(MAX_READ).unwrap();
        let long = format!("whole\n{}", "x".repeat(read));
        assert_eq!(whole_lines(long.as_bytes()), b"whole");
        assert_eq!(whole_lines("x".repeat(read).as_bytes()), b"");
        assert_eq!(whole_lines(b"whole\nalso"), b"whole\nalso");
    }

    #[test]
    fn the_end_is_kept() {
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let lines = last_lines(&text);
        assert_eq!(lines.len(), 20);
        assert_eq!(lines[19], "line 99");

        let long: String = (0..20)
            .map(|n| format!("{n}{}\n", "x".repeat(2000)))
            .collect();
        let lines = last_lines(&long);
        assert!(lines.iter().map(String::len).sum::<usize>() <= MAX_BYTES);
        assert!(lines.last().unwrap().starts_with("19x"));
        assert!(lines.last().unwrap().ends_with('…'));
    }
}

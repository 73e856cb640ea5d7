//! Several pods' lines as one stream, in the order of their time.

use futures::stream::{self, BoxStream, Peekable, Stream, StreamExt};

use super::PodLine;

/// Merges streams that are each in order. Holds one line of each at a time.
pub(super) fn by_time(
    sources: Vec<BoxStream<'static, PodLine>>,
) -> impl Stream<Item = PodLine> + Send + 'static {
    let sources: Vec<_> = sources
        .into_iter()
        .map(|s| Box::pin(s.peekable()))
        .collect();
    stream::unfold(sources, |mut sources| async move {
        let line = earliest(&mut sources).await?;
        Some((line, sources))
    })
}

type Source = std::pin::Pin<Box<Peekable<BoxStream<'static, PodLine>>>>;

async fn earliest(sources: &mut [Source]) -> Option<PodLine> {
    let mut first = None;
    for (index, source) in sources.iter_mut().enumerate() {
        if let Some(line) = source.as_mut().peek().await {
            first = first.into_iter().chain([(line.at, index)]).min();
        }
    }
    sources[first?.1].next().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[tokio::test]
    async fn lines_come_in_order_of_time() {
        let line = |second: i64, pod: &str| PodLine {
            at: Timestamp::from_second(second).unwrap(),
            appling: "web".parse().unwrap(),
            pod: pod.to_owned(),
            text: second.to_string(),
        };
        let a = stream::iter([line(1, "a"), line(4, "a")]).boxed();
        let b = stream::iter([line(2, "b"), line(3, "b"), line(5, "b")]).boxed();
        let merged: Vec<String> = by_time(vec![a, b]).map(|line| line.text).collect().await;
        assert_eq!(merged, ["1", "2", "3", "4", "5"]);
    }
}

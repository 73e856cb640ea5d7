//! Log lines as they come over HTTP: newline-delimited JSON, until the end or a breach.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::Response;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;

use crate::api::LogLine;

/// After so long without a byte the stream counts as broken. Quiet builds exist; the follower asks
/// how the release stands and connects again.
pub const IDLE: Duration = Duration::from_secs(60);
const LONGEST: usize = 1024 * 1024;

type Body = StreamReader<BoxStream<'static, io::Result<Bytes>>, Bytes>;

/// A stream of log lines.
pub struct Lines {
    lines: FramedRead<Body, LinesCodec>,
    idle: Duration,
}

/// The stream broke before its end.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// Nothing came for a while; perhaps nothing is said, perhaps nobody is there.
    #[error("nothing came for {} s", .0.as_secs())]
    Idle(Duration),
    /// The connection broke.
    #[error("{0}")]
    Connection(String),
    /// What came was no log line.
    #[error("what came was no log line")]
    NoLogLine,
}

impl Lines {
    /// The lines of an answer.
    pub fn new(answer: Response) -> Self {
        let bytes = answer
            .bytes_stream()
            .map(|bytes| bytes.map_err(io::Error::other));
        let codec = LinesCodec::new_with_max_length(LONGEST);
        Self {
            lines: FramedRead::new(StreamReader::new(bytes.boxed()), codec),
            idle: IDLE,
        }
    }

    /// The next line; nothing at the end. Empty lines keep the connection alive and say nothing.
    pub async fn next(&mut self) -> Result<Option<LogLine>, Broken> {
        loop {
            let next = tokio::time::timeout(self.idle, self.lines.next()).await;
            let line = match next {
                Err(_) => return Err(Broken::Idle(self.idle)),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(connection(&error)),
                Ok(Some(Ok(line))) => line,
            };
            if !line.trim().is_empty() {
                return serde_json::from_str(&line)
                    .map(Some)
                    .map_err(|_| Broken::NoLogLine);
            }
        }
    }
}

fn connection(error: &LinesCodecError) -> Broken {
    Broken::Connection(match error {
        LinesCodecError::Io(error) => deepest(error),
        LinesCodecError::MaxLineLengthExceeded => "a line is too long".to_owned(),
    })
}

/// The last of an error's causes, which says most about a connection.
pub fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

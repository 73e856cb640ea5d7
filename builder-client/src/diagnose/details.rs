//! What comes with a failed solve beside its text.

use base64::{Engine, prelude::BASE64_STANDARD};
use bollard_buildkit_proto::google::rpc;
use prost::Message;
use serde::{Deserialize, de::DeserializeOwned};
use tonic::Status;

use crate::Place;

/// What comes with an error: protobuf around JSON.
#[derive(Default)]
pub(super) struct Details {
    pub(super) exit_code: Option<i32>,
    /// The failing step's digest.
    pub(super) vertex: Option<String>,
    pub(super) place: Option<Place>,
}

impl Details {
    pub(super) fn of(status: &Status) -> Details {
        let mut details = Details::default();
        let all = rpc::Status::decode(status.details())
            .unwrap_or_default()
            .details;
        for any in &all {
            let kind = any
                .type_url
                .trim_end_matches("+json")
                .rsplit(['.', '/'])
                .next();
            match kind.unwrap_or_default() {
                "ExitMessage" => {
                    details.exit_code = json::<Exit>(&any.value).map(|exit| exit.code);
                }
                "Vertex" => details.vertex = json::<Vertex>(&any.value).map(|v| v.digest),
                "Source" if details.place.is_none() => {
                    details.place = json::<Source>(&any.value).and_then(Source::place);
                }
                _ => {}
            }
        }
        details
    }
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

#[derive(Deserialize)]
struct Exit {
    #[serde(rename = "Code")]
    code: i32,
}

#[derive(Deserialize)]
struct Vertex {
    digest: String,
}

#[derive(Deserialize)]
struct Source {
    info: SourceInfo,
    #[serde(default)]
    ranges: Vec<Range>,
}

#[derive(Deserialize)]
struct SourceInfo {
    filename: String,
    /// The whole file, in base64.
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct Range {
    start: Position,
    end: Position,
}

#[derive(Deserialize)]
struct Position {
    #[serde(default)]
    line: u32,
}

impl Source {
    fn place(self) -> Option<Place> {
        let line_start = self.ranges.iter().map(|range| range.start.line).min()?;
        let line_end = self
            .ranges
            .iter()
            .map(|range| range.end.line)
            .max()?
            .max(line_start);
        let data = BASE64_STANDARD.decode(self.info.data).unwrap_or_default();
        let text = String::from_utf8_lossy(&data);
        let wanted = text.lines().skip(line_start.saturating_sub(1) as usize);
        let count = (line_end - line_start + 1) as usize;
        Some(Place {
            file: self.info.filename,
            line_start,
            line_end,
            excerpt: wanted.take(count).map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard_buildkit_proto::google::protobuf::Any;
    use tonic::Code;

    #[test]
    fn details_are_read_from_json_in_protobuf() {
        let any = |name: &str, value: String| Any {
            type_url: format!("github.com/moby/buildkit/{name}+json"),
            value: value.into_bytes(),
        };
        let file = BASE64_STANDARD.encode("FROM scratch\nRUN a \\\n  b\nRUN c\n");
        let range = r#"[{"start":{"line":2},"end":{"line":3}}]"#;
        let info = format!(r#"{{"filename":"web/Dockerfile","data":"{file}"}}"#);
        let status = rpc::Status {
            details: vec![
                any("stack.Stack", "{}".to_owned()),
                any("gatewayapi.ExitMessage", r#"{"Code":42}"#.to_owned()),
                any("errdefs.Vertex", r#"{"digest":"sha256:1"}"#.to_owned()),
                any(
                    "errdefs.Source",
                    format!(r#"{{"info":{info},"ranges":{range}}}"#),
                ),
            ],
            ..rpc::Status::default()
        };
        let bytes = status.encode_to_vec().into();
        let details = Details::of(&Status::with_details(Code::Unknown, "", bytes));
        assert_eq!(
            (details.exit_code, details.vertex.as_deref()),
            (Some(42), Some("sha256:1"))
        );
        let place = Place {
            file: "web/Dockerfile".to_owned(),
            line_start: 2,
            line_end: 3,
            excerpt: vec!["RUN a \\".to_owned(), "  b".to_owned()],
        };
        assert_eq!(details.place, Some(place));
    }
}

//! What the daemon asks for when it asks for files: it says so in headers.

use tonic::{Status, metadata::MetadataMap};

use crate::walk::Selection;

/// Reads the selection.
///
/// # Errors
/// `InvalidArgument` if a header cannot be read, `NotFound` if another folder than the two of a
/// Dockerfile build is wanted. Both of these are the whole context to us; they differ in the
/// patterns that come along, so that an ignored Dockerfile can still be read.
pub(super) fn selection(metadata: &MetadataMap) -> Result<Selection, Status> {
    match values(metadata, "dir-name")?.as_slice() {
        [name] if matches!(name.as_str(), "context" | "dockerfile") => {}
        other => return Err(Status::not_found(format!("no access to folder {other:?}"))),
    }
    Ok(Selection {
        include: values(metadata, "include-patterns")?,
        exclude: values(metadata, "exclude-patterns")?,
        follow: values(metadata, "followpaths")?,
    })
}

fn values(metadata: &MetadataMap, key: &str) -> Result<Vec<String>, Status> {
    let encoded = metadata.get(format!("{key}-encoded"));
    let encoded = encoded.is_some_and(|value| matches!(value.to_str(), Ok("1" | "true")));
    let text = |value: &str| match encoded {
        true => query_unescaped(value),
        false => Some(value.to_owned()),
    };
    let values = metadata.get_all(key).iter();
    let texts = values.map(|value| value.to_str().ok().and_then(text));
    let unreadable = || Status::invalid_argument(format!("header {key} cannot be read"));
    texts.collect::<Option<_>>().ok_or_else(unreadable)
}

/// `%C3%A9+x` is `é x`.
fn query_unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(pairs: &[(&'static str, &str)]) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        for (key, value) in pairs {
            metadata.append(*key, value.parse().unwrap());
        }
        metadata
    }

    #[test]
    fn values_come_plain_or_escaped() {
        let got = selection(&metadata(&[
            ("dir-name", "context"),
            ("followpaths", "a%20b"),
            ("exclude-patterns", "%C3%A9t%C3%A9+1"),
            ("exclude-patterns", "%21a%2Bb"),
            ("exclude-patterns-encoded", "1"),
        ]))
        .unwrap();
        assert_eq!(got.follow, ["a%20b"]);
        assert_eq!(got.exclude, ["été 1", "!a+b"]);
        assert_eq!(got.include, [""; 0]);
    }

    #[test]
    fn other_folders_are_refused() {
        for name in ["", "/etc", "context2"] {
            assert!(
                selection(&metadata(&[("dir-name", name)])).is_err(),
                "{name}"
            );
        }
        assert!(selection(&metadata(&[])).is_err());
        let broken = [
            ("dir-name", "context"),
            ("followpaths", "%4"),
            ("followpaths-encoded", "1"),
        ];
        assert!(selection(&metadata(&broken)).is_err());
    }
}

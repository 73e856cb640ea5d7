//! Looks for texts in everything below a folder, also in what is compressed.

use std::{
    io::Read,
    path::{Path, PathBuf},
    time::SystemTime,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but what RFC 3986, section 2.3 calls unreserved.
const IN_URLS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Which of the texts stand in which files below `root` that were written since `since`: files that are
/// gone meanwhile are passed over, compressed ones are looked at unpacked, too.
pub fn find_below(root: &Path, since: SystemTime, texts: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                folders.push(entry.path());
            } else if meta.is_file() && is_since(&meta, since) {
                let content = std::fs::read(entry.path()).unwrap_or_default();
                let hits = find_in(&content, texts).into_iter();
                found.extend(hits.map(|text| (entry.path(), text)));
            }
        }
    }
    found
}

/// A build sets times of its own, the time of the change of the inode it cannot.
fn is_since(meta: &std::fs::Metadata, since: SystemTime) -> bool {
    use std::os::unix::fs::MetadataExt;
    let since = since.duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_secs()).unwrap_or(i64::MAX) <= meta.ctime()
}

/// Which of the texts stand in the bytes, as they are or, if they are packed (gzip, zlib), unpacked.
pub fn find_in(bytes: &[u8], texts: &[&str]) -> Vec<String> {
    let unpacked = unpacked(bytes);
    let holds = |text: &&&str| {
        let text = text.as_bytes();
        [bytes, &unpacked].iter().any(|all| contains(all, text))
    };
    let held = texts.iter().filter(holds);
    held.map(|text| (*text).to_owned()).collect()
}

/// A secret as base64 and URLs have it, as far as that is another text.
pub fn coded(secret: &str) -> Vec<String> {
    let base64 = STANDARD.encode(secret).trim_end_matches('=').to_owned();
    let url = utf8_percent_encode(secret, IN_URLS).to_string();
    let mut forms = vec![base64];
    forms.extend((url != secret).then_some(url));
    forms
}

/// What is packed in the bytes (gzip, zlib); nothing when nothing is.
pub fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    // What is cut off is looked at as far as it goes.
    match bytes {
        [0x1f, 0x8b, ..] => drop(MultiGzDecoder::new(bytes).read_to_end(&mut unpacked)),
        // As git packs its objects.
        [0x78, ..] => drop(ZlibDecoder::new(bytes).read_to_end(&mut unpacked)),
        _ => {}
    }
    unpacked
}

fn contains(all: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(all, text).is_some()
}

//! Blots secrets out of what people get to read.

use std::{ops::Range, sync::Arc};

use aho_corasick::AhoCorasick;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use secrecy::ExposeSecret;

use crate::BuildRequest;

/// Shorter secrets are left alone: blotting out every `1` would hide the log and not the secret.
const SHORTEST: usize = 8;

const BLOT: &str = "***";

/// Lengths at which programs break base64 into lines: that of MIME (RFC 2045), which `base64` has too, and
/// that of PEM (RFC 7468), which OpenSSL has.
const WIDTHS: [usize; 2] = [76, 64];

/// Knows secrets, and blots them out: as they are, in base64 at any offset or broken into lines, and as they
/// stand in URLs. Cheap to clone.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Nothing when there is no secret.
    needles: Option<Arc<AhoCorasick>>,
}

impl Redactor {
    /// Knows these secrets. One of several lines is looked for line by line, as it would turn up in a
    /// log; lines of less than eight bytes are left alone.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s [u8]>) -> Redactor {
        let mut needles: Vec<Vec<u8>> = secrets.into_iter().flat_map(needles).collect();
        needles.sort_unstable();
        needles.dedup();
        if needles.is_empty() {
            return Redactor::default();
        }
        Redactor {
            needles: AhoCorasick::new(needles).ok().map(Arc::new),
        }
    }

    /// Knows a request's secrets.
    pub(crate) fn of(request: &BuildRequest) -> Redactor {
        let secrets = request.secrets.values().map(|s| s.expose_secret());
        let passwords = request
            .credentials
            .values()
            .map(|c| c.password.expose_secret().as_bytes());
        Redactor::new(secrets.chain(passwords))
    }

    /// The length of the longest form of a secret, in bytes: of a text in pieces so much must be held
    /// back.
    pub(crate) fn longest(&self) -> usize {
        let needles = self.needles.as_ref();
        needles.map_or(0, |needles| needles.max_pattern_len())
    }

    /// The text without them.
    pub fn text(&self, text: &str) -> String {
        let (blotted, _) = self.up_to(text.len(), text.as_bytes(), 0);
        String::from_utf8_lossy(&blotted).into_owned()
    }

    /// The first `end` bytes of a text without them, where the first `covered` bytes belong to one that began
    /// before the text did; and how many bytes behind `end` belong to those that began before that. A secret is
    /// known for one when all of it is in the text, so that [`Self::longest`] bytes have to be behind `end`, or
    /// nothing more to come.
    pub(crate) fn up_to(&self, end: usize, text: &[u8], covered: usize) -> (Vec<u8>, usize) {
        let mut blotted = Vec::with_capacity(end);
        let mut from = 0;
        for Range { start, end: to } in self.found(text, covered) {
            if start >= end {
                break;
            }
            blotted.extend_from_slice(&text[from..start]);
            blotted.extend_from_slice(BLOT.as_bytes());
            from = to;
        }
        if from < end {
            blotted.extend_from_slice(&text[from..end]);
        }
        (blotted, from.saturating_sub(end))
    }

    /// Where they are, in order: where several overlap, all that any of them covers.
    fn found(&self, text: &[u8], covered: usize) -> Vec<Range<usize>> {
        let needles = self.needles.iter();
        let found = needles.flat_map(|needles| needles.find_overlapping_iter(text));
        let mut found: Vec<Range<usize>> = found.map(|found| found.range()).collect();
        found.extend((covered > 0).then_some(0..covered));
        found.sort_unstable_by_key(|range| range.start);
        found.dedup_by(|next, before| {
            let overlap = next.start < before.end;
            if overlap {
                before.end = before.end.max(next.end);
            }
            overlap
        });
        found
    }
}

/// What of a secret may turn up in a line of a log.
fn needles(secret: &[u8]) -> Vec<Vec<u8>> {
    let lines = secret.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let lines = lines.filter(|line| line.len() >= SHORTEST);
    lines
        .flat_map(forms)
        .chain(broken_base64(secret.trim_ascii()))
        .collect()
}

/// The lines of a whole secret's base64 where that takes several, whether a line break ends the secret or
/// not.
fn broken_base64(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    for end in [&b""[..], b"\n"] {
        let whole = [secret, end].concat();
        let mut encoded = STANDARD_NO_PAD.encode(&whole).into_bytes();
        // The last character may share its bits with what stands behind.
        encoded.truncate(whole.len() * 8 / 6);
        let widths = WIDTHS.into_iter().filter(|width| encoded.len() > *width);
        let broken = widths.flat_map(|width| encoded.chunks(width));
        lines.extend(
            broken
                .filter(|line| line.len() >= SHORTEST)
                .map(<[u8]>::to_vec),
        );
    }
    lines
}

/// How a line of a secret may be written down.
fn forms(line: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![line.to_vec()];
    for offset in 0..3 {
        forms.push(base64_at(&STANDARD_NO_PAD, line, offset));
        forms.push(base64_at(&URL_SAFE_NO_PAD, line, offset));
    }
    let unreserved = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    if !line.iter().all(unreserved) {
        let kept: [&[u8]; 3] = [b"-._~", b"-._~/", b"-._~!*'()"];
        for kept in kept {
            forms.extend([true, false].map(|upper| percent_encoded(line, kept, upper)));
        }
        let plus = |byte: &u8| if *byte == b' ' { b'+' } else { *byte };
        let form: Vec<u8> = line.iter().map(plus).collect();
        forms.push(percent_encoded(&form, b"-._*+", true));
    }
    forms
}

/// What of a text's base64 is the same whatever stands before and after it, when it begins `offset`
/// bytes into a group of three.
fn base64_at(engine: &impl Engine, text: &[u8], offset: usize) -> Vec<u8> {
    let before = [&[0; 2][..offset], text].concat();
    let encoded = engine.encode(&before).into_bytes();
    // A character stands for six bits: those that share theirs with a neighbour are left out.
    let first = (offset * 8).div_ceil(6);
    let last = before.len() * 8 / 6;
    encoded[first..last].to_vec()
}

fn percent_encoded(text: &[u8], kept: &[u8], upper: bool) -> Vec<u8> {
    let encoded = |byte: &u8| match byte {
        byte if byte.is_ascii_alphanumeric() || kept.contains(byte) => vec![*byte],
        byte if upper => format!("%{byte:02X}").into_bytes(),
        byte => format!("%{byte:02x}").into_bytes(),
    };
    text.iter().flat_map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        Redactor::new(secrets.iter().map(|secret| secret.as_bytes()))
    }

    #[test]
    fn every_occurrence_is_blotted_out() {
        let redactor = redactor(&["hunter22", "hunter22-long", "short"]);
        assert_eq!(
            redactor.text("hunter22-long and hunter22, short"),
            "*** and ***, short"
        );
        assert_eq!(redactor.text("nothing"), "nothing");
    }

    #[test]
    fn lines_are_found_by_themselves() {
        let redactor = redactor(&["first line\nx\r\nsecond line\r\n"]);
        assert_eq!(redactor.text("a second line, x"), "a ***, x");
    }

    #[test]
    fn urls_hold_them_in_several_spellings() {
        let redactor = redactor(&["p@ss w/rd!"]);
        for written in [
            "p%40ss%20w%2Frd%21",
            "p%40ss%20w%2frd%21",
            "p%40ss+w%2Frd%21",
            "p%40ss%20w%2Frd!",
        ] {
            let url = format!("postgres://me:{written}@host/x");
            assert_eq!(redactor.text(&url), "postgres://me:***@host/x");
        }
    }

    /// As `base64 < key.pem` prints it, and `openssl base64`.
    #[test]
    fn base64_is_found_in_lines_too() {
        let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
        let long = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.~";
        let key = format!("-----BEGIN PRIVATE KEY-----\n{line}\n{line}\n-----END PRIVATE KEY-----");
        for secret in [key.clone(), format!("{key}\n"), long.to_owned()] {
            let redactor = redactor(&[&secret]);
            for written in [secret.clone(), format!("{}\n", secret.trim())] {
                let encoded = STANDARD.encode(&written);
                for width in WIDTHS {
                    for line in encoded.as_bytes().chunks(width) {
                        let line = std::str::from_utf8(line).unwrap();
                        let shown = redactor.text(&format!("key: {line}"));
                        let left = shown.trim_start_matches("key: ").replace(BLOT, "");
                        assert!(left.trim_end_matches('=').len() <= SHORTEST, "{shown}");
                    }
                }
            }
        }
    }

    proptest! {
        /// Of one of several lines, each is found in the base64 of the whole, whatever stands around it.
        #[test]
        fn several_lines_are_found_in_base64(
            one in "[ -~]{12,90}",
            other in "[ -~]{12,90}",
            before in "[ -~]{0,7}",
            after in "[ -~]{0,7}",
        ) {
            prop_assume!(one.trim() == one && other.trim() == other);
            let encoded = STANDARD.encode(format!("{before}{one}\n{other}{after}"));
            let found = redactor(&[&format!("{one}\n{other}")]).text(&encoded);
            let left = found.replace(BLOT, "");
            // What stands around it, the line break, and what is shared with those.
            let around = (before.len() + after.len() + 1) * 4 / 3;
            prop_assert!(left.len() <= around + 12, "{found}");
        }

        /// Of a secret in base64, whatever stands around it, at most the two characters at each end
        /// are left that it shares with its neighbours.
        #[test]
        fn base64_is_found_at_any_offset(
            secret in "[ -~]{8,150}",
            before in "[ -~]{0,7}",
            after in "[ -~]{0,7}",
        ) {
            prop_assume!(secret.trim() == secret);
            let whole = format!("{before}{secret}{after}");
            for encoded in [STANDARD.encode(&whole), URL_SAFE.encode(&whole)] {
                let found = redactor(&[&secret]).text(&encoded);
                prop_assert!(found.contains(BLOT), "{found}");
                let inner = STANDARD_NO_PAD.encode(&secret[3..secret.len() - 3]);
                prop_assert!(inner.len() < 3 || !found.contains(&inner));
            }
        }
    }
}

//! Blots secrets out of what people get to read.

use std::sync::Arc;

use secrecy::ExposeSecret;

use crate::BuildRequest;

/// Shorter secrets are left alone: blotting out every `1` would hide the log and not the secret.
const SHORTEST: usize = 4;

const BLOT: &[u8] = b"***";

/// Knows a request's secrets. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    /// Longest first, since one may be a part of another.
    needles: Arc<Vec<Vec<u8>>>,
}

impl Redactor {
    /// Secrets of several lines are looked for line by line, as they would turn up in a log.
    pub(crate) fn of(request: &BuildRequest) -> Redactor {
        let secrets = request.secrets.values().map(|s| s.expose_secret());
        let passwords = request
            .credentials
            .values()
            .map(|c| c.password.expose_secret().as_bytes());
        let mut needles: Vec<Vec<u8>> = secrets
            .chain(passwords)
            .flat_map(|secret| secret.split(|byte| *byte == b'\n'))
            .map(|line| line.trim_ascii().to_vec())
            .filter(|line| line.len() >= SHORTEST)
            .collect();
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        Redactor {
            needles: Arc::new(needles),
        }
    }

    /// The length of the longest secret in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.needles.first().map_or(0, Vec::len)
    }

    pub(crate) fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes().to_vec())).into_owned()
    }

    pub(crate) fn bytes(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        for needle in self.needles.iter() {
            bytes = replace(bytes, needle);
        }
        bytes
    }
}

fn replace(bytes: Vec<u8>, needle: &[u8]) -> Vec<u8> {
    let find = |from: usize| {
        let found = bytes[from..]
            .windows(needle.len())
            .position(|window| window == needle);
        found.map(|at| from + at)
    };
    let Some(mut at) = find(0) else { return bytes };
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    loop {
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(BLOT);
        from = at + needle.len();
        match find(from) {
            Some(next) => at = next,
            None => break,
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out
}

#[cfg(test)]
impl Redactor {
    pub(crate) fn for_tests(secrets: &[&str]) -> Redactor {
        Redactor {
            needles: Arc::new(secrets.iter().map(|s| s.as_bytes().to_vec()).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_occurrence_is_blotted_out() {
        let redactor = Redactor::for_tests(&["hunter22", "hunter"]);
        assert_eq!(
            redactor.text("hunter22 and hunter, hunter22"),
            "*** and ***, ***"
        );
        assert_eq!(redactor.text("nothing"), "nothing");
    }
}

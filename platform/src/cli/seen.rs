//! Which lines of a log were told already.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};

use crate::api::LogLine;

/// So many lines are remembered, to tell none twice.
const REMEMBERED: usize = 1_000_000;

/// The lines that were told, to leave them out when a stream begins anew. Lines are told apart by
/// what they say, not by their position: builds write at the same time.
#[derive(Debug, Default)]
pub struct Seen {
    told: HashMap<u64, u32>,
    /// The same in the order of telling, to forget the oldest.
    order: VecDeque<u64>,
    expected: HashMap<u64, u32>,
}

impl Seen {
    /// The stream begins anew: what was told will come again.
    pub fn rewind(&mut self) {
        self.expected.clone_from(&self.told);
    }

    /// Whether a line was not told yet; from now on it was.
    pub fn is_new(&mut self, line: &LogLine) -> bool {
        let LogLine {
            at,
            appling,
            source,
            pod,
            text,
        } = line;
        let mut hasher = DefaultHasher::new();
        (at, appling, source, pod, text).hash(&mut hasher);
        let key = hasher.finish();
        if let Some(count) = self.expected.get_mut(&key).filter(|count| **count > 0) {
            *count -= 1;
            return false;
        }
        *self.told.entry(key).or_default() += 1;
        self.order.push_back(key);
        self.forget_the_oldest();
        true
    }

    fn forget_the_oldest(&mut self) {
        if self.order.len() <= REMEMBERED {
            return;
        }
        let oldest = self.order.pop_front();
        let Some((key, count)) = oldest.and_then(|key| Some((key, self.told.get_mut(&key)?)))
        else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.told.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine {
            at: Timestamp::UNIX_EPOCH,
            appling: None,
            source: "build".to_owned(),
            pod: None,
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_stream_that_begins_anew_tells_only_what_is_new_in_any_order() {
        let mut seen = Seen::default();
        let mut told = |texts: &[&str]| -> Vec<String> {
            seen.rewind();
            let new = texts
                .iter()
                .map(|text| line(text))
                .filter(|line| seen.is_new(line));
            new.map(|line| line.text).collect()
        };
        assert_eq!(told(&["a", "b", "a"]), ["a", "b", "a"]);
        assert_eq!(told(&["b", "x", "a", "a", "a"]), ["x", "a"]);
        assert_eq!(told(&["a", "a", "a", "b", "x"]), [""; 0]);
    }
}

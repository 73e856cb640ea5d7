//! Pieces of output become whole lines.

use crate::{MAX_LINE, redact::Redactor};

/// One stream of one step. Pieces may end anywhere, also within a character or a secret.
#[derive(Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
    /// So many bytes of the rest belong to a secret whose beginning was blotted out already.
    covered: usize,
}

impl Lines {
    /// The lines that are complete now.
    pub(crate) fn push(&mut self, piece: &[u8], redactor: &Redactor) -> Vec<String> {
        let mut lines = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(part);
            if let Some(line) = self.rest.strip_suffix(b"\n") {
                lines.extend(finished(line, self.covered, redactor));
                self.rest.clear();
                self.covered = 0;
            }
            // A secret that has only half arrived must not be cut in two: keep as much back.
            while self.rest.len() >= MAX_LINE + redactor.longest() {
                let (text, covered) = redactor.up_to(MAX_LINE, &self.rest, self.covered);
                self.rest.drain(..MAX_LINE);
                self.covered = covered;
                lines.push(String::from_utf8_lossy(&text).into_owned());
            }
        }
        lines
    }

    /// What is left when nothing more will come.
    pub(crate) fn finish(&mut self, redactor: &Redactor) -> Vec<String> {
        let (rest, covered) = (
            std::mem::take(&mut self.rest),
            std::mem::take(&mut self.covered),
        );
        if rest.is_empty() {
            Vec::new()
        } else {
            finished(&rest, covered, redactor)
        }
    }
}

/// A line as a terminal shows it in the end: what stands before a `\r` was overwritten.
fn finished(line: &[u8], covered: usize, redactor: &Redactor) -> Vec<String> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let shown = line.rsplit(|byte| *byte == b'\r').next().unwrap_or(line);
    let covered = covered.saturating_sub(line.len() - shown.len());
    let (text, _) = redactor.up_to(shown.len(), shown, covered.min(shown.len()));
    let pieces = text
        .chunks(MAX_LINE)
        .map(|piece| String::from_utf8_lossy(piece).into_owned());
    if text.is_empty() {
        vec![String::new()]
    } else {
        pieces.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]], redactor: &Redactor) -> Vec<String> {
        let mut splitter = Lines::default();
        let mut lines: Vec<String> = pieces
            .iter()
            .flat_map(|piece| splitter.push(piece, redactor))
            .collect();
        lines.extend(splitter.finish(redactor));
        lines
    }

    #[test]
    fn pieces_are_joined_and_split_at_line_ends() {
        let cases: [(&[&[u8]], &[&str]); 6] = [
            (&[b"a\nb\n"], &["a", "b"]),
            (&[b"a", b"b\nc"], &["ab", "c"]),
            (&[b"\xc3", b"\xa9\n\n"], &["é", ""]),
            (&[b"10%\r50%\r100%\r\n"], &["100%"]),
            (&[b"\xff\n"], &["\u{fffd}"]),
            (&[b""], &[]),
        ];
        for (pieces, want) in cases {
            assert_eq!(lines(pieces, &Redactor::default()), want);
        }
    }

    #[test]
    fn long_lines_come_in_pieces() {
        let long = vec![b'x'; 3 * MAX_LINE + 5];
        let got = lines(
            &[&long[..100], &long[100..], b"\nend"],
            &Redactor::default(),
        );
        let lengths: Vec<usize> = got.iter().map(String::len).collect();
        assert_eq!(lengths, [MAX_LINE, MAX_LINE, MAX_LINE, 5, 3]);
    }

    #[test]
    fn secrets_are_blotted_out_wherever_the_pieces_end() {
        let redactor = Redactor::new([&b"hunter22"[..]]);
        assert_eq!(lines(&[b"is hun", b"ter22!\n"], &redactor), ["is ***!"]);
        let mut long = vec![b'x'; MAX_LINE - 4];
        long.extend_from_slice(b"hunter22");
        for cut in MAX_LINE - 6..long.len() {
            let got = lines(&[&long[..cut], &long[cut..]], &redactor).concat();
            assert!(got.ends_with("x***"), "cut at {cut}");
        }
    }
    #[test]
    fn of_a_line_without_an_end_no_half_of_a_secret_is_shown() {
        let secret = b"abcdefghijklmnopqrstuvwxyz0123456789ABCD";
        let redactor = Redactor::new([&secret[..]]);
        for before in [0, 1, 17] {
            let mut long = vec![b'-'; before];
            long.extend(secret.repeat(1000));
            for size in [7, 1024, 4099] {
                let pieces: Vec<&[u8]> = long.chunks(size).collect();
                let shown = lines(&pieces, &redactor).concat();
                let left = shown.replace("***", "").replace('-', "");
                assert_eq!(left, "", "in pieces of {size}");
            }
        }
    }
}

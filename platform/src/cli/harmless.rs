//! Text that others wrote, made harmless for a terminal.
//!
//! A build's log or a commit's subject may hold escape sequences that move the cursor, set the
//! window's title or write to the clipboard. Of all that only colours pass.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

const ESCAPE: char = '\u{1b}';

/// One line without any control character or text-direction trick; they are made visible.
pub fn text(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_visible(&mut out, c));
    Cow::Owned(out)
}

/// One line of a log: colours pass, and are ended; other CSI sequences (moving the cursor, erasing)
/// are left out; every other control character is made visible. Of a line that overwrites itself
/// with carriage returns, as progress bars do, the last state remains.
pub fn log_line(line: &str) -> Cow<'_, str> {
    let line = line.trim_end_matches(['\r', '\n']);
    let line = line.rsplit('\r').next().unwrap_or(line);
    if !line.chars().any(is_control) {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len() + 4);
    let mut coloured = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\t' {
            out.push(c);
        } else if c == ESCAPE && chars.next_if_eq(&'[').is_some() {
            if let Some(colour) = control_sequence(&mut chars) {
                out.push_str(&colour);
                coloured = true;
            }
        } else {
            push_visible(&mut out, c);
        }
    }
    if coloured {
        out.push_str("\u{1b}[0m");
    }
    Cow::Owned(out)
}

/// JSON in which no control character stands as itself: JSON escapes only those below U+0020.
pub fn json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(|c| c != '\n' && is_control(c)) {
        return Cow::Borrowed(json);
    }
    let escaped = json.chars().fold(String::new(), |mut out, c| {
        match c {
            '\n' => out.push(c),
            _ if is_control(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
        out
    });
    Cow::Owned(escaped)
}

/// Reads the rest of a sequence that began with `ESC [`; gives it back if it sets colours.
fn control_sequence(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut parameters = String::new();
    while let Some(c) = chars.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)) {
        parameters.push(c);
    }
    let last = chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
    let plain = parameters
        .chars()
        .all(|c| c.is_ascii_digit() || c == ';' || c == ':');
    (last == Some('m') && plain && parameters.len() <= 32)
        .then(|| format!("{ESCAPE}[{parameters}m"))
}

/// Control characters, and those that change the direction of text around them.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_visible(out: &mut String, c: char) {
    match c {
        '\t' | '\n' | '\r' => out.push(' '),
        '\0'..='\u{1f}' => out.extend(['^', char::from(c as u8 + 0x40)]),
        '\u{7f}' => out.push_str("^?"),
        _ if is_control(c) => out.extend(c.escape_unicode()),
        _ => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_pass_and_end_with_the_line() {
        assert_eq!(log_line("a \u{1b}[1;31mred"), "a \u{1b}[1;31mred\u{1b}[0m");
        assert_eq!(
            log_line("\u{1b}[38:2::1:2:3mx"),
            "\u{1b}[38:2::1:2:3mx\u{1b}[0m"
        );
        assert_eq!(log_line("plain\ttext æøå 🧪"), "plain\ttext æøå 🧪");
    }

    #[test]
    fn everything_else_that_a_terminal_obeys_does_not_reach_it() {
        let table = [
            ("\u{1b}[2J\u{1b}[Hgone", "gone"),
            ("\u{1b}]0;title\u{7}x", "^[]0;title^Gx"),
            ("\u{1b}]52;c;aGk=\u{1b}\\", "^[]52;c;aGk=^[\\"),
            ("\u{1b}[?1049hx", "x"),
            ("\u{1b}[>4;1mx", "x"),
            ("\u{9b}31mx", "\\u{9b}31mx"),
            ("\u{1b}cx", "^[cx"),
            ("\u{1b}[3", ""),
            ("\u{1b}", "^["),
            ("bell\u{7} del\u{7f} back\u{8}", "bell^G del^? back^H"),
            ("user\u{202e}gnp.exe", "user\\u{202e}gnp.exe"),
            ("10%\r20%\r30%\r\n", "30%"),
        ];
        for (line, expected) in table {
            assert_eq!(log_line(line), expected, "{line:?}");
        }
    }

    #[test]
    fn names_and_subjects_get_no_colours_either() {
        assert_eq!(text("fix \u{1b}[31mit\nnow"), "fix ^[[31mit now");
        assert_eq!(text("fix it"), "fix it");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = "a\u{9b}b\u{7f}c\u{202e}d\u{1b}[0m";
        let raw = serde_json::to_string_pretty(&[value]).unwrap();
        let shown = json(&raw);
        assert!(
            !shown.chars().any(|c| c != '\n' && is_control(c)),
            "{shown:?}"
        );
        assert_eq!(
            serde_json::from_str::<[String; 1]>(&shown).unwrap(),
            [value]
        );
    }

    proptest! {
        #[test]
        fn no_line_reaches_the_terminal_with_more_than_colours(line in "[\u{0}-\u{ff}\u{202a}-\u{202e}]{0,40}") {
            let shown = log_line(&line).into_owned();
            let mut rest = shown.as_str();
            while let Some(start) = rest.find(ESCAPE) {
                let end = start + rest[start..].find('m').expect("a colour ends in m");
                prop_assert!(rest[start + 2..end].chars().all(|c| c.is_ascii_digit() || ";:".contains(c)));
                rest = &rest[end..];
            }
            prop_assert!(!shown.replace([ESCAPE, '\t'], "").chars().any(is_control));
            prop_assert!(!text(&line).chars().any(is_control));
        }
    }
}

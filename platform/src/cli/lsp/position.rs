//! Places in a text as the protocol has them: lines, and columns in UTF-16 code units.

use std::ops::Range;

use gen_lsp_types as lsp;

/// The place of a byte. One behind the end, or inside a character, counts as the nearest before it.
pub fn position(text: &str, offset: usize) -> lsp::Position {
    let before = &text[..text.floor_char_boundary(offset)];
    let start = line_starts(before).last().unwrap_or_default();
    let line = line_starts(before).count() - 1;
    let column = before[start..].encode_utf16().count();
    lsp::Position::new(number(line), number(column))
}

/// The byte at a place. A column behind the line's end counts as that end, a line behind the last
/// as the text's end.
pub fn offset(text: &str, position: lsp::Position) -> usize {
    let Some(start) = line_starts(text).nth(position.line as usize) else {
        return text.len();
    };
    let line = &text[start..];
    let line = &line[..line.find(['\n', '\r']).unwrap_or(line.len())];
    let mut left = position.character as usize;
    let fits = |c: &char| {
        let enough = left >= c.len_utf16();
        left = left.saturating_sub(c.len_utf16());
        enough
    };
    start
        + line
            .chars()
            .take_while(fits)
            .map(char::len_utf8)
            .sum::<usize>()
}

/// The places of a span's ends.
pub fn range(text: &str, span: &Range<usize>) -> lsp::Range {
    lsp::Range::new(position(text, span.start), position(text, span.end))
}

/// Where lines start. `\r` alone ends a line too.
fn line_starts(text: &str) -> impl Iterator<Item = usize> + '_ {
    let bytes = text.as_bytes();
    let ends = move |at: &usize| match bytes[*at] {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    std::iter::once(0).chain((0..bytes.len()).filter(ends).map(|at| at + 1))
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_count_utf_16_code_units() {
        let text = "a = \"🧪å\" # x\r\nb\rc\n";
        let at = |needle: &str| {
            let place = position(text, text.find(needle).unwrap());
            (place.line, place.character)
        };
        assert_eq!(at("🧪"), (0, 5));
        assert_eq!(at("å"), (0, 7));
        assert_eq!(at("# x"), (0, 10));
        assert_eq!(at("b"), (1, 0));
        assert_eq!(at("c"), (2, 0));
        assert_eq!(position(text, 6), lsp::Position::new(0, 5), "inside 🧪");
        assert_eq!(position(text, 999), lsp::Position::new(3, 0));
        assert_eq!(offset(text, lsp::Position::new(0, 6)), 5, "inside 🧪");
        assert_eq!(
            offset(text, lsp::Position::new(0, 99)),
            text.find('\r').unwrap()
        );
        assert_eq!(offset(text, lsp::Position::new(9, 0)), text.len());
    }

    proptest! {
        #[test]
        fn places_are_found_again(text in "[aå🧪\r\n]{0,20}", at in 0usize..60) {
            let at = text.floor_char_boundary(at);
            // Between the two bytes of a line's end there is no place of its own.
            prop_assume!(!(text[..at].ends_with('\r') && text[at..].starts_with('\n')));
            prop_assert_eq!(offset(&text, position(&text, at)), at);
        }
    }
}

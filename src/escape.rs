//! Bytes that need not be UTF-8, as text and back without loss.
//!
//! Comments in rules and sets are bytes of any kind. A byte that is not part
//! of valid UTF-8 becomes a character of its own in a private-use range, as in
//! MirBSD's OPTU-8; should the input itself use that range, its bytes are
//! escaped the same way.

/// What stands for byte 0; only 0x80 and above are ever escaped.
const BASE: u32 = 0xf700;
/// What the escaped bytes become.
const RANGE: std::ops::RangeInclusive<char> = '\u{f780}'..='\u{f7ff}';

/// `bytes` as text; valid UTF-8 stays as it is.
#[must_use]
pub fn to_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if RANGE.contains(&letter) {
                let mut buffer = [0; 4];
                text.extend(letter.encode_utf8(&mut buffer).bytes().map(escaped));
            } else {
                text.push(letter);
            }
        }
        text.extend(chunk.invalid().iter().copied().map(escaped));
    }
    text
}

/// The bytes that [`to_text`] made `text` of.
#[must_use]
pub fn to_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for letter in text.chars() {
        match u8::try_from(u32::from(letter).wrapping_sub(BASE)) {
            Ok(byte) if RANGE.contains(&letter) => bytes.push(byte),
            _ => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

fn escaped(byte: u8) -> char {
    char::from_u32(BASE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn valid_text_stays_as_it_is() {
        assert_eq!(to_text("grün \u{f000}\n".as_bytes()), "grün \u{f000}\n");
        assert_eq!(to_text(b"gr\xfcn"), "gr\u{f7fc}n");
        assert_eq!(to_bytes("gr\u{f7fc}n"), b"gr\xfcn");
    }

    proptest! {
        #[test]
        fn nothing_is_lost(bytes: Vec<u8>) {
            prop_assert_eq!(to_bytes(&to_text(&bytes)), bytes);
        }

        #[test]
        fn nothing_is_lost_around_the_range(text in "[\u{f77f}-\u{f801}a-z]{0,20}") {
            prop_assert_eq!(to_bytes(&to_text(text.as_bytes())), text.as_bytes());
        }
    }
}

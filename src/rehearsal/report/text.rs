//! Text that fits: columns counted as a terminal does, lines broken where there are spaces.

use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter};

/// Columns that `text` takes.
pub fn columns(text: &str) -> usize {
    display_width(text)
}

/// `text` on one line and without what would steer a terminal: rules, comments and the names of
/// programs are written by others.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\t' | '\n' | '\r' => ' ',
            // Directions of writing can make a line read as another one.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                char::REPLACEMENT_CHARACTER
            }
            // A byte that is no text, see `crate::escape`.
            '\u{f780}'..='\u{f7ff}' => char::REPLACEMENT_CHARACTER,
            other if other.is_control() => char::REPLACEMENT_CHARACTER,
            other => other,
        })
        .collect()
}

/// `text` in lines of at most `width` columns: the first begins with `first`, the others with
/// `rest`. A word that is too long is cut.
pub fn wrapped(text: &str, width: usize, first: &str, rest: &str) -> Vec<String> {
    let options = Options::new(width)
        .initial_indent(first)
        .subsequent_indent(rest)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::wrap(&clean(text), options)
        .into_iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_letters_count_twice() {
        assert_eq!(columns("ssh"), 3);
        assert_eq!(columns("grün"), 4);
        assert_eq!(columns("防火墙"), 6);
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(
            clean("a\x1b[31m\tb\nc\u{202e}d\u{f7fc}"),
            "a\u{fffd}[31m b c\u{fffd}d\u{fffd}"
        );
    }

    #[test]
    fn options_of_rules_are_not_broken_at_their_dashes() {
        assert_eq!(
            wrapped("-A INPUT --dport 22 -j DROP", 12, "", "  "),
            ["-A INPUT", "  --dport 22", "  -j DROP"]
        );
        assert_eq!(wrapped("aaaaaaaa", 4, "", " "), ["aaa", " aaa", " aa"]);
    }
}

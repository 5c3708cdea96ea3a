//! The narrator's voice: at most 80 columns, colours only on a terminal.

use anstyle::{AnsiColor, Style};

use crate::client::out;

const HEADING: Style = Style::new().bold();
const COMMAND: Style = AnsiColor::Cyan.on_default();
const GOOD: Style = AnsiColor::Green.on_default();

/// Columns of the narrow terminal that everything fits on.
const COLUMNS: usize = 80;
/// Columns that what tools print is moved in by.
const PRINTED_INDENT: usize = 4;
/// Columns that the rest of a line that is too long is moved in by.
const HANGING_INDENT: usize = 2;

fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Starts a chapter, which begins with `opening`.
pub fn chapter(title: &str, opening: &str) {
    out("");
    out(&styled(HEADING, title));
    paragraph(opening);
}

/// Tells something, apart from what came before.
pub fn say(text: &str) {
    out("");
    paragraph(text);
}

/// Tells something.
pub fn paragraph(text: &str) {
    for line in wrapped(text, COLUMNS) {
        out(&line);
    }
}

/// Shows a command that is run, and on which machine.
pub fn command(host: &str, line: &str) {
    out(&format!("  {host}# {}", styled(COMMAND, line)));
}

/// Shows what was printed, below the command; a line that is too long goes on below, further in.
pub fn printed(text: &str) {
    for line in text.lines() {
        let inner = line.trim_start();
        let first = PRINTED_INDENT + line.len() - inner.len();
        let room = COLUMNS.saturating_sub(first + HANGING_INDENT);
        for (number, piece) in wrapped(inner, room).iter().enumerate() {
            let hanging = if number == 0 { 0 } else { HANGING_INDENT };
            out(&format!("{:1$}{piece}", "", first + hanging));
        }
    }
}

/// Says that something was looked at and is as told.
pub fn as_told(text: &str) {
    for (number, line) in wrapped(text, COLUMNS - 5).iter().enumerate() {
        if number == 0 {
            out(&format!("  {} {line}", styled(GOOD, "ok")));
        } else {
            out(&format!("     {line}"));
        }
    }
}

/// `text` in lines of at most `columns`, broken at spaces where there are any.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    if text.chars().count() <= columns {
        return vec![text.to_owned()];
    }
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= columns {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn breaks_at_spaces_and_loses_no_word() {
        let text = "one two three four";
        assert_eq!(wrapped(text, 9), ["one two", "three", "four"]);
        assert_eq!(wrapped(text, 18), [text]);
    }

    #[test]
    fn what_fits_is_left_as_it_is() {
        assert_eq!(wrapped("a   b", 5), ["a   b"]);
        assert_eq!(wrapped("", 5), [""]);
    }
}

//! A page of text that is being written, line by line.

use anstyle::{AnsiColor, Style};

use super::Decision;
use super::text::{clean, columns, wrapped};

/// The narrowest page; below that nothing can be read any more.
const NARROWEST: usize = 40;
/// Columns of a page that goes into a file or to a program.
const USUAL: usize = 80;
/// The widest page: longer lines are hard to follow.
const WIDEST: usize = 110;

/// How a report is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Columns; no line is longer, but for those that are there to be pasted. At least 40.
    pub width: usize,
    /// Whether colours are used (ECMA-48 sequences).
    pub colour: bool,
    /// Whether every row of the tables is shown, also where many are the same as before.
    pub all: bool,
}

impl Look {
    /// As it suits standard output: the terminal's width, or 80 columns; colours on a terminal,
    /// unless `NO_COLOR` is set (and as `CLICOLOR`, `CLICOLOR_FORCE` and `TERM` say).
    #[must_use]
    pub fn of_stdout(all: bool) -> Self {
        let stdout = std::io::stdout();
        let width = rustix::termios::tcgetwinsize(&stdout)
            .ok()
            .map(|size| usize::from(size.ws_col))
            .filter(|width| *width > 0);
        Self {
            width: width.unwrap_or(USUAL).min(WIDEST),
            colour: anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never,
            all,
        }
    }
}

/// What a piece of text says beyond its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing.
    Plain,
    /// A new section begins.
    Heading,
    /// Good news.
    Good,
    /// Bad news.
    Bad,
    /// It is not known.
    Doubt,
    /// Less important.
    Quiet,
}

impl Tone {
    const fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Heading => Style::new().bold(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Doubt => AnsiColor::Yellow.on_default(),
            Self::Quiet => Style::new().dimmed(),
        }
    }
}

/// The lines so far, and the one that is being written.
#[derive(Debug)]
pub struct Page {
    look: Look,
    lines: Vec<String>,
    line: String,
    /// Columns of `line`.
    at: usize,
}

impl Page {
    /// An empty page.
    pub fn new(look: Look) -> Self {
        Self {
            look: Look {
                width: look.width.max(NARROWEST),
                ..look
            },
            lines: Vec::new(),
            line: String::new(),
            at: 0,
        }
    }

    /// How it looks.
    pub const fn look(&self) -> Look {
        self.look
    }

    /// Columns of the line that is being written.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Writes `text` from column `column` of this line, which must not be written yet.
    pub fn put(&mut self, column: usize, text: &str, tone: Tone) {
        let gap = column.saturating_sub(self.at);
        self.line.push_str(&" ".repeat(gap));
        self.at += gap + columns(text);
        self.line.push_str(&self.painted(text, tone));
    }

    /// Ends the line that is being written.
    pub fn end(&mut self) {
        self.lines.push(std::mem::take(&mut self.line));
        self.at = 0;
    }

    /// Writes `text`, broken into lines; the first begins with `first`, the others with `rest`.
    pub fn hanging(&mut self, first: &str, rest: &str, text: &str, tone: Tone) {
        for line in wrapped(text, self.look.width, first, rest) {
            let inner = line.trim_start();
            self.put(columns(&line) - columns(inner), inner, tone);
            self.end();
        }
    }

    /// Writes a paragraph.
    pub fn paragraph(&mut self, text: &str, tone: Tone) {
        self.hanging("", "", text, tone);
    }

    /// Writes a rule and where it stands; where that is too long for one line, the rule gets its own.
    pub fn decision(&mut self, first: &str, rest: &str, by: &Decision) {
        let whole = by.to_string();
        if by.text.is_empty() || columns(first) + columns(&clean(&whole)) <= self.look.width {
            self.hanging(first, rest, &whole, Tone::Plain);
            return;
        }
        let place = whole.strip_suffix(by.text.as_str()).unwrap_or(&whole);
        self.hanging(first, rest, place, Tone::Plain);
        let (first, rest) = (format!("{rest}  "), format!("{rest}      "));
        self.hanging(&first, &rest, &by.text, Tone::Plain);
    }

    /// Begins a section.
    pub fn section(&mut self, title: &str) {
        self.blank();
        self.paragraph(title, Tone::Heading);
    }

    /// Writes a line that is there to be pasted: it is never broken.
    pub fn verbatim(&mut self, text: &str) {
        self.put(4, &clean(text), Tone::Plain);
        self.end();
    }

    /// Leaves a line free, unless the page is empty or the last one is free.
    pub fn blank(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(String::new());
        }
    }

    /// All of it; each line ends with a line feed.
    pub fn text(self) -> String {
        let mut text = self.lines.join("\n");
        text.push('\n');
        text
    }

    fn painted(&self, text: &str, tone: Tone) -> String {
        if !self.look.colour || tone == Tone::Plain {
            return text.to_owned();
        }
        let style = tone.style();
        format!("{style}{text}{style:#}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_not_counted() {
        for (colour, expected) in [
            (false, "ab   cd\n"),
            (true, "\x1b[1m\x1b[31mab\x1b[0m   cd\n"),
        ] {
            let mut page = Page::new(Look {
                width: 80,
                colour,
                all: false,
            });
            page.put(0, "ab", Tone::Bad);
            page.put(5, "cd", Tone::Plain);
            page.end();
            assert_eq!(page.text(), expected);
        }
    }
}

//! The countdown bar on a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::transaction::clock;

/// How often the bar is drawn anew.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// A countdown, drawn on standard error where that is a terminal.
#[derive(Debug, Default)]
pub struct Bar {
    bar: Option<ProgressBar>,
}

impl Bar {
    /// Starts or moves the countdown, which ends at `deadline_ms` (`CLOCK_BOOTTIME`).
    pub fn count_to(&mut self, deadline_ms: u64) {
        self.clear();
        if !std::io::stderr().is_terminal() {
            return;
        }
        let left = deadline_ms.saturating_sub(clock::boottime_ms());
        let bar = ProgressBar::new(left);
        if let Ok(style) = ProgressStyle::with_template("  [{bar:40}] {msg} left to confirm") {
            bar.set_style(style.progress_chars("=> "));
        }
        let drawn = bar.clone();
        std::thread::spawn(move || {
            while !drawn.is_finished() {
                let left = deadline_ms.saturating_sub(clock::boottime_ms());
                drawn.set_position(left);
                drawn.set_message(format!("{} s", left.div_ceil(1000)));
                std::thread::sleep(DRAW_EVERY);
            }
        });
        self.bar = Some(bar);
    }

    /// Takes the bar off the screen.
    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Prints `line` above the bar.
    pub fn print(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| super::out(line)),
            None => super::out(line),
        }
    }
}

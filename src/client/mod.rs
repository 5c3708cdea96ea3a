//! The user's side: talks to the guardian, shows what happens. Its death changes nothing.

mod bar;
pub mod command;
pub mod connection;
mod follow;
mod interrupt;
mod render;

pub use connection::{Connection, pending, request};
pub use follow::{Follow, follow};
pub use interrupt::Interrupts;
pub use render::{Style, lines};

use std::io::Write;

/// Prints a line to standard output; a terminal that is gone is no reason to stop.
pub fn out(line: &str) {
    let _ = writeln!(anstream::stdout(), "{line}");
}

/// Prints a line to standard error; a terminal that is gone is no reason to stop.
pub fn err(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

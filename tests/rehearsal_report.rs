//! The report of a rehearsal in words.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod rehearsal_report_support;

use rehearsal_report_support::*;
use safe_apply::rehearsal::report::{Asked, Look, render};

#[test]
fn show() {
    for (report, asked) in [
        (lockout(), Asked::Check),
        (lockout(), Asked::Apply),
        (lockout(), Asked::Forced),
        (safe(), Asked::Check),
        (safe(), Asked::Apply),
    ] {
        println!("=== {asked:?}\n{}", render(&report, asked, PLAIN));
    }
    println!(
        "{}",
        render(
            &lockout(),
            Asked::Check,
            Look {
                width: 50,
                colour: true,
                ..PLAIN
            }
        )
    );
}

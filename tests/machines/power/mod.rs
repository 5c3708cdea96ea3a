//! Power cuts: a machine that goes down in the middle of a transaction comes up with the rules from
//! before it, or with rules that somebody confirmed; its records are whole or not there.
//!
//! One machine after the other boot: a change is begun (`story.sh`), the power goes at a random
//! moment of one of its phases, the machine boots, and what is live, what is in the files that are loaded at
//! boot, and what safe-apply says is compared with what the person at the keyboard had seen. Half
//! of the cuts press the reset button, which costs what the kernel had not sent to the
//! disk; the others also cost what the disk had not been told to flush.
//!
//! `SLOW=1` cuts 40 times instead of eight; `SAFE_APPLY_SEED` gives other moments.

mod cuts;
mod inspection;
mod model;
mod orderly;
mod phase;
mod selftest;
mod story;

use crate::vm::Filesystem;

#[test]
fn the_power_goes_on_ext4() {
    cuts::run(Filesystem::Ext4);
}

#[test]
fn the_power_goes_on_xfs() {
    cuts::run(Filesystem::Xfs);
}

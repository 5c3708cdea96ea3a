//! Virtual machines under QEMU, for what only a kernel and a disk of their own can show: power cuts,
//! and Debian's stock kernel.
//!
//! There is no KVM here: QEMU interprets (`-accel tcg`), a boot takes some ten seconds. The machine
//! has no network. It takes scripts over a serial line (`agent.sh`) and prints to it.

mod agent;
mod disk;
mod image;
mod qemu;
mod qmp;
mod random;
mod write_log;

pub use disk::{Disk, Fate};
pub use image::{Filesystem, Image, must};
pub use qemu::{Hardware, Vm};
pub use random::{Random, seed};

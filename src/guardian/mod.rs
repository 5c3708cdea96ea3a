//! The guardian: the only process that writes to the kernel and the journal.

mod announce;
pub mod boot_files;
mod confirm;
mod control;
mod copies;
mod core;
pub mod detach;
mod driver;
pub mod early;
mod finish;
mod hook;
mod keep;
mod lock;
mod prepare_self;
pub mod recover;
mod requests;
mod restore;
mod stop;
pub mod stopped;
pub mod successor;
mod timer;
mod vitals;
mod work;

pub use announce::LOG;
pub use control::{Peer, socket_path};
pub use driver::run;
pub use lock::{Pids, RunLock, pids};
pub use stop::MARKER;

//! Netlink: messages, attributes, sockets (`netlink(7)`, `linux/netlink.h`).

pub mod address;
mod attribute;
pub mod hop;
mod message;
pub mod route;
mod socket;

pub use attribute::{Attribute, Attributes, NESTED, TYPE_MASK, find};
pub use message::{Builder, Message, Messages};
pub use socket::{Error, Socket};

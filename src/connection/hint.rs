//! An origin in words: who and from where, and the line to type on the other side.

use std::fmt;
use std::net::IpAddr;

use super::{Origin, Via};

/// The port that `ssh` uses unless told otherwise.
pub const SSH_PORT: u16 = 22;

impl Origin {
    /// The line that logs in anew and confirms, typed where the user sits; on a
    /// console or the like, only the confirmation itself.
    #[must_use]
    pub fn confirm_line(&self) -> String {
        let (Some(tuple), false) = (self.tuple, self.via == Via::None) else {
            return "safe-apply confirm".to_owned();
        };
        let user = self.user.as_deref().unwrap_or("root");
        // sudo may have to ask for a password, for which it needs a terminal.
        let (terminal, sudo) = if self.sudo {
            ("-t ", "sudo ")
        } else {
            ("", "")
        };
        let port = match tuple.local.port() {
            SSH_PORT => String::new(),
            other => format!("-p {other} "),
        };
        let host = match tuple.local.ip() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => address.to_string(),
        };
        format!("ssh {terminal}{port}{user}@{host} {sudo}safe-apply confirm")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.user.as_deref().unwrap_or("somebody"))?;
        if self.sudo {
            f.write_str(" (with sudo)")?;
        }
        match (&self.tuple, &self.tty) {
            (Some(tuple), _) => write!(f, " from {}", tuple.peer.ip()),
            (None, Some(tty)) => write!(f, " on {tty}"),
            (None, None) => Ok(()),
        }
    }
}

//! What is said about a confirmation, and how it is told to people.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{SSH_PORT, Tuple};

/// By what a process was tied to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A login process above it, such as sshd, holds the connection.
    Ssh,
    /// It runs in tmux, and a client attached to that server came in over the connection.
    Tmux,
    /// It runs in screen, and a terminal attached to it came in over the connection.
    Screen,
    /// It has no connection of its own; some other login to the same service succeeded.
    Evidence,
    /// Nothing ties it to a connection.
    None,
}

/// Whether a process speaks for a connection opened after the new rules went live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[must_use]
pub enum Verdict {
    /// It does.
    New {
        /// The connection that proves it.
        connection: Tuple,
        /// How it was found.
        via: Via,
        /// Start of the login's process after [`super::Known`] was recorded, exact to 10 ms.
        opened_after: Duration,
    },
    /// It does not, or nobody can tell.
    Refused(Refusal),
}

/// Why a confirmation is refused; displayed with what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The session that applied the rules, or one that shares its connection.
    ApplyingSession {
        /// Its connection.
        tuple: Tuple,
    },
    /// A session whose connection existed when the rules went live.
    OldConnection {
        /// Its connection.
        tuple: Tuple,
    },
    /// A session whose process is older than the new rules, whatever its connection is.
    OldProcess {
        /// Its connection.
        tuple: Tuple,
    },
    /// The connection never left this host.
    FromThisHost {
        /// The connection.
        tuple: Tuple,
    },
    /// In tmux or screen, and what is attached to it came in over an old connection.
    OldTerminal {
        /// tmux or screen.
        via: Via,
        /// The connection of what is attached.
        tuple: Tuple,
    },
    /// A console, cron, or a process cut off from its login, and no other new login to go by.
    NoConnection,
    /// The process is gone or could not be looked at.
    Unreadable {
        /// Its number.
        pid: i32,
    },
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ssh => "login",
            Self::Tmux => "tmux",
            Self::Screen => "screen",
            Self::Evidence => "another login",
            Self::None => "nothing",
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApplyingSession { tuple } => write!(
                f,
                "This is the connection that the rules were applied over ({}); that it still works \
                 proves nothing about new logins. {}.",
                tuple.peer,
                way_out(tuple)
            ),
            Self::OldConnection { tuple } => write!(
                f,
                "This login came in over {}, which was open before the new rules went live; it \
                 proves nothing about new logins. {}.",
                tuple.peer,
                way_out(tuple)
            ),
            Self::OldProcess { tuple } => write!(
                f,
                "The process that serves this login from {} was running before the new rules went \
                 live; it proves nothing about new logins. {}.",
                tuple.peer,
                way_out(tuple)
            ),
            Self::FromThisHost { tuple } => write!(
                f,
                "This login came in from this host itself ({tuple}); it proves nothing about logins \
                 from elsewhere. Log in from another machine and confirm there."
            ),
            Self::OldTerminal { via, tuple } => write!(
                f,
                "The {via} session is shown to {}, over a connection that was open before the new \
                 rules went live; it proves nothing about new logins. {}, or attach to {via} from there.",
                tuple.peer,
                way_out(tuple)
            ),
            Self::NoConnection => f.write_str(
                "This process belongs to no login over the network, and nobody has logged in since \
                 the new rules went live. Log in anew and confirm there; from a console that cannot \
                 be locked out, --force confirms anyway.",
            ),
            Self::Unreadable { pid } => write!(
                f,
                "Process {pid} is gone or could not be looked at, so nobody can tell how it came \
                 in. Run the confirmation again from a new login."
            ),
        }
    }
}

/// How to log in over a connection of one's own.
fn way_out(tuple: &Tuple) -> String {
    let port = match tuple.local.port() {
        SSH_PORT => String::new(),
        other => format!("-p {other} "),
    };
    let host = tuple.local.ip();
    format!("Log in anew without connection sharing (ssh -S none {port}{host}) and confirm there")
}

#[cfg(test)]
mod tests {
    use super::{Refusal, Via};
    use crate::connection::Tuple;

    fn tuple(local: &str) -> Tuple {
        Tuple::new(
            local.parse().unwrap(),
            "198.51.100.7:50122".parse().unwrap(),
        )
    }

    #[test]
    fn says_why_and_what_to_do() {
        let text = Refusal::OldConnection {
            tuple: tuple("198.51.100.2:22"),
        }
        .to_string();
        assert!(text.contains("came in over 198.51.100.7:50122"), "{text}");
        assert!(text.contains("before the new rules went live"), "{text}");
        assert!(text.contains("(ssh -S none 198.51.100.2)"), "{text}");
    }

    #[test]
    fn names_a_port_that_is_not_the_usual_one() {
        let tuple = tuple("198.51.100.2:2222");
        let text = Refusal::OldTerminal {
            via: Via::Tmux,
            tuple,
        }
        .to_string();
        assert!(text.contains("ssh -S none -p 2222 198.51.100.2"), "{text}");
        assert!(text.contains("tmux"), "{text}");
    }

    #[test]
    fn survives_json() {
        let refusal = Refusal::FromThisHost {
            tuple: tuple("198.51.100.2:22"),
        };
        let text = serde_json::to_string(&refusal).unwrap();
        assert!(text.contains("\"from_this_host\""), "{text}");
        assert_eq!(serde_json::from_str::<Refusal>(&text).unwrap(), refusal);
    }
}

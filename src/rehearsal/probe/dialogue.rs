//! What the sender of a probe does until it knows.

use super::super::Protocol;
use super::errors::Refusal;
use super::patience::Patience;
use super::sockets::ICMP_BYTES;
use super::wire::{Trouble, Wire};
use super::{Side, speech};

/// Of a greeting, in bytes; longer ones are nobody's.
const GREETING_BYTES: usize = 128;
const BUFFER_BYTES: usize = 4096;

/// What became of a probe, as far as its sender can tell by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// All that was sent came back, from this side.
    Answered(Side),
    /// By the kernel, which does not say whose.
    Echoed,
    /// It was refused.
    Rejected,
    /// The host is not to be reached, says the sender's own side.
    Unreachable,
    /// Nothing, or nothing more, came back.
    Silence,
    /// It went wrong in a way that rules do not make it go.
    Failed(String),
}

impl From<Trouble> for Seen {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(Refusal::Rejected) => Self::Rejected,
            Trouble::Refused(Refusal::Unreachable) => Self::Unreachable,
            Trouble::Ended => Self::Failed("the listener hung up".to_owned()),
            Trouble::Failed(reason) => Self::Failed(reason),
        }
    }
}

/// The part of a probe that comes after its first packet, `payload`.
pub(super) async fn follow(
    wire: &Wire,
    protocol: Protocol,
    payload: &[u8],
    token: u32,
    patience: &Patience,
) -> Seen {
    let result = match protocol {
        Protocol::Tcp => talk(wire, token, patience).await,
        Protocol::Udp | Protocol::Icmp => {
            tokio::select! {
                biased;
                answer = answer(wire, protocol, payload) => answer,
                () = patience.first_answer(false) => Ok(Seen::Silence),
            }
        }
    };
    result.unwrap_or_else(Seen::from)
}

/// What a probe has to expect whose first packet was dropped on the way out: a rule that
/// rejects says so at once.
pub(super) async fn barred(wire: &Wire) -> Seen {
    Patience::rejection().await;
    match wire.refusal() {
        Ok(()) => Seen::Silence,
        Err(trouble) => match trouble.into() {
            Seen::Failed(_) => Seen::Silence,
            other => other,
        },
    }
}

async fn answer(wire: &Wire, protocol: Protocol, question: &[u8]) -> Result<Seen, Trouble> {
    let mut buffer = [0; BUFFER_BYTES];
    loop {
        let length = wire.receive(&mut buffer).await?;
        let datagram = buffer.get(..length).unwrap_or(&[]);
        match protocol {
            Protocol::Icmp => {
                // The kernel has matched type and identifier.
                if datagram.get(ICMP_BYTES..) == Some(question) {
                    return Ok(Seen::Echoed);
                }
            }
            Protocol::Tcp | Protocol::Udp => {
                if let Some(side) = speech::answered_by(question, datagram) {
                    return Ok(Seen::Answered(side));
                }
            }
        }
    }
}

async fn talk(wire: &Wire, token: u32, patience: &Patience) -> Result<Seen, Trouble> {
    let side = match open(wire, token, false, patience).await? {
        Seen::Answered(side) => side,
        other => return Ok(other),
    };
    let chunk = speech::chunk(token);
    Ok(match exchange(wire, &chunk, patience).await? {
        Seen::Echoed => Seen::Answered(side),
        other => other,
    })
}

/// Handshake, greeting, first line and its echo.
pub(super) async fn open(
    wire: &Wire,
    token: u32,
    session: bool,
    patience: &Patience,
) -> Result<Seen, Trouble> {
    tokio::select! {
        biased;
        connected = wire.connected() => connected?,
        () = patience.first_answer(true) => return Ok(Seen::Silence),
    }
    let mut greeting = Vec::new();
    while !greeting.ends_with(b"\n") {
        let Some(more) = more(wire, patience).await? else {
            return Ok(Seen::Silence);
        };
        greeting.extend(more);
        if greeting.len() > GREETING_BYTES {
            break;
        }
    }
    let Some(side) = speech::greeted_by(&greeting) else {
        return Ok(Seen::Failed("somebody else answered".to_owned()));
    };
    let line = speech::line(&greeting, token, session);
    Ok(match exchange(wire, &line, patience).await? {
        Seen::Echoed => Seen::Answered(side),
        other => other,
    })
}

/// Sends and waits for the same to come back.
async fn exchange(wire: &Wire, data: &[u8], patience: &Patience) -> Result<Seen, Trouble> {
    tokio::select! {
        biased;
        sent = wire.send_all(data) => sent?,
        () = patience.next_answer() => return Ok(Seen::Silence),
    }
    let mut heard = Vec::new();
    while heard.len() < data.len() {
        let Some(more) = more(wire, patience).await? else {
            return Ok(Seen::Silence);
        };
        heard.extend(more);
    }
    if heard == data {
        Ok(Seen::Echoed)
    } else {
        let reason = "something else came back than was sent";
        Ok(Seen::Failed(reason.to_owned()))
    }
}

/// What comes next; `None`: nothing until the deadline.
pub(super) async fn more(wire: &Wire, patience: &Patience) -> Result<Option<Vec<u8>>, Trouble> {
    let mut buffer = [0; BUFFER_BYTES];
    let length = tokio::select! {
        biased;
        received = wire.receive(&mut buffer) => received?,
        () = patience.next_answer() => return Ok(None),
    };
    Ok(Some(buffer.get(..length).unwrap_or(&[]).to_vec()))
}

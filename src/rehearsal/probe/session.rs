//! The connection that stays open while the rules change.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::super::{Flow, Protocol};
use super::board::Board;
use super::dialogue::{self, Seen};
use super::listen::Audience;
use super::patience::Patience;
use super::sockets::{self, Begun};
use super::wire::{Trouble, Wire};
use super::{Answer, Outcome, Probe, Side, Witness, ports};
use crate::netns::NetNs;

/// A rule that is seen to stop a packet is seen this much later at most.
const LAST_WORDS: Duration = Duration::from_millis(30);

/// A TCP connection like the one that the user sits on.
///
/// It lives in the tokio runtime that it was opened in.
#[derive(Debug)]
pub struct OldSession {
    wire: Wire,
    flow: Flow,
    /// What has come and was not asked about yet.
    heard: Vec<u8>,
    typed: u32,
}

impl OldSession {
    /// Connects from the user's own address and port to the one that the user dials, out of
    /// the world by `device`, and talks to whichever listener of the host answers there.
    ///
    /// # Errors
    /// What became of it instead, never [`Outcome::Answered`].
    pub async fn open(
        world: &NetNs,
        client: SocketAddr,
        server: SocketAddr,
        device: Option<&str>,
        deadline: Duration,
    ) -> Result<Self, Outcome> {
        let probe = Probe {
            protocol: Protocol::Tcp,
            side: Side::World,
            source: client,
            destination: server,
            device: device.map(str::to_owned),
            uid: 0,
        };
        let made = world.enter(|| sockets::open(&probe, &[server.port()]));
        let socket = made
            .and_then(|made| made)
            .map_err(|error| Outcome::Unsent(error.to_string()))?;
        let (flow, begun) = sockets::begin(&socket, &probe, &[]);
        match begun {
            Begun::Sent => {}
            Begun::Barred => return Err(Outcome::Silence),
            Begun::Rejected => return Err(Outcome::Rejected),
            Begun::Unsent(reason) => return Err(Outcome::Unsent(reason)),
        }
        let wire = Wire::new(socket, flow.protocol, flow.destination.ip())
            .map_err(|error| Outcome::Unsent(error.to_string()))?;
        let mut board = Board::default();
        let patience = patience(deadline, board.add(flow));
        let opened = dialogue::open(&wire, ports::random(), true, &patience).await;
        let seen = opened.unwrap_or_else(Seen::from);
        match board
            .answer(0, &seen, Side::Host)
            .map(|answer| answer.outcome)
        {
            Some(Outcome::Answered) => {
                let session = Self {
                    wire,
                    flow,
                    heard: Vec::new(),
                    typed: 0,
                };
                session.acknowledge();
                Ok(session)
            }
            Some(other) => Err(other),
            None => Err(Outcome::Silence),
        }
    }

    /// Sends an acknowledgement that is still due (`TCP_QUICKACK`, `tcp(7)`). Some 40 ms later, under
    /// other rules, it would make connection tracking know a session that has been idle on the host.
    fn acknowledge(&self) {
        // A connection that is gone owes nothing.
        let _ = sockopt::set_tcp_quickack(&self.wire, true);
    }

    /// As it was begun.
    #[must_use]
    pub const fn flow(&self) -> Flow {
        self.flow
    }

    /// The user types something: is it echoed before the deadline? What an earlier call typed
    /// in vain is sent again by TCP, in ever longer intervals, and comes first.
    pub async fn is_alive(&mut self, deadline: Duration, witness: &mut impl Witness) -> Answer {
        self.typed = self.typed.wrapping_add(1);
        let typed = format!("typed {:08x} {}\n", ports::random(), self.typed).into_bytes();
        self.expect(Some(&typed), &typed, deadline, witness).await
    }

    /// The server prints something unasked, as the program does that changes the rules: does it
    /// reach the user before the deadline? That the user is heard is for [`Self::is_alive`] to tell.
    ///
    /// Who sends first after the change may decide: a packet from the server can make
    /// conntrack know a connection that the rules would not let the user's packet begin.
    pub async fn hears(
        &mut self,
        audience: &Audience,
        deadline: Duration,
        witness: &mut impl Witness,
    ) -> Answer {
        let said = audience.speak();
        self.expect(None, &said, deadline, witness).await
    }

    async fn expect(
        &mut self,
        typed: Option<&[u8]>,
        expected: &[u8],
        deadline: Duration,
        witness: &mut impl Witness,
    ) -> Answer {
        let mut board = Board::default();
        let patience = patience(deadline, board.add(self.flow));
        let seen = {
            let wait = self.exchange(typed, expected, &patience);
            tokio::pin!(wait);
            let end = sleep(deadline);
            tokio::pin!(end);
            loop {
                tokio::select! {
                    biased;
                    seen = &mut wait => break seen.unwrap_or_else(Seen::from),
                    () = &mut end => break Seen::Silence,
                    stopped = witness.next() => board.note(stopped),
                }
            }
        };
        let mut last_words = Instant::now() + LAST_WORDS;
        let end = Instant::now() + deadline;
        while !matches!(seen, Seen::Answered(_)) && !board.is_explained(0) {
            tokio::select! {
                biased;
                stopped = witness.next() => board.note(stopped),
                () = sleep_until(last_words.min(end)) => break,
            }
            last_words = Instant::now() + LAST_WORDS;
        }
        let fallback = Answer {
            flow: self.flow,
            outcome: Outcome::Silence,
            spot: None,
            queued: false,
        };
        self.acknowledge();
        board.answer(0, &seen, Side::Host).unwrap_or(fallback)
    }

    async fn exchange(
        &mut self,
        typed: Option<&[u8]>,
        expected: &[u8],
        patience: &Patience,
    ) -> Result<Seen, Trouble> {
        if let Some(typed) = typed {
            self.wire.send_all(typed).await?;
        }
        loop {
            let mut windows = self.heard.windows(expected.len());
            if let Some(place) = windows.position(|window| window == expected) {
                self.heard.drain(..place + expected.len());
                return Ok(Seen::Answered(Side::Host));
            }
            match dialogue::more(&self.wire, patience).await? {
                Some(more) => self.heard.extend(more),
                None => return Ok(Seen::Silence),
            }
        }
    }
}

fn patience(deadline: Duration, stopped: watch::Receiver<bool>) -> Patience {
    let sent = watch::Sender::new(Some(Instant::now()));
    Patience::new(deadline, sent.subscribe(), stopped)
}

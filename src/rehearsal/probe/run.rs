//! All probes at once.

use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::board::Board;
use super::dialogue::{self, Seen};
use super::patience::Patience;
use super::sockets::{self, Begun};
use super::wire::Wire;
use super::{Answer, Probe, Side, Witness, ports, speech};
use crate::netns::NetNs;

/// How long silence has to last until it is taken for an answer, unless the caller says otherwise.
pub const DEADLINE: Duration = Duration::from_millis(300);
/// So many are sent in one go: no queue of the kernel's overflows (`unres_qlen_bytes`,
/// `netdev_max_backlog`).
const BURST: usize = 32;
/// Between two bursts.
const PAUSE: Duration = Duration::from_millis(1);
/// A witness that has said nothing for so long has nothing more to say.
const LAST_WORDS: Duration = Duration::from_millis(30);
/// A probe whose answer comes in drops ends after so many deadlines.
const DEADLINES: u32 = 4;

type Done = (usize, Seen, Wire);

/// Sends all probes at once; the answers are in their order. Needs a tokio runtime with
/// timers and I/O.
///
/// - **Answered**: all data that was sent came back, several packets of it over TCP. Only from the side where
///   the destination is: what NAT leads elsewhere is unsent, with the reason.
/// - **Rejected**: by an ICMP error that somebody else sent, or a reset, also of a connection that
///   stood already.
/// - **Silence**: nothing for `deadline` after the last probe was sent, or after the last thing that came
///   back. The handshake has 900 ms at most, so that one `SYN` is judged and not its repetition.
///   Ended early where `witness` saw a rule stop it. A sender's own rules that drop make silence, too.
/// - **Unsent**: no socket, no route, no such user.
///
/// Connections that were answered are reset at once; the others keep their sockets until the end.
pub async fn run(
    probes: &[Probe],
    server: &NetNs,
    world: &NetNs,
    deadline: Duration,
    witness: &mut impl Witness,
) -> Vec<Answer> {
    let mut asking = Asking::new(probes, deadline);
    let mut opened = open(probes, server, world).into_iter();
    let mut pause = None;
    let mut last_words = Instant::now();
    loop {
        if pause.is_none() && opened.len() > 0 {
            for (socket, expected) in opened.by_ref().take(BURST) {
                asking.begin(socket, expected);
            }
            last_words = Instant::now() + LAST_WORDS;
            if opened.len() > 0 {
                pause = Some(Instant::now() + PAUSE);
            } else {
                asking.sent.send_replace(Some(Instant::now()));
            }
        }
        let asked = pause.is_none();
        let finished = asked && asking.tasks.is_empty();
        if finished && asking.is_explained() {
            break;
        }
        tokio::select! {
            biased;
            Some(done) = asking.tasks.join_next() => {
                // A task that died has said nothing.
                if let Ok(done) = done {
                    asking.finish(done);
                }
                last_words = Instant::now() + LAST_WORDS;
            }
            () = sleep_until(pause.unwrap_or(last_words)), if !asked => pause = None,
            stopped = witness.next() => {
                asking.board.note(stopped);
                let end = asking.began + deadline * DEADLINES;
                last_words = (Instant::now() + LAST_WORDS).min(end);
            }
            () = sleep_until(last_words), if finished => break,
        }
    }
    asking.answers()
}

/// The socket of each probe, and the side that its destination is on.
type Opened = (Result<OwnedFd, String>, Side);

fn open(probes: &[Probe], server: &NetNs, world: &NetNs) -> Vec<Opened> {
    let avoided: Vec<u16> = probes
        .iter()
        .map(|probe| probe.destination.port())
        .collect();
    let open_side = |side: Side, namespace: &NetNs| {
        let opened = namespace.enter(|| {
            let of_side = probes.iter().filter(|probe| probe.side == side);
            let open = |probe: &Probe| {
                let expected = match side {
                    Side::Host if !sockets::is_own(probe.destination) => Side::World,
                    Side::Host | Side::World => Side::Host,
                };
                let fd = sockets::open(probe, &avoided).map_err(|error| error.to_string());
                (fd, expected)
            };
            of_side.map(open).collect::<Vec<_>>()
        });
        opened.map_err(|error| error.to_string())
    };
    let mut host = open_side(Side::Host, server).map(Vec::into_iter);
    let mut world = open_side(Side::World, world).map(Vec::into_iter);
    let take = |probe: &Probe| {
        let from = match probe.side {
            Side::Host => &mut host,
            Side::World => &mut world,
        };
        let missing = || (Err("no socket".to_owned()), Side::Host);
        match from {
            Ok(opened) => opened.next().unwrap_or_else(missing),
            Err(reason) => (Err(reason.clone()), Side::Host),
        }
    };
    probes.iter().map(take).collect()
}

/// Probes under way.
struct Asking<'a> {
    probes: &'a [Probe],
    deadline: Duration,
    began: Instant,
    board: Board,
    tasks: JoinSet<Done>,
    sent: watch::Sender<Option<Instant>>,
    /// For each probe that was begun: what was seen, and the side that its destination is on.
    seen: Vec<(Option<Seen>, Side)>,
    /// Closing them might send packets that a witness takes for theirs.
    kept: Vec<Wire>,
    token: u32,
}

impl<'a> Asking<'a> {
    fn new(probes: &'a [Probe], deadline: Duration) -> Self {
        Self {
            probes,
            deadline,
            began: Instant::now(),
            board: Board::default(),
            tasks: JoinSet::new(),
            sent: watch::Sender::new(None),
            seen: Vec::new(),
            kept: Vec::new(),
            token: ports::random(),
        }
    }

    /// Begins the next probe.
    fn begin(&mut self, socket: Result<OwnedFd, String>, expected: Side) {
        let number = self.seen.len();
        let Some(probe) = self.probes.get(number) else {
            return;
        };
        let begun = match socket {
            Ok(socket) => self.send(number, probe, socket),
            Err(reason) => {
                self.board.add(sockets::flow(probe, probe.source));
                Some(Seen::Failed(reason))
            }
        };
        self.seen.push((begun, expected));
    }

    /// Sends the first packet; returns what is known at once.
    fn send(&mut self, number: usize, probe: &Probe, socket: OwnedFd) -> Option<Seen> {
        self.token = self.token.wrapping_add(1);
        let token = self.token;
        let payload = speech::question(token);
        let (flow, begun) = sockets::begin(&socket, probe, &payload);
        let stopped = self.board.add(flow);
        let wire = match Wire::new(socket, flow.protocol, flow.destination.ip()) {
            Ok(wire) => wire,
            Err(error) => return Some(Seen::Failed(error.to_string())),
        };
        let barred = match begun {
            Begun::Sent => false,
            Begun::Barred => true,
            Begun::Rejected => return Some(Seen::Rejected),
            Begun::Unsent(reason) => {
                return Some(match wire.refusal() {
                    Err(trouble) if !matches!(Seen::from(trouble.clone()), Seen::Failed(_)) => {
                        trouble.into()
                    }
                    Ok(()) | Err(_) => Seen::Failed(reason),
                });
            }
        };
        let patience = Patience::new(self.deadline, self.sent.subscribe(), stopped);
        let limit = self.deadline * DEADLINES;
        let protocol = probe.protocol;
        self.tasks.spawn(async move {
            let seen = if barred {
                dialogue::barred(&wire).await
            } else {
                let follow = dialogue::follow(&wire, protocol, &payload, token, &patience);
                timeout(limit, follow).await.unwrap_or(Seen::Silence)
            };
            (number, seen, wire)
        });
        None
    }

    fn finish(&mut self, (number, seen, wire): Done) {
        if !matches!(seen, Seen::Answered(_) | Seen::Echoed) {
            self.kept.push(wire);
        }
        if let Some((slot, _)) = self.seen.get_mut(number) {
            *slot = Some(seen);
        }
    }

    /// Whether nothing that a witness might say is of interest any more.
    fn is_explained(&self) -> bool {
        let mut seen = self.seen.iter().enumerate();
        seen.all(|(number, (seen, _))| match seen {
            Some(Seen::Answered(_) | Seen::Echoed | Seen::Failed(_)) => true,
            Some(Seen::Rejected | Seen::Unreachable | Seen::Silence) | None => {
                self.board.is_explained(number)
            }
        })
    }

    fn answers(&self) -> Vec<Answer> {
        let dead = Seen::Failed("it was not followed to its end".to_owned());
        let numbered = self.seen.iter().enumerate();
        numbered
            .filter_map(|(number, (seen, expected))| {
                let seen = seen.as_ref().unwrap_or(&dead);
                self.board.answer(number, seen, *expected)
            })
            .collect()
    }
}

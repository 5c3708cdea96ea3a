//! One transaction: all messages in one datagram, committed by the kernel as a whole.

use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::netlink::NETFILTER;

use super::describe::message_in_words;
use super::error::Error;
use super::kernel::{BATCH_BEGIN, BATCH_END, BATCH_GENID, SUBSYSTEM, flag};
use super::model::TableId;
use crate::netlink::{self, Builder, Message, Messages, Socket};

const NLMSG_ERROR: u16 = 2;
/// `ERESTART`, which the kernel otherwise keeps to itself (`linux/errno.h`).
const ERESTART: i32 = 85;
/// Room for the kernel's bookkeeping in the send buffer.
const SEND_BUFFER_SPARE_BYTES: usize = 64 << 10;

/// A transaction under construction.
#[derive(Debug)]
pub struct Batch {
    builder: Builder,
    sequence: u32,
    next_id: u32,
    messages: usize,
}

impl Batch {
    /// An empty transaction; with `generation`, the kernel refuses it when the
    /// rules have changed since.
    pub fn new(generation: Option<u32>) -> Self {
        let mut batch = Self {
            builder: Builder::new(),
            sequence: 0,
            next_id: 0,
            messages: 0,
        };
        batch.frame(BATCH_BEGIN, |out| {
            if let Some(generation) = generation {
                out.put_be32(BATCH_GENID, generation);
            }
        });
        batch
    }

    /// Whether no message was added.
    pub const fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// A number that names a new set or chain inside this transaction.
    pub const fn fresh_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    /// Adds a message.
    pub fn add(&mut self, kind: u16, flags: u16, id: &TableId, fill: impl FnOnce(&mut Builder)) {
        self.messages += 1;
        self.sequence += 1;
        self.builder.begin(
            SUBSYSTEM << 8 | kind,
            flag::REQUEST | flags,
            self.sequence,
            &[id.family, 0, 0, 0],
        );
        fill(&mut self.builder);
        self.builder.end();
    }

    fn frame(&mut self, kind: u16, fill: impl FnOnce(&mut Builder)) {
        let [high, low] = SUBSYSTEM.to_be_bytes();
        self.sequence += 1;
        self.builder
            .begin(kind, flag::REQUEST, self.sequence, &[0, 0, high, low]);
        fill(&mut self.builder);
        self.builder.end();
    }

    /// Sends it and hands what the kernel echoes to `echoed`.
    ///
    /// When this returns, the kernel has committed all of it or, on an error, nothing.
    pub fn commit(self, echoed: impl FnMut(&Message<'_>)) -> Result<(), Refusal> {
        let mut socket = Socket::open(NETFILTER).map_err(Error::from)?;
        self.commit_over(&mut socket, echoed)
    }

    /// The same over a socket that is there already, to which tables may belong.
    pub fn commit_over(
        mut self,
        socket: &mut Socket,
        mut echoed: impl FnMut(&Message<'_>),
    ) -> Result<(), Refusal> {
        self.frame(BATCH_END, |_| {});
        let bytes = self.builder.as_bytes();
        socket
            .grow_send_buffer(bytes.len() + SEND_BUFFER_SPARE_BYTES)
            .map_err(Error::from)?;
        socket.send(bytes).map_err(|error| match error {
            netlink::Error::Errno(Errno::MSGSIZE | Errno::NOBUFS) => {
                Error::BufferTooSmall { bytes: bytes.len() }
            }
            netlink::Error::Errno(_) | netlink::Error::Interrupted | netlink::Error::Malformed => {
                Error::Netlink(error)
            }
        })?;
        let mut refusal = None;
        // The kernel has queued all its answers by the time that the send returns.
        loop {
            let messages = match socket.receive(RecvFlags::DONTWAIT) {
                Ok(messages) => messages,
                Err(netlink::Error::Errno(Errno::AGAIN)) => break,
                // More answers than the queue holds: there are errors among them.
                Err(other) => return Err(refusal.unwrap_or_else(|| Error::from(other).into())),
            };
            for message in messages {
                if message.kind != NLMSG_ERROR {
                    echoed(&message);
                } else if refusal.is_none() {
                    refusal = self.refusal(&message);
                }
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    fn refusal(&self, answer: &Message<'_>) -> Option<Refusal> {
        let number = i32::from_ne_bytes(answer.payload.get(..4)?.try_into().ok()?);
        if number == 0 {
            return None;
        }
        if -number == ERESTART {
            return Some(Error::Concurrent.into());
        }
        let refused =
            Messages::new(self.builder.as_bytes()).find(|sent| sent.sequence == answer.sequence);
        let (table, object) = refused
            .as_ref()
            .map_or_else(|| (None, "the transaction".to_owned()), message_in_words);
        let errno = Errno::from_raw_os_error(-number);
        let error = Error::Refused { errno, object };
        Some(Refusal { error, table })
    }
}

/// Why a transaction failed, and in which table.
#[derive(Debug)]
pub struct Refusal {
    /// What to tell people.
    pub error: Error,
    /// The table of the message that was refused.
    pub table: Option<TableId>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, table: None }
    }
}

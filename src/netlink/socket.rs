//! A netlink socket in the calling thread's network namespace.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send,
    socket_with, sockopt,
};

use super::message::{Message, Messages};

const RECEIVE_BUFFER_BYTES: usize = 1 << 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_DUMP_INTR: u16 = 0x10;
/// How long the kernel may take to answer before the socket gives up.
const ANSWER_DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);

/// Why the kernel did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused, or the socket failed.
    #[error("{0}")]
    Errno(#[from] Errno),
    /// The objects changed while they were being listed (`NLM_F_DUMP_INTR`).
    #[error("the objects changed while they were being listed")]
    Interrupted,
    /// The kernel's answer was cut off or not of the expected form.
    #[error("the kernel's answer could not be understood")]
    Malformed,
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Errno(errno) => errno.into(),
            Error::Interrupted | Error::Malformed => Self::other(error),
        }
    }
}

/// A netlink socket.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Socket {
    /// Opens a socket of `protocol` (`rustix::net::netlink::NETFILTER`, …);
    /// `None` is number 0, `NETLINK_ROUTE`.
    ///
    /// # Errors
    /// What `socket(2)`, `setsockopt(2)` or `bind(2)` say.
    pub fn open(protocol: impl Into<Option<Protocol>>) -> Result<Self, Error> {
        let fd = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol.into(),
        )?;
        // Without the privilege to force it, the kernel's limit has to do.
        if sockopt::set_socket_recv_buffer_size_force(&fd, 8 * RECEIVE_BUFFER_BYTES).is_err() {
            sockopt::set_socket_recv_buffer_size(&fd, 8 * RECEIVE_BUFFER_BYTES)?;
        }
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Recv, Some(ANSWER_DEADLINE))?;
        bind(&fd, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self {
            fd,
            buffer: vec![0; RECEIVE_BUFFER_BYTES],
            sequence: 0,
        })
    }

    /// A sequence number not used before on this socket.
    pub const fn next_sequence(&mut self) -> u32 {
        self.sequence += 1;
        self.sequence
    }

    /// Sends `bytes` in one `send(2)`.
    ///
    /// # Errors
    /// What `send(2)` says.
    pub fn send(&self, bytes: &[u8]) -> Result<(), Error> {
        retry_on_intr(|| send(&self.fd, bytes, SendFlags::empty()))?;
        Ok(())
    }

    /// Makes room for datagrams of `bytes` bytes; without the privilege to force
    /// it, as much as `net.core.wmem_max` allows.
    ///
    /// # Errors
    /// What `setsockopt(2)` says.
    pub fn grow_send_buffer(&self, bytes: usize) -> Result<(), Error> {
        if sockopt::set_socket_send_buffer_size_force(&self.fd, bytes).is_err() {
            sockopt::set_socket_send_buffer_size(&self.fd, bytes)?;
        }
        Ok(())
    }

    /// Receives one datagram; `RecvFlags::DONTWAIT` gives `EAGAIN` when none is queued.
    ///
    /// # Errors
    /// What `recv(2)` says; [`Error::Malformed`] for a datagram larger than the buffer.
    pub fn receive(&mut self, flags: RecvFlags) -> Result<Messages<'_>, Error> {
        // With a timeout set, a signal interrupts even where its handler asks for a restart.
        let (kept, full) =
            retry_on_intr(|| recv(&self.fd, &mut self.buffer[..], flags | RecvFlags::TRUNC))?;
        if full > kept {
            return Err(Error::Malformed);
        }
        Ok(Messages::new(&self.buffer[..kept]))
    }

    /// Sends one request with sequence number `sequence` and hands each answer
    /// to `each`, up to the end of the dump or the acknowledgement.
    ///
    /// # Errors
    /// The kernel's error, or [`Error::Interrupted`] when a dump was not consistent.
    pub fn request(
        &mut self,
        request: &[u8],
        sequence: u32,
        mut each: impl FnMut(Message<'_>),
    ) -> Result<(), Error> {
        self.send(request)?;
        let mut interrupted = false;
        loop {
            let mut done = None;
            for message in self.receive(RecvFlags::empty())? {
                if message.sequence != sequence {
                    continue;
                }
                interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
                match message.kind {
                    NLMSG_DONE => done = Some(status(message.payload).unwrap_or(Ok(()))),
                    NLMSG_ERROR => done = Some(status(message.payload).ok_or(Error::Malformed)?),
                    _ => each(message),
                }
            }
            if let Some(result) = done {
                result?;
                return if interrupted {
                    Err(Error::Interrupted)
                } else {
                    Ok(())
                };
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The error number that starts the payload of `NLMSG_ERROR` and `NLMSG_DONE`.
fn status(payload: &[u8]) -> Option<Result<(), Error>> {
    let number = i32::from_ne_bytes(payload.get(..4)?.try_into().ok()?);
    Some(match number {
        0 => Ok(()),
        -4095..0 => Err(Errno::from_raw_os_error(-number).into()),
        // Subsystems such as ip_set have numbers of their own, which are no `errno`.
        _ => Err(Error::Malformed),
    })
}

//! The sender's end of a probe, driven by the runtime.

use std::io;
use std::net::IpAddr;
use std::net::{TcpStream as StdTcpStream, UdpSocket as StdUdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, connect_unspec, getpeername, recv, send, sockopt};
use tokio::io::Interest;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::sleep;

use super::super::Protocol;
use super::errors::{Refusal, queued, told};

/// Between two looks at a socket whose error queue holds nothing that matters.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Why there is no more to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// An ICMP error or a reset.
    Refused(Refusal),
    /// The other side ended the connection in good order, which no rule does.
    Ended,
    /// Something else; what the kernel said.
    Failed(String),
}

/// How the runtime holds it.
#[derive(Debug)]
enum Held {
    Stream(TcpStream),
    /// Echo requests, too.
    Datagrams(UdpSocket),
}

/// A socket that is connected, or about to be. Closed, it resets its connection.
#[derive(Debug)]
pub(super) struct Wire {
    held: Held,
    other: IpAddr,
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Closing would do it, too, but not while a child process that is about to run
        // something else holds a copy.
        let _ = connect_unspec(&*self);
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.held {
            Held::Stream(stream) => stream.as_fd(),
            Held::Datagrams(socket) => socket.as_fd(),
        }
    }
}

impl Wire {
    /// `other`: the address that is dialled. Only inside a tokio runtime.
    pub(super) fn new(fd: OwnedFd, protocol: Protocol, other: IpAddr) -> io::Result<Self> {
        let held = match protocol {
            Protocol::Tcp => Held::Stream(TcpStream::from_std(StdTcpStream::from(fd))?),
            Protocol::Udp | Protocol::Icmp => {
                Held::Datagrams(UdpSocket::from_std(StdUdpSocket::from(fd))?)
            }
        };
        Ok(Self { held, other })
    }

    /// Returns when the handshake is done.
    pub(super) async fn connected(&self) -> Result<(), Trouble> {
        loop {
            self.ready(Interest::WRITABLE).await?;
            self.refusal()?;
            if matches!(getpeername(self), Ok(Some(_))) {
                return Ok(());
            }
            self.not_yet(Interest::WRITABLE).await;
        }
    }

    /// Some of what has come; waits for the first byte.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> Result<usize, Trouble> {
        loop {
            self.ready(Interest::READABLE).await?;
            match recv(self, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Err(Trouble::Ended),
                Ok((length, _)) => return Ok(length),
                Err(Errno::AGAIN) => {
                    // An error that only the queue knows of makes no call fail.
                    self.refusal()?;
                    self.clear(Interest::READABLE);
                }
                Err(error) => return Err(self.trouble(error)),
            }
        }
    }

    /// Sends all of it.
    pub(super) async fn send_all(&self, mut data: &[u8]) -> Result<(), Trouble> {
        while !data.is_empty() {
            self.ready(Interest::WRITABLE).await?;
            match send(self, data, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(length) => data = data.get(length..).unwrap_or(&[]),
                Err(Errno::AGAIN) => {
                    self.refusal()?;
                    self.not_yet(Interest::WRITABLE).await;
                }
                Err(error) => return Err(self.trouble(error)),
            }
        }
        Ok(())
    }

    /// The refusal that has arrived, if one has.
    pub(super) fn refusal(&self) -> Result<(), Trouble> {
        if let Some(refusal) = queued(self, self.other) {
            return Err(Trouble::Refused(refusal));
        }
        match sockopt::socket_error(self) {
            Ok(Err(error)) => Err(self.trouble(error)),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }

    fn trouble(&self, error: Errno) -> Trouble {
        match queued(self, self.other).or_else(|| told(error)) {
            Some(refusal) => Trouble::Refused(refusal),
            None => Trouble::Failed(io::Error::from(error).to_string()),
        }
    }

    async fn ready(&self, interest: Interest) -> Result<(), Trouble> {
        let interest = interest.add(Interest::ERROR);
        let ready = match &self.held {
            Held::Stream(stream) => stream.ready(interest).await,
            Held::Datagrams(socket) => socket.ready(interest).await,
        };
        ready
            .map(drop)
            .map_err(|error| Trouble::Failed(error.to_string()))
    }

    /// Forgets that it was ready. One by one: asked for several at once, `try_io` forgets none.
    fn clear(&self, interest: Interest) {
        for interest in [interest, Interest::ERROR] {
            let block = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let _ = match &self.held {
                Held::Stream(stream) => stream.try_io(interest, block),
                Held::Datagrams(socket) => socket.try_io(interest, block),
            };
        }
    }

    /// After an error on a socket that goes on, the runtime takes it for ready to write for ever.
    async fn not_yet(&self, interest: Interest) {
        self.clear(interest);
        sleep(LOOK_AGAIN).await;
    }
}

//! What the kernel tells of traced packets, in the order in which it happened as far as matters.

use std::future::pending;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with, sockopt,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::legacy_trace::{Arrival, Log};
use super::trace_message::Step;
use crate::netlink::{Error, Messages};

/// `NFNLGRP_NFTRACE` is group 9, the ninth bit.
const NFNLGRP_NFTRACE: u32 = 1 << 8;
/// The kernel takes it twice, and 1.3 KB for each message: room for 50,000, of which a packet
/// takes some ten. Memory is taken only as they come.
const RECEIVE_BUFFER_BYTES: usize = 32 << 20;
/// Longer than any one message of a trace.
const MESSAGE_BYTES: usize = 64 << 10;

/// The sockets of one namespace.
#[derive(Debug)]
pub struct Sockets {
    nft: OwnedFd,
    legacy: Option<Log>,
    buffer: Vec<u8>,
}

/// All that was told since the last time.
#[derive(Debug, Default)]
pub struct Told {
    /// By nf_tables.
    pub steps: Vec<Step>,
    /// By legacy tables. What nf_tables told of the same packet before is in `steps`.
    pub arrivals: Vec<Arrival>,
    /// Whether there was more than could be kept.
    pub lost: bool,
}

impl Sockets {
    /// Listens in the calling thread's namespace.
    pub fn open() -> Result<Self, Errno> {
        let nft = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(NETFILTER),
        )?;
        // Without the privilege to force it, the kernel's limit has to do.
        if sockopt::set_socket_recv_buffer_size_force(&nft, RECEIVE_BUFFER_BYTES).is_err() {
            sockopt::set_socket_recv_buffer_size(&nft, RECEIVE_BUFFER_BYTES)?;
        }
        bind(&nft, &SocketAddrNetlink::new(0, NFNLGRP_NFTRACE))?;
        Ok(Self {
            nft,
            legacy: Log::open(),
            buffer: vec![0; MESSAGE_BYTES],
        })
    }

    /// Whether legacy tables are heard, if the kernel was built to have them traced.
    pub const fn hears_legacy(&self) -> bool {
        self.legacy.is_some()
    }

    /// Reads until nothing is left.
    pub fn read(&mut self) -> Told {
        let mut told = Told::default();
        // What a legacy table tells comes after what nf_tables told of the packet: read last,
        // that is complete; and another round finds what came meanwhile.
        loop {
            let legacy = self.read_legacy(&mut told);
            let nft = self.read_nft(&mut told);
            if !legacy && !nft {
                return told;
            }
        }
    }

    /// Whether there was anything.
    fn read_nft(&mut self, told: &mut Told) -> bool {
        let mut any = false;
        loop {
            let flags = RecvFlags::DONTWAIT;
            match retry_on_intr(|| recv(&self.nft, &mut self.buffer[..], flags)) {
                Ok((length, _)) => {
                    any = true;
                    let messages = Messages::new(&self.buffer[..length]);
                    told.steps
                        .extend(messages.filter_map(|one| Step::read(&one)));
                }
                Err(Errno::AGAIN) => return any,
                // The queue was full; what is in it can still be read.
                Err(Errno::NOBUFS) => told.lost = true,
                Err(_) => {
                    told.lost = true;
                    return false;
                }
            }
        }
    }

    fn read_legacy(&mut self, told: &mut Told) -> bool {
        let mut any = false;
        while let Some(log) = &mut self.legacy {
            match log.read() {
                Ok(Some(arrivals)) => {
                    any = true;
                    told.arrivals.extend(arrivals);
                }
                Ok(None) => break,
                Err(Error::Errno(Errno::NOBUFS)) => told.lost = true,
                Err(_) => {
                    told.lost = true;
                    return false;
                }
            }
        }
        any
    }

    /// Waits until there may be something.
    pub async fn readable(&self) -> io::Result<()> {
        let legacy = async {
            match &self.legacy {
                Some(log) => readable(log.as_fd()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            done = readable(self.nft.as_fd()) => done,
            done = legacy => done,
        }
    }
}

#[allow(
    deprecated,
    reason = "what replaces it is unsafe; the borrow keeps the file open"
)]
async fn readable(fd: BorrowedFd<'_>) -> io::Result<()> {
    let ready = AsyncFd::with_interest(fd, Interest::READABLE)?;
    ready.readable().await.map(|_| ())
}

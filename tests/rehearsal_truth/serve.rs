//! What answers: on the host, and out in the world.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread::{self, JoinHandle};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use safe_apply::rehearsal::Protocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::broadcast;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

const BACKLOG: i32 = 128;

/// A socket that waits; it keeps the namespace that it was made in.
#[derive(Debug)]
pub enum Served {
    Tcp(TcpListener),
    Udp(UdpSocket),
    /// Who answers to echo requests is the kernel.
    Kernel,
}

impl Served {
    /// A socket in the calling thread's namespace.
    pub fn new(protocol: Protocol, address: SocketAddr, only_v6: bool) -> io::Result<Self> {
        let kind = match protocol {
            Protocol::Tcp => SocketType::STREAM,
            Protocol::Udp => SocketType::DGRAM,
            Protocol::Icmp => return Ok(Self::Kernel),
        };
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(family, kind, flags, None)?;
        if address.is_ipv6() {
            sockopt::set_ipv6_v6only(&fd, only_v6)?;
        }
        bind(&fd, &address)?;
        Ok(match protocol {
            Protocol::Tcp => {
                listen(&fd, BACKLOG)?;
                Self::Tcp(fd.into())
            }
            Protocol::Udp | Protocol::Icmp => Self::Udp(fd.into()),
        })
    }
}

/// Sends back whatever comes, until dropped.
pub struct Server {
    said: broadcast::Sender<Vec<u8>>,
    sockets: Option<UnboundedSender<Served>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start() -> Self {
        let (sender, mut receiver) = unbounded_channel();
        let said = broadcast::Sender::new(4);
        let told = said.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                while let Some(served) = receiver.recv().await {
                    match served {
                        Served::Tcp(listener) => {
                            drop(tokio::spawn(connections(listener, told.clone())));
                        }
                        Served::Udp(socket) => drop(tokio::spawn(datagrams(socket))),
                        Served::Kernel => {}
                    }
                }
            });
        });
        Self {
            said,
            sockets: Some(sender),
            thread: Some(thread),
        }
    }

    /// Says something to everybody who is connected, unasked.
    pub fn say(&self, words: &[u8]) {
        // Nobody may be there.
        let _ = self.said.send(words.to_vec());
    }

    pub fn serve(&self, served: Served) {
        let sockets = self.sockets.as_ref().unwrap();
        sockets.send(served).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.sockets.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn connections(listener: TcpListener, said: broadcast::Sender<Vec<u8>>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut said = said.subscribe();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let words = tokio::select! {
                    read = stream.read(&mut buffer) => match read {
                        Ok(length @ 1..) => buffer[..length].to_vec(),
                        Ok(0) | Err(_) => break,
                    },
                    words = said.recv() => match words {
                        Ok(words) => words,
                        Err(_) => break,
                    },
                };
                if stream.write_all(&words).await.is_err() {
                    break;
                }
            }
        });
    }
}

async fn datagrams(socket: UdpSocket) {
    let socket = tokio::net::UdpSocket::from_std(socket).unwrap();
    let mut buffer = [0; 512];
    loop {
        // Errors are those of answers that could not be sent.
        if let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..length], from).await;
        }
    }
}

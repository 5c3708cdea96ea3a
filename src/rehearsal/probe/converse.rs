//! How the audience answers.

use std::future::poll_fn;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::task::Poll;
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::time::sleep;

use super::user::act_as;
use super::{Side, speech};

/// Before a listener is asked again that had an error, such as too many open files.
const TRY_AGAIN: Duration = Duration::from_millis(5);
/// The largest datagram that is answered in full, in bytes.
const DATAGRAM_BYTES: usize = 4096;

/// What is said unasked.
pub(super) fn said(number: u32) -> Vec<u8> {
    format!("broadcast {number}\n").into_bytes()
}

/// Accepts connections and talks to each.
pub(super) async fn accept(fd: OwnedFd, uid: u32, greeting: String, said: watch::Receiver<u32>) {
    let Ok(listener) = TcpListener::from_std(fd.into()) else {
        return;
    };
    loop {
        // A connection belongs to the user of the thread that accepts it, not to its listener's.
        let accepted = poll_fn(|context| match act_as(uid) {
            Ok(()) => listener.poll_accept(context),
            Err(error) => Poll::Ready(Err(error)),
        });
        match accepted.await {
            Ok((stream, _)) => {
                tokio::spawn(talk(stream, greeting.clone(), said.clone()));
            }
            Err(_) => sleep(TRY_AGAIN).await,
        }
    }
}

async fn talk(mut stream: TcpStream, greeting: String, mut said: watch::Receiver<u32>) {
    if stream.write_all(greeting.as_bytes()).await.is_err() {
        return;
    }
    let mut buffer = [0; DATAGRAM_BYTES];
    let mut opening = Some(Vec::new());
    let mut is_session = false;
    loop {
        let written = tokio::select! {
            read = stream.read(&mut buffer) => {
                let Ok(length @ 1..) = read else {
                    return;
                };
                let heard = buffer.get(..length).unwrap_or(&[]);
                if let Some(sofar) = &mut opening {
                    sofar.extend_from_slice(heard);
                    if let Some(session) = speech::is_session(sofar) {
                        is_session = session;
                        opening = None;
                    }
                }
                stream.write_all(heard).await
            }
            changed = self::changed(&mut said), if is_session => {
                let Some(number) = changed else {
                    return;
                };
                stream.write_all(&self::said(number)).await
            }
        };
        if written.is_err() {
            return;
        }
    }
}

async fn changed(said: &mut watch::Receiver<u32>) -> Option<u32> {
    said.changed().await.ok()?;
    Some(*said.borrow_and_update())
}

/// Answers datagrams, each from the address that it was sent to.
pub(super) async fn reply(fd: OwnedFd, side: Side) {
    let Ok(socket) = UdpSocket::from_std(fd.into()) else {
        return;
    };
    loop {
        let answered = socket
            .async_io(Interest::READABLE, || Ok(reply_one(&socket, side)?))
            .await;
        if answered.is_err() {
            sleep(TRY_AGAIN).await;
        }
    }
}

fn reply_one(socket: &UdpSocket, side: Side) -> Result<(), Errno> {
    let mut buffer = [0; DATAGRAM_BYTES];
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let mut space = cmsg_space!(libc::in6_pktinfo);
    let raw = socket.as_raw_fd();
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(raw, &mut parts, Some(&mut space), flags)?;
    let (length, sender) = (message.bytes, message.address);
    let asked = message.cmsgs()?.next();
    let datagram = buffer.get_mut(..length).unwrap_or(&mut []);
    speech::answer(side, datagram);
    let parts = [IoSlice::new(datagram)];
    let send = |from: &[ControlMessage<'_>]| sendmsg(raw, &parts, from, flags, sender.as_ref());
    // A rule that drops the answer is no error of the socket's.
    let _ = match asked {
        Some(ControlMessageOwned::Ipv4PacketInfo(info)) => {
            let from = libc::in_pktinfo {
                ipi_ifindex: 0,
                ..info
            };
            send(&[ControlMessage::Ipv4PacketInfo(&from)])
        }
        Some(ControlMessageOwned::Ipv6PacketInfo(info)) => {
            let from = libc::in6_pktinfo {
                ipi6_ifindex: 0,
                ..info
            };
            send(&[ControlMessage::Ipv6PacketInfo(&from)])
        }
        _ => send(&[]),
    };
    Ok(())
}

//! Packets from the client to the server, and those that get through.

use std::fs::File;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use super::{Lab, SERVER};

/// UDP port on the server that no ruleset of the tests lets in.
const PORT: u16 = 9999;

/// A stream of packets that lasts until this is dropped.
#[derive(Debug)]
pub struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Lab {
    /// Starts sending as fast as one thread can.
    pub fn flood(&self) -> Flood {
        let stop = Arc::new(AtomicBool::new(false));
        let [sent, received] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
        let client = i32::try_from(self.client.id()).unwrap();
        let listening = {
            let (stop, received) = (stop.clone(), received.clone());
            within(self.init, move || {
                let socket = UdpSocket::bind((SERVER, PORT)).unwrap();
                let pause = Some(Duration::from_millis(20));
                socket.set_read_timeout(pause).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    if socket.recv(&mut [0; 16]).is_ok() {
                        received.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        };
        let sending = {
            let (stop, sent) = (stop.clone(), sent.clone());
            within(client, move || {
                let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    match socket.send_to(b"flood", (SERVER, PORT)) {
                        Ok(_) => sent.fetch_add(1, Ordering::Relaxed),
                        // A full queue; the next packet may pass.
                        Err(_) => 0,
                    };
                }
            })
        };
        Flood {
            stop,
            sent,
            received,
            threads: vec![listening, sending],
        }
    }
}

impl Flood {
    /// Packets that the server's rules let in so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Packets sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Runs work on a thread in the network of a process.
fn within(pid: i32, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let network = File::open(format!("/proc/{pid}/ns/net")).unwrap();
    thread::spawn(move || {
        setns(network, CloneFlags::CLONE_NEWNET).unwrap();
        work();
    })
}

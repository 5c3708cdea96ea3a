//! A flood of packets on the loopback device.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Counts the packets that get through while `work` runs under a flood.
pub fn under_flood(work: impl FnOnce(&AtomicU64)) -> u64 {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    let (stop, received) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = sender.send(b"flood");
            }
        });
        scope.spawn(|| {
            let mut buffer = [0; 16];
            while !stop.load(Ordering::Relaxed) {
                if receiver.recv(&mut buffer).is_ok() {
                    received.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        // A panic must not leave the flood running.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&received)));
        thread::sleep(Duration::from_millis(25));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
    received.into_inner()
}

/// Without rules the flood gets through; that it does is the proof that zero means something.
pub fn wait_for_packet(received: &AtomicU64) {
    let start = Instant::now();
    while received.load(Ordering::Relaxed) == 0 && start.elapsed() < Duration::from_secs(10) {
        thread::sleep(Duration::from_millis(1));
    }
}

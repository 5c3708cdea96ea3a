//! How long a probe waits.
//!
//! The one rule: a probe that has had no answer at all gives up [`STOPPED`] after a rule was seen to
//! stop its packet, or else at its deadline. A connection that stands waits for the deadline anew after each
//! thing that comes back, also when a packet of it was stopped: TCP sends again.
//!
//! For the handshake the deadline is at most [`HANDSHAKE`]: no `SYN` is ever sent twice, so that
//! one packet is judged, and not what a rate limit makes of its repetition.

use std::future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// Less than the second after which a `SYN` is repeated (`TCP_TIMEOUT_INIT`, RFC 6298).
const HANDSHAKE: Duration = Duration::from_millis(900);
/// A rule that rejects is seen to drop the packet after it has sent its answer.
const STOPPED: Duration = Duration::from_millis(20);

/// How long one probe waits.
#[derive(Debug)]
pub(super) struct Patience {
    deadline: Duration,
    sent: watch::Receiver<Option<Instant>>,
    stopped: watch::Receiver<bool>,
}

impl Patience {
    /// `sent`: when the last of all probes had been sent; no deadline ends before that.
    /// `stopped`: whether a packet of this probe was seen to be stopped.
    pub(super) const fn new(
        deadline: Duration,
        sent: watch::Receiver<Option<Instant>>,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        Self {
            deadline,
            sent,
            stopped,
        }
    }

    /// Returns when a probe that has had no answer at all gives up.
    pub(super) async fn first_answer(&self, tcp: bool) {
        tokio::select! {
            () = self.cut() => {}
            () = self.next_answer() => {}
            () = sleep(HANDSHAKE), if tcp => {}
        }
    }

    /// Returns when a connection that stands has been quiet for the deadline, counted from now.
    pub(super) async fn next_answer(&self) {
        let since = Instant::now();
        let mut sent = self.sent.clone();
        let all = match sent.wait_for(Option::is_some).await {
            Ok(when) => when.unwrap_or(since),
            Err(_) => since,
        };
        sleep_until(all.max(since) + self.deadline).await;
    }

    /// Returns when a rejection would have arrived by now.
    pub(super) async fn rejection() {
        sleep(STOPPED).await;
    }

    async fn cut(&self) {
        let mut stopped = self.stopped.clone();
        if stopped.wait_for(|stopped| *stopped).await.is_err() {
            future::pending::<()>().await;
        }
        Self::rejection().await;
    }
}

//! The line that `systemctl status` shows.

use std::time::Duration;

use chrono::{DateTime, Local, TimeDelta};

use super::View;
use crate::transaction::State;

/// What `view` comes to at `now_ms` of `CLOCK_BOOTTIME`, which is `now` on the wall.
#[must_use]
pub fn line(view: &View, now_ms: u64, now: DateTime<Local>) -> String {
    match &view.state {
        State::Prepared => {
            "taking the checkpoint, rehearsing; the firewall is untouched".to_owned()
        }
        State::Armed => "armed; the firewall is untouched".to_owned(),
        State::Applying => "the new rules are being applied".to_owned(),
        State::AwaitingConfirm => awaiting(view, now_ms, now),
        State::Committed => "confirmed: the new rules stay".to_owned(),
        State::RollingBack { reason } => format!("rolling back: {reason}"),
        State::RolledBack { reason } => {
            format!("rolled back ({reason}): the rules from before are live")
        }
        State::RestoreFailed { reason } => {
            format!("THE ROLLBACK IS INCOMPLETE ({reason}); see 'safe-apply show'")
        }
        State::Abandoned { reason } => format!("given up ({reason}): the firewall is untouched"),
    }
}

fn awaiting(view: &View, now_ms: u64, now: DateTime<Local>) -> String {
    let left = left_ms(view, now_ms).unwrap_or_default();
    let until = now + TimeDelta::milliseconds(i64::try_from(left).unwrap_or(i64::MAX));
    format!(
        "{} s left, until {}; to keep the new rules, over a NEW connection: {}",
        left.div_ceil(1000),
        until.format("%H:%M:%S"),
        view.confirm
    )
}

/// How long the line is near enough: the fewer seconds are left, the more they count.
#[must_use]
pub fn holds_for(view: &View, now_ms: u64) -> Option<Duration> {
    let left = left_ms(view, now_ms).filter(|_| view.state == State::AwaitingConfirm)?;
    let step_ms = match left {
        ..=10_000 => 1_000,
        10_001..=60_000 => 5_000,
        60_001..=300_000 => 15_000,
        _ => 60_000,
    };
    // Changes at round numbers.
    Some(Duration::from_millis(match left % step_ms {
        0 => step_ms,
        rest => rest,
    }))
}

fn left_ms(view: &View, now_ms: u64) -> Option<u64> {
    view.deadline_ms.map(|at| at.saturating_sub(now_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::Reason;

    fn awaiting_until(deadline_ms: u64) -> View {
        View {
            state: State::AwaitingConfirm,
            deadline_ms: Some(deadline_ms),
            confirm: "ssh root@192.0.2.7 safe-apply confirm".to_owned(),
        }
    }

    #[test]
    fn it_says_how_long_is_left_and_what_to_type() {
        let now = Local::now();
        let line = line(&awaiting_until(90_500), 45_900, now);
        assert!(line.starts_with("45 s left, until "), "{line}");
        let until = (now + TimeDelta::milliseconds(44_600)).format("%H:%M:%S");
        assert!(line.contains(&until.to_string()), "{line}");
        assert!(line.ends_with(": ssh root@192.0.2.7 safe-apply confirm"));
    }

    #[test]
    fn it_is_told_seldom_at_first_and_often_at_the_end() {
        let every = |left| holds_for(&awaiting_until(left), 0).unwrap().as_millis();
        assert_eq!(every(3_600_000), 60_000);
        assert_eq!(every(290_000), 5_000, "to 285 s");
        assert_eq!(every(60_000), 5_000);
        assert_eq!(every(10_000), 1_000);
        assert_eq!(every(1_300), 300);
        let mut left = 24 * 3_600_000;
        let mut told = 0;
        while left > 0 {
            left -= u64::try_from(every(left)).unwrap();
            told += 1;
        }
        assert!(told < 24 * 60 + 60, "{told} messages in a day");
    }

    #[test]
    fn nothing_is_counted_where_nothing_counts_down() {
        let mut view = awaiting_until(5_000);
        view.state = State::RollingBack {
            reason: Reason::NotConfirmed,
        };
        assert_eq!(holds_for(&view, 0), None);
        assert_eq!(
            line(&view, 0, Local::now()),
            "rolling back: nobody confirmed in time"
        );
    }
}

//! Time: `CLOCK_BOOTTIME` for deadlines, the boot ID, wall-clock time for people's eyes.

use rustix::time::{ClockId, clock_gettime};

/// Milliseconds since boot, time suspended included (`CLOCK_BOOTTIME`); jumps of the wall clock do not matter.
#[must_use]
pub fn boottime_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds * 1000 + nanos / 1_000_000
}

/// The kernel's random ID of this boot (`random(4)`).
///
/// # Errors
/// When `/proc` is not there.
pub fn boot_id() -> std::io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// The wall-clock time in RFC 3339 form, UTC, to the millisecond.
#[must_use]
pub fn timestamp() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

//! What systemd says of a guardian's unit.

use std::path::Path;
use std::time::Duration;

use super::{systemd_runs, template_instance, transient_unit};
use crate::exec::{self, Run};

/// How long systemd may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A unit, as `systemctl show` has it (`org.freedesktop.systemd1(5)`).
#[derive(Debug, Default, PartialEq, Eq)]
struct Unit {
    /// `ActiveState`.
    active: String,
    /// Whether it is being started, stopped or restarted because somebody asked for it.
    has_job: bool,
}

/// Whether systemd runs the guardian of transaction `id`, or is about to start it again.
#[must_use]
pub fn is_up(id: &str) -> bool {
    systemd_runs(Path::new("/proc"), Path::new("/"))
        && show(id).is_ok_and(|units| units.iter().any(Unit::is_up))
}

/// Whether systemd will start the guardian of transaction `id` again, whose unit has just
/// stopped: not if a job stopped it. Where that cannot be told: no.
#[must_use]
pub fn is_restarted(id: &str) -> bool {
    show(id).is_ok_and(|units| {
        let mut up = units.iter().filter(|unit| unit.is_up()).peekable();
        up.peek().is_some() && up.all(|unit| !unit.has_job)
    })
}

/// Asks for the units that may guard transaction `id`; one that does not exist is inactive.
fn show(id: &str) -> Result<Vec<Unit>, exec::Error> {
    let printed = Run::tool("systemctl")?
        .args(["show", "--property=ActiveState", "--property=Job", "--"])
        .args([template_instance(id), transient_unit(id)])
        .deadline(ANSWER_MAX)
        .success()?;
    Ok(parse(&String::from_utf8_lossy(&printed)))
}

/// Reads blocks of `Name=value` lines with empty lines between them.
fn parse(printed: &str) -> Vec<Unit> {
    printed
        .split("\n\n")
        .map(|block| {
            let value = |name: &str| {
                block
                    .lines()
                    .filter_map(|line| line.split_once('='))
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value.trim().to_owned())
            };
            Unit {
                active: value("ActiveState").unwrap_or_default(),
                has_job: value("Job").is_some_and(|job| !job.is_empty() && job != "0"),
            }
        })
        .collect()
}

impl Unit {
    fn is_up(&self) -> bool {
        matches!(
            self.active.as_str(),
            "active" | "activating" | "deactivating" | "reloading"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_with_and_without_a_job() {
        let units = parse("Job=512\nActiveState=deactivating\n\nActiveState=inactive\n");
        assert_eq!(units.len(), 2);
        assert!(units[0].is_up() && units[0].has_job);
        assert!(!units[1].is_up() && !units[1].has_job);
        let waiting = parse("ActiveState=activating\n");
        assert!(waiting[0].is_up() && !waiting[0].has_job);
        assert!(!parse("").iter().any(Unit::is_up));
        assert!(!parse("Job=0\nActiveState=failed")[0].has_job);
    }
}

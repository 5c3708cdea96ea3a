//! A login notice in words. An old one must not lie: boot and deadline are looked at.

use super::LoginNotice;
use crate::exec;
use crate::guardian::socket_path;
use crate::paths::Paths;
use crate::transaction::{State, clock};

/// How long past its deadline a change counts as being rolled back.
const OVERDUE_MS: u64 = 10_000;

/// The user who logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Viewer {
    /// The control socket takes requests from this user.
    pub may_confirm: bool,
    /// What stands before a command that only root may run; nothing for root, `None` where no such
    /// program is known.
    pub as_root: Option<&'static str>,
}

impl Viewer {
    /// This process's user.
    #[must_use]
    pub fn of_this_process(paths: &Paths) -> Self {
        use rustix::fs::{Access, access};
        let is_root = rustix::process::geteuid().is_root();
        let programs = [("sudo", "sudo "), ("doas", "doas ")];
        let found = programs
            .into_iter()
            .find(|(program, _)| exec::find(program).is_ok());
        Self {
            may_confirm: is_root || access(socket_path(paths), Access::WRITE_OK).is_ok(),
            as_root: if is_root {
                Some("")
            } else {
                found.map(|(_, prefix)| prefix)
            },
        }
    }

    /// The line that confirms.
    fn confirm(self) -> String {
        if self.may_confirm {
            "    safe-apply confirm".to_owned()
        } else {
            self.root("confirm")
        }
    }

    /// The line for a verb that only root may use.
    fn root(self, verb: &str) -> String {
        match self.as_root {
            Some(prefix) => format!("    {prefix}safe-apply {verb}"),
            None => format!("    safe-apply {verb}        (as root)"),
        }
    }
}

/// The lines for a login in boot `boot_id` at `now_ms` (milliseconds of `CLOCK_BOOTTIME`).
#[must_use]
pub fn words(notice: &LoginNotice, boot_id: &str, now_ms: u64, viewer: Viewer) -> Vec<String> {
    let change = change(notice);
    let details = viewer.root(&format!("show {}", notice.transaction));
    let reason = notice
        .state
        .reason()
        .map_or_else(String::new, |reason| format!(" ({reason})"));
    let rebooted = notice.boot_id != boot_id;
    match &notice.state {
        State::RolledBack { .. } => vec![
            format!("{change} was rolled back{reason}."),
            "The new rules are no longer live. Details:".to_owned(),
            details,
        ],
        State::Abandoned { .. } => vec![
            format!("{change} was given up{reason}."),
            "The rules were not touched. Details:".to_owned(),
            details,
        ],
        State::RestoreFailed { .. } => vec![
            format!("THE ROLLBACK IS INCOMPLETE: {change}{reason} is not taken back in full."),
            "To try again, type:".to_owned(),
            viewer.root("recover"),
        ],
        State::Prepared
        | State::Armed
        | State::Applying
        | State::AwaitingConfirm
        | State::RollingBack { .. }
            if rebooted =>
        {
            vec![
                format!("{change} was pending when the host was rebooted."),
                "It is not settled yet. To settle it, type:".to_owned(),
                viewer.root("recover"),
            ]
        }
        State::AwaitingConfirm => awaiting(notice, &change, now_ms, viewer),
        State::RollingBack { .. } => vec![format!("{change} is being rolled back{reason}.")],
        State::Prepared | State::Armed | State::Applying => {
            vec![format!("{change} is being applied.")]
        }
        State::Committed => vec![format!("{change} was confirmed.")],
    }
}

fn awaiting(notice: &LoginNotice, change: &str, now_ms: u64, viewer: Viewer) -> Vec<String> {
    let deadline_ms = notice.deadline_ms.unwrap_or_default();
    if now_ms < deadline_ms {
        let left = (deadline_ms - now_ms).div_ceil(1000);
        return vec![
            format!("{change} is live but NOT confirmed:"),
            format!(
                "it is rolled back in {left} s. This login got in; to keep the new rules, type:"
            ),
            viewer.confirm(),
        ];
    }
    let late = format!("{change} was not confirmed in time");
    if now_ms < deadline_ms + OVERDUE_MS {
        return vec![format!("{late} and is being rolled back.")];
    }
    vec![
        format!("{late}, but nobody has rolled it back."),
        "To settle it, type:".to_owned(),
        viewer.root("recover"),
    ]
}

/// Which change: whose, and from when.
fn change(notice: &LoginNotice) -> String {
    let user = notice.user.as_deref().unwrap_or("somebody");
    let printable: String = user.chars().filter(|letter| !letter.is_control()).collect();
    let created = chrono::DateTime::parse_from_rfc3339(&notice.created);
    let when = created.map_or_else(
        |_| String::new(),
        |created| created.format(" of %Y-%m-%d %H:%M UTC").to_string(),
    );
    format!("The firewall change by {printable}{when}")
}

/// The lines for this process's user now.
#[must_use]
pub fn for_this_login(notice: &LoginNotice, paths: &Paths) -> Vec<String> {
    let boot_id = clock::boot_id().unwrap_or_default();
    words(
        notice,
        &boot_id,
        clock::boottime_ms(),
        Viewer::of_this_process(paths),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::Reason;

    const SUDO: Viewer = user(Some("sudo "));
    const DOAS: Viewer = user(Some("doas "));
    const NO_PROGRAM: Viewer = user(None);
    const ROOT: Viewer = Viewer {
        may_confirm: true,
        as_root: Some(""),
    };
    const MEMBER: Viewer = Viewer {
        may_confirm: true,
        as_root: Some("sudo "),
    };

    const fn user(as_root: Option<&'static str>) -> Viewer {
        Viewer {
            may_confirm: false,
            as_root,
        }
    }

    const BOOT: &str = "11111111-2222-4333-8444-555555555555";

    fn notice_in(state: State) -> LoginNotice {
        LoginNotice {
            version: super::super::VERSION,
            transaction: "20261122-121643-k7".parse().unwrap(),
            user: None,
            created: "at noon".to_owned(),
            boot_id: BOOT.to_owned(),
            state,
            deadline_ms: None,
        }
    }

    fn said(state: State, now_ms: u64, viewer: Viewer) -> String {
        let notice = LoginNotice {
            user: Some("al\x1b[2Jice".to_owned()),
            created: "2026-11-22T12:16:43.123Z".to_owned(),
            deadline_ms: Some(100_000),
            ..notice_in(state)
        };
        words(&notice, BOOT, now_ms, viewer).join("\n")
    }

    #[test]
    fn a_pending_change_has_its_time_left_and_the_line_for_this_user() {
        let text = said(State::AwaitingConfirm, 57_500, SUDO);
        assert!(
            text.contains("NOT confirmed") && text.contains("in 43 s"),
            "{text}"
        );
        assert!(text.contains("2026-11-22 12:16 UTC"), "{text}");
        assert!(text.ends_with("\n    sudo safe-apply confirm"), "{text}");
        for viewer in [ROOT, MEMBER] {
            let text = said(State::AwaitingConfirm, 57_500, viewer);
            assert!(text.ends_with("\n    safe-apply confirm"), "{text}");
        }
        let text = said(State::AwaitingConfirm, 200_000, MEMBER);
        assert!(text.ends_with("    sudo safe-apply recover"), "{text}");
        let text = said(State::AwaitingConfirm, 57_500, NO_PROGRAM);
        assert!(
            text.ends_with("safe-apply confirm        (as root)"),
            "{text}"
        );
        assert!(!text.contains('\x1b'), "a name does not steer the terminal");
    }

    #[test]
    fn what_is_past_its_deadline_is_not_called_pending() {
        for now_ms in [100_000, 109_999] {
            let text = said(State::AwaitingConfirm, now_ms, SUDO);
            assert!(
                text.contains("is being rolled back") && !text.contains("confirm\n"),
                "{text}"
            );
            assert!(!text.contains("safe-apply confirm"), "{text}");
        }
        let text = said(State::AwaitingConfirm, 110_000, SUDO);
        assert!(text.contains("nobody has rolled it back"), "{text}");
        assert!(text.ends_with("sudo safe-apply recover"), "{text}");
    }

    #[test]
    fn what_was_pending_in_another_boot_is_not_called_pending() {
        for state in [
            State::Applying,
            State::AwaitingConfirm,
            State::RollingBack {
                reason: Reason::Requested,
            },
        ] {
            let notice = LoginNotice {
                boot_id: "another".to_owned(),
                ..notice_in(state)
            };
            let text = words(&notice, BOOT, 1, DOAS).join("\n");
            assert!(
                text.contains("rebooted") && !text.contains("NOT confirmed"),
                "{text}"
            );
            assert!(text.ends_with("doas safe-apply recover"), "{text}");
        }
    }

    #[test]
    fn an_outcome_has_its_reason_in_any_boot() {
        let reason = Reason::Rebooted;
        for boot in [BOOT, "another"] {
            let told = |state| words(&notice_in(state), boot, 1, SUDO).join("\n");
            let text = told(State::RolledBack { reason });
            assert!(
                text.contains("The firewall change by somebody was rolled back"),
                "{text}"
            );
            assert!(text.contains("rebooted before anybody confirmed"), "{text}");
            assert!(
                text.ends_with("sudo safe-apply show 20261122-121643-k7"),
                "{text}"
            );
            let text = told(State::Abandoned { reason });
            assert!(text.contains("not touched"), "{text}");
            let text = told(State::RestoreFailed { reason });
            assert!(
                text.contains("INCOMPLETE") && text.ends_with("safe-apply recover"),
                "{text}"
            );
        }
    }
}

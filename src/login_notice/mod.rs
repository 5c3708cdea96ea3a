//! What every login is told: that a change is pending, or what became of the last one.
//!
//! The state directory and the control socket are not for everybody; this is a small file in the
//! runtime directory that is. It says who changes the firewall, and where that stands, and
//! nothing of rules or addresses. Whoever owns the transaction keeps it up to date. An outcome stays
//! until the next transaction begins, or root has asked for it (`status`, `show`).

mod words;

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::paths::Paths;
use crate::transaction::{Id, Meta, Reason, State, Store, Transaction, clock};

pub use words::{Viewer, for_this_login, words};

/// Version of the file's format.
const VERSION: u32 = 1;
/// Everybody may read it.
const MODE: u32 = 0o644;
/// In a transaction's directory: root has asked how it ended.
const SEEN: &str = "seen";

/// The file, `notice.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginNotice {
    /// [`VERSION`].
    pub version: u32,
    /// The transaction.
    pub transaction: Id,
    /// The user who applied it.
    pub user: Option<String>,
    /// When it was made (RFC 3339, UTC).
    pub created: String,
    /// The boot in which this was written.
    pub boot_id: String,
    /// Where it stands.
    pub state: State,
    /// When the countdown ends, in milliseconds of `CLOCK_BOOTTIME` of that boot.
    pub deadline_ms: Option<u64>,
}

fn path(paths: &Paths) -> PathBuf {
    paths.run.join("notice.json")
}

/// Brings the file to where `transaction` stands; removes it where there is nothing to tell.
/// What cannot be written is not told: a notice must never stop a transaction.
pub fn publish(
    paths: &Paths,
    transaction: &Transaction,
    meta: &Meta,
    state: &State,
    deadline_ms: Option<u64>,
) {
    // Only an outcome can have been seen: until then nothing is looked up on a disk that may hang.
    let seen = || state.is_final() && transaction.file(SEEN).exists();
    if !tells(state) || seen() {
        withdraw(paths);
        return;
    }
    let notice = LoginNotice {
        version: VERSION,
        transaction: transaction.id.clone(),
        user: meta.origin.user.clone(),
        created: meta.created.clone(),
        boot_id: clock::boot_id().unwrap_or_default(),
        state: state.clone(),
        deadline_ms,
    };
    // An old notice is worse than none.
    if notice.write(&path(paths)).is_err() {
        withdraw(paths);
    }
}

fn withdraw(paths: &Paths) {
    // Mostly there is none.
    let _ = fs::remove_file(path(paths));
}

/// At boot: tells how the last change ended, where nobody has asked since.
///
/// # Errors
/// When the state directory cannot be read.
pub fn tell_again(store: &Store) -> Result<()> {
    let last = store.list()?.into_iter().rfind(Transaction::has_begun);
    let Some(last) = last else { return Ok(()) };
    if let (Ok(meta), Ok(Some(record))) = (last.meta(), last.last()) {
        publish(store.paths(), &last, &meta, &record.state, None);
    }
    Ok(())
}

/// What logins are told now; `None` where that is nothing, or cannot be read.
#[must_use]
pub fn read(paths: &Paths) -> Option<LoginNotice> {
    let notice: LoginNotice = serde_json::from_slice(&fs::read(path(paths)).ok()?).ok()?;
    (notice.version == VERSION).then_some(notice)
}

/// Root has been told of `notice`: logins no longer are, if it is about an outcome.
pub fn seen(store: &Store, notice: &LoginNotice) {
    if notice.state.is_final() {
        // Where the disk does not take it, it is told once more.
        let _ = fs::File::create(store.get(notice.transaction.clone()).file(SEEN));
        withdraw(store.paths());
    }
}

impl LoginNotice {
    /// Replaces the file in one step.
    fn write(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("json.new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(MODE)
            .open(&new)?;
        // Whatever the umask is.
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(&new, path)
    }
}

/// Whether logins are told of a change in this state. What somebody asked for, or was told at
/// once on the terminal where it failed, is no news.
const fn tells(state: &State) -> bool {
    match state {
        State::Prepared | State::Armed | State::Committed => false,
        State::Applying
        | State::AwaitingConfirm
        | State::RollingBack { .. }
        | State::RestoreFailed { .. } => true,
        State::RolledBack { reason } | State::Abandoned { reason } => match reason {
            Reason::Requested | Reason::ApplyFailed | Reason::PrepareFailed | Reason::Rehearsal => {
                false
            }
            Reason::NotConfirmed
            | Reason::Terminated
            | Reason::CommandDeadline
            | Reason::ClientLost
            | Reason::GuardianLost
            | Reason::Rebooted => true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Origin, Tuple, Via};
    use crate::transaction::store::Work;

    struct Place {
        _dir: tempfile::TempDir,
        store: Store,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let paths = Paths {
                state: dir.path().join("state"),
                run: dir.path().join("run"),
                config: dir.path().join("none"),
                root: dir.path().to_owned(),
            };
            let store = Store::new(paths);
            store.prepare().unwrap();
            Self { _dir: dir, store }
        }

        fn publish(&self, transaction: &Transaction, state: &State) {
            let meta = meta(&transaction.id);
            publish(self.store.paths(), transaction, &meta, state, Some(7));
        }

        fn told(&self) -> Option<State> {
            read(self.store.paths()).map(|notice| notice.state)
        }
    }

    fn meta(id: &Id) -> Meta {
        Meta {
            version: 1,
            id: id.clone(),
            created: clock::timestamp(),
            origin: Origin {
                tuple: Some(Tuple {
                    local: "192.0.2.1:22".parse().unwrap(),
                    peer: "192.0.2.9:5000".parse().unwrap(),
                }),
                user: Some("alice".to_owned()),
                sudo: true,
                tty: None,
                via: Via::Ssh,
            },
            client_pid: 1,
            command_line: "safe-apply secret-file".to_owned(),
            netns: (0, 0),
            netns_is_init: None,
            work: Work::Command,
            timeout_seconds: 60,
            persist: None,
            rehearsal: None,
            force: false,
            on_commit: None,
            on_rollback: None,
        }
    }

    #[test]
    fn everybody_may_read_it_and_it_says_little() {
        let place = Place::new();
        let transaction = place.store.create().unwrap();
        place.publish(&transaction, &State::AwaitingConfirm);
        let file = path(place.store.paths());
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("alice"), "{text}");
        assert!(
            !text.contains("192.0.2") && !text.contains("secret"),
            "{text}"
        );
        let beside: Vec<_> = fs::read_dir(&place.store.paths().run).unwrap().collect();
        assert_eq!(beside.len(), 1, "nothing half-written stays");
    }

    #[test]
    fn only_news_is_told() {
        let place = Place::new();
        let transaction = place.store.create().unwrap();
        let told = |state: &State| {
            place.publish(&transaction, state);
            place.told().as_ref() == Some(state)
        };
        assert!(told(&State::Applying) && told(&State::AwaitingConfirm));
        for news in [Reason::NotConfirmed, Reason::Terminated, Reason::Rebooted] {
            assert!(told(&State::RolledBack { reason: news }));
            assert!(told(&State::RestoreFailed { reason: news }));
        }
        for known in [Reason::Requested, Reason::ApplyFailed, Reason::Rehearsal] {
            assert!(told(&State::RestoreFailed { reason: known }));
            assert!(!told(&State::RolledBack { reason: known }));
            assert_eq!(place.told(), None, "the old notice is gone");
        }
        assert!(told(&State::AwaitingConfirm) && !told(&State::Committed));
        assert_eq!(place.told(), None);
    }

    #[test]
    fn an_outcome_that_root_has_seen_is_told_no_more() {
        let place = Place::new();
        let transaction = place.store.create().unwrap();
        place.publish(&transaction, &State::AwaitingConfirm);
        seen(&place.store, &read(place.store.paths()).unwrap());
        assert_eq!(place.told(), Some(State::AwaitingConfirm), "no outcome yet");
        let outcome = State::RolledBack {
            reason: Reason::Rebooted,
        };
        place.publish(&transaction, &outcome);
        seen(&place.store, &read(place.store.paths()).unwrap());
        assert_eq!(place.told(), None);
        place.publish(&transaction, &outcome);
        assert_eq!(place.told(), None);
        place.publish(&place.store.create().unwrap(), &outcome);
        assert_eq!(place.told(), Some(outcome), "another one is news");
    }

    #[test]
    fn what_is_no_notice_says_nothing() {
        let place = Place::new();
        let file = path(place.store.paths());
        for text in ["", "{", "{\"version\":2}", "[]"] {
            fs::write(&file, text).unwrap();
            assert_eq!(place.told(), None, "{text}");
        }
    }
}

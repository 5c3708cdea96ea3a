//! What must hold after a boot.

use std::collections::BTreeMap;

use super::inspection::{Found, Holds, Inspection};
use super::story::{Belief, Kind};

/// What the machine is known to have.
#[derive(Debug)]
pub struct Model {
    /// The version of the iptables rules that was confirmed last.
    pub iptables: u32,
    /// The version of nft's rules that was confirmed last.
    pub native: u32,
    /// All transactions that are over.
    history: BTreeMap<String, String>,
}

/// What was found.
#[derive(Debug)]
pub struct Verdict {
    /// The state in the journal when the machine booted.
    pub found: Option<String>,
    /// What became of the change.
    pub outcome: String,
    /// The boot files hold a change that nobody confirmed: they are to be put right.
    pub unconfirmed_file: bool,
}

impl Model {
    /// A machine that has `version` of everything.
    pub const fn new(version: u32) -> Self {
        Self {
            iptables: version,
            native: version,
            history: BTreeMap::new(),
        }
    }

    /// Judges what a boot has left of the change to `version`.
    ///
    /// # Errors
    /// What must not be.
    pub fn judge(
        &mut self,
        kind: Kind,
        version: u32,
        belief: &Belief,
        now: &Inspection,
    ) -> Result<Verdict, String> {
        let history = now.history();
        let Found {
            id,
            checkpoint,
            state,
        } = now.found();
        let is_new = !self.history.contains_key(&id) && !id.is_empty();
        let found = state.filter(|_| is_new);
        let outcome = if is_new {
            history.get(&id).cloned().ok_or("the history lacks it")?
        } else {
            "none".to_owned()
        };
        self.records(now, &history)?;
        let committed = outcome == "committed";
        if belief.kept && !committed {
            return Err(format!("it was said to be confirmed, and is {outcome}"));
        }
        if (belief.restored || belief.ended.is_some_and(|status| status != 0)) && committed {
            return Err("it was said to be rolled back, and is committed".to_owned());
        }
        if committed != (found.as_deref() == Some("committed")) {
            return Err(format!("it was {found:?} at boot, and is {outcome}"));
        }
        let kept = if kind.is_native() {
            self.native
        } else {
            self.iptables
        };
        let wanted = if committed { version } else { kept };
        // Until there is a way back, a file that was changed by hand is loaded as it is.
        let unknown = kind.is_boot() && (found.is_none() || !checkpoint);
        let live = Live {
            iptables: if kind.is_native() {
                self.iptables
            } else {
                wanted
            },
            native: if kind.is_native() {
                wanted
            } else {
                self.native
            },
        };
        live.compare(now, unknown.then_some(version))?;
        let mut unconfirmed_file = false;
        for (place, kept) in [
            ("file-v4", live.iptables),
            ("file-v6", live.iptables),
            ("file-native", live.native),
        ] {
            match now.holds(place) {
                Holds::Version(found) if found == kept => {}
                Holds::Version(found) if kind.is_boot() && found == version && !belief.mended => {
                    unconfirmed_file = true;
                }
                other => return Err(format!("{place} holds {other}, not v{kept}")),
            }
        }
        (self.iptables, self.native) = (live.iptables, live.native);
        self.history = history;
        Ok(Verdict {
            found,
            outcome,
            unconfirmed_file,
        })
    }

    /// No record is damaged, open, or other than it was.
    fn records(&self, now: &Inspection, history: &BTreeMap<String, String>) -> Result<(), String> {
        if !now.text("recover").contains("Result=success") {
            return Err("recover has failed".to_owned());
        }
        for unit in ["netfilter-persistent", "nftables"] {
            if now.text(unit) != "active" {
                return Err(format!("{unit} is {}", now.text(unit)));
            }
        }
        if now.text("status") != "{\"pending\":null}" {
            return Err("a change is pending".to_owned());
        }
        for (id, outcome) in history {
            match outcome.as_str() {
                "committed" | "rolled_back" | "failed" => {}
                other => return Err(format!("{id} is {other}")),
            }
        }
        for (id, outcome) in &self.history {
            let now = history.get(id);
            if now != Some(outcome) {
                return Err(format!("{id} was {outcome}, and is {now:?}"));
            }
        }
        Ok(())
    }
}

/// The versions that have to be live.
#[derive(Debug)]
struct Live {
    iptables: u32,
    native: u32,
}

impl Live {
    fn compare(&self, now: &Inspection, or: Option<u32>) -> Result<(), String> {
        for (place, wanted) in [
            ("live-v4", self.iptables),
            ("live-v6", self.iptables),
            ("live-native", self.native),
        ] {
            let holds = now.holds(place);
            if holds != Holds::Version(wanted) && or.is_none_or(|or| holds != Holds::Version(or)) {
                return Err(format!("{place} holds {holds}, not v{wanted}"));
            }
        }
        Ok(())
    }
}

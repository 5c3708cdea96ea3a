//! Why rules are not applied after a rehearsal.

use super::report::{Report, Session, Standing, Verdict};

impl Report {
    /// Why these rules are not to be applied, if they are not: one sentence, or two.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        match self.verdict {
            Verdict::Lockout => Some(lockout(self.session.as_ref())),
            Verdict::Unmet => {
                let unmet = self
                    .requirements
                    .iter()
                    .filter(|one| one.met == Some(false));
                let names: Vec<&str> = unmet.map(|one| one.text.as_str()).collect();
                Some(format!(
                    "these rules block what is required: {}",
                    names.join(", ")
                ))
            }
            Verdict::Safe | Verdict::Unknown => None,
        }
    }

    /// Why a rollback of these very rules would not end where it began, if it would not.
    #[must_use]
    pub fn no_way_back(&self) -> Option<String> {
        (self.way_back == Some(false)).then(|| {
            "the rules from before do not come back exactly over the new ones, so there would be no way back"
                .to_owned()
        })
    }
}

fn lockout(session: Option<&Session>) -> String {
    let Some(session) = session else {
        return "these rules would lock you out".to_owned();
    };
    let what = if session.login == Standing::Open {
        "your session would not survive them, though a new login would get in"
    } else {
        "a new login would not get in"
    };
    let (Standing::Blocked { by } | Standing::Rejected { by }) = (match &session.login {
        Standing::Open | Standing::NotRehearsed { .. } => &session.old,
        stopped @ (Standing::Blocked { .. } | Standing::Rejected { .. }) => stopped,
    }) else {
        return format!("these rules would lock you out: {what}");
    };
    match by {
        Some(decision) => format!("these rules would lock you out: {what}, stopped by {decision}"),
        None => format!("these rules would lock you out: {what}"),
    }
}

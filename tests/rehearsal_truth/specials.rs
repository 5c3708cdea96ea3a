//! What becomes of a login is known beforehand.

use std::net::SocketAddr;

use crate::case::Case;
use crate::many::{Job, try_all};
use crate::predict::Predictor;
use crate::session::Front;
use crate::special::{Special, specials};
use crate::tally::Tally;
use crate::truth::Outcome;

fn job(special: &Special, front: Front) -> Job {
    let (name, live, candidate, (user, host, port), _) = special;
    Job {
        case: Case {
            name: format!("{name}, {front:?}"),
            live: live.clone(),
            candidate: candidate.clone(),
            user: *user,
            server: SocketAddr::new(*host, *port),
        },
        front,
        before: front == Front::Echo,
    }
}

#[test]
fn special_cases_are_foretold() {
    let tally = Tally::default();
    let predictor = Predictor::binary();
    let slow = std::env::var_os("SAFE_APPLY_SLOW").is_some();
    let mut all = Vec::new();
    for (number, special) in specials().into_iter().enumerate() {
        all.push((job(&special, Front::Echo), special.4));
        if slow || number.is_multiple_of(2) {
            all.push((job(&special, Front::Ssh), special.4));
        }
    }
    let failed = try_all(&all, |(job, expected)| {
        let outcome = tally.try_job(job, &predictor)?;
        let (Outcome::Applied { after, .. }, case) = (&outcome, &job.case) else {
            return Err(format!("{}: not applied: {outcome:?}", job.case));
        };
        if after.login == *expected {
            return Ok(());
        }
        let seen = after.login;
        Err(format!("the login is {seen:?}, not {expected:?}: {case}"))
    });
    println!("{}", tally.table("special cases"));
    failed.none();
    assert_eq!(tally.compared(), all.len());
}

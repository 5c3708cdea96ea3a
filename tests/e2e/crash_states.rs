//! SIGKILL at each state of the journal, and at any moment.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use safe_apply::transaction::State;
use safe_apply::transaction::journal::{Detail, Durability, Journal};

use crate::lab::{Backend, Lab, Saves, assert_same, eventually, on_both_backends};

on_both_backends!(
    all_are_killed_in_each_state,
    all_are_killed_between_armed_and_applying,
    the_guardian_is_killed_in_each_state,
    all_are_killed_at_any_moment,
);

/// The states in their order, as the journal calls them.
const STATES: [&str; 7] = [
    "prepared",
    "armed",
    "applying",
    "awaiting_confirm",
    "rolling_back",
    "rolled_back",
    "abandoned",
];
/// Those that last long enough to be caught.
const CATCHABLE: [&str; 4] = ["prepared", "applying", "awaiting_confirm", "rolling_back"];
/// How often it is tried to catch one.
const ATTEMPTS: usize = 15;
/// How many moments of a transaction's life are tried.
const MOMENTS: u32 = 12;

/// A server without network, so that counters can be compared, too; and rules that take a while.
fn large(backend: Backend) -> (Lab, Saves, String) {
    let lab = Lab::offline(backend);
    lab.load_before();
    let mut rules =
        "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\n".to_owned();
    for number in 0..2000 {
        let (high, low) = (number / 200, number % 200);
        rules += &format!("-A INPUT -s 10.0.{high}.{low}/32 -j DROP\n");
    }
    let file = lab.file("large.v4", rules + "COMMIT\n");
    let before = lab.saves();
    (lab, before, file)
}

/// Kills once the journal of a new transaction has reached a state; says which it was left in.
fn kill_at(lab: &Lab, state: &str, file: &str, kill: impl Fn(&Lab)) -> String {
    let place = |name: &str| STATES.iter().position(|&one| one == name);
    let previous = lab.newest_directory();
    let client = lab.console(&format!("safe-apply --json --force --timeout 1 {file}"));
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        assert!(Instant::now() < until, "{state} was never reached");
        let now = (lab.newest_directory() != previous).then(|| lab.journalled());
        if now.flatten().is_some_and(|now| place(&now) >= place(state)) {
            break;
        }
        std::thread::yield_now();
    }
    kill(lab);
    drop(client);
    lab.journalled().expect("a journal")
}

fn all_are_killed_in_each_state(backend: Backend) {
    let (lab, before, file) = large(backend);
    for state in CATCHABLE {
        let caught = (0..ATTEMPTS).any(|_| {
            let left = kill_at(&lab, state, &file, Lab::kill_safe_apply);
            lab.server("safe-apply recover").exits(0);
            assert!(lab.pending().is_null());
            assert_same(&lab.saves(), &before);
            left == state
        });
        assert!(caught, "{state} was never caught");
    }
}

/// This state lasts for microseconds: its record is added to the journal of a guardian that
/// died one state earlier.
fn all_are_killed_between_armed_and_applying(backend: Backend) {
    let (lab, before, file) = large(backend);
    let caught = (0..ATTEMPTS).any(|_| {
        let left = kill_at(&lab, "prepared", &file, Lab::kill_safe_apply);
        if left == "prepared" {
            let (durable, volatile) = lab.journals();
            let mut journal = Journal::open(&durable, &volatile).unwrap();
            let required = Durability::Required;
            journal
                .append(&State::Armed, None, Detail::default(), required)
                .unwrap();
            assert_eq!(lab.journalled().as_deref(), Some("armed"));
        }
        lab.server("safe-apply recover").exits(0);
        assert_same(&lab.saves(), &before);
        assert!(lab.pending().is_null());
        left == "prepared"
    });
    assert!(caught);
    assert_eq!(lab.newest()["outcome"], "failed");
}

fn the_guardian_is_killed_in_each_state(backend: Backend) {
    let (lab, before, file) = large(backend);
    for state in CATCHABLE {
        kill_at(&lab, state, &file, |lab| {
            let mut guardians = lab.safe_apply();
            guardians.retain(|process| process.line.contains("__guardian"));
            guardians
                .iter()
                .for_each(|guardian| guardian.signal(Signal::KILL));
        });
        eventually("the transaction is over", || {
            let now = lab.journalled();
            now.is_some_and(|now| ["rolled_back", "abandoned"].contains(&now.as_str()))
        });
        eventually("nothing is pending", || lab.pending().is_null());
        assert_same(&lab.saves(), &before);
    }
}

fn all_are_killed_at_any_moment(backend: Backend) {
    let (lab, before, file) = large(backend);
    let command = format!("safe-apply --json --force --timeout 1 {file}");
    let start = Instant::now();
    lab.console(&command).ends().with(3, "rolled_back");
    let whole = start.elapsed();
    assert_same(&lab.saves(), &before);
    for moment in 0..MOMENTS {
        let client = lab.console(&command);
        std::thread::sleep(whole * moment / MOMENTS);
        lab.kill_safe_apply();
        drop(client);
        lab.server("safe-apply status").exits(0);
        assert_same(&lab.saves(), &before);
    }
}

//! Generated cases, in their hundreds.

use std::collections::BTreeMap;
use std::sync::Mutex;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::case::Case;
use crate::compare::{Guess, Kind};
use crate::generate::case;
use crate::lab::on_a_host;
use crate::many::{Job, try_all};
use crate::predict::Predictor;
use crate::probe::{QUICK, Seen};
use crate::session::{Front, Session, login};
use crate::tally::Tally;
use crate::truth::{load, services};

/// Cases where nothing else is said.
const CASES: u32 = 120;
const CASES_SLOW: u32 = 2_000;
const SEED: u64 = 1;
/// Runners side by side, each with cases of its own.
const RUNNERS: u32 = 8;
/// How long a failing case is made smaller, in steps.
const SHRINK_STEPS: u32 = 60;
const SHRINK_MILLISECONDS: u32 = 60_000;

fn number<T: std::str::FromStr>(name: &str, otherwise: T) -> T {
    let value = std::env::var(name).ok();
    value.map_or(otherwise, |value| {
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {value}"))
    })
}

fn runner(seed: u64, part: u32, cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: SHRINK_STEPS,
        max_shrink_time: SHRINK_MILLISECONDS,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&part.to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

#[test]
fn predictions_about_generated_rules_are_true() {
    let slow = std::env::var_os("SAFE_APPLY_SLOW").is_some();
    let cases = number(
        "SAFE_APPLY_TRUTH_CASES",
        if slow { CASES_SLOW } else { CASES },
    );
    let seed = number("SAFE_APPLY_TRUTH_SEED", SEED);
    println!("{cases} cases from seed {seed}");
    let tally = Tally::default();
    let predictor = Predictor::binary();
    let count = Mutex::new(0_usize);
    let parts: Vec<u32> = (0..RUNNERS).collect();
    let failed = try_all(&parts, |part| {
        let result = runner(seed, *part, cases.div_ceil(RUNNERS)).run(&case(), |case| {
            let number = {
                let mut count = count.lock().unwrap();
                *count += 1;
                *count
            };
            let job = Job {
                case,
                front: Front::Echo,
                before: number.is_multiple_of(3),
            };
            let tried = tally.try_job(&job, &predictor);
            tried.map(drop).map_err(|why| {
                println!("failed: {}", why.lines().next().unwrap_or_default());
                TestCaseError::fail(why)
            })
        });
        match result {
            Ok(()) => Ok(()),
            Err(TestError::Fail(why, _)) => Err(why.message().to_owned()),
            Err(TestError::Abort(why)) => Err(why.message().to_owned()),
        }
    });
    println!("{}", tally.table("generated rules"));
    failed.none();
    // It is a test only if there was something to be wrong about.
    let compared = tally.compared();
    assert!(
        compared * 2 > usize::try_from(cases).unwrap(),
        "{compared} of {cases} compared"
    );
    for seen in [Seen::Open, Seen::Blocked] {
        let guess = if seen == Seen::Open {
            Guess::Open
        } else {
            Guess::Blocked
        };
        assert!(
            tally.of(Kind::Login, guess, seen) > 0,
            "no login was {seen:?}"
        );
    }
}

/// What becomes of a case when nobody predicts anything.
fn fate(case: &Case) -> &'static str {
    on_a_host(|lab| {
        services(lab, Front::Echo);
        if let Err(said) = load(&case.live) {
            println!("{said}\n{case}");
            return "live rules do not load";
        }
        let Some(_session) = Session::open(lab, Front::Echo, case.user, case.server) else {
            return "no session";
        };
        if let Err(said) = load(&case.candidate) {
            println!("{said}\n{case}");
            return "candidate does not load";
        }
        match login(lab, Front::Echo, case.user, case.server, QUICK) {
            Seen::Open => "open",
            Seen::Rejected => "rejected",
            Seen::Blocked => "blocked",
        }
    })
}

#[test]
fn generated_rules_load_and_differ() {
    let cases: u32 = number("SAFE_APPLY_TRUTH_LOADED", 32);
    let fates = Mutex::new(BTreeMap::<&str, u32>::new());
    let parts: Vec<u32> = (0..RUNNERS).collect();
    let failed = try_all(&parts, |part| {
        let tried = runner(SEED + 1, *part, cases.div_ceil(RUNNERS)).run(&case(), |case| {
            let fate = fate(&case);
            *fates.lock().unwrap().entry(fate).or_default() += 1;
            Ok(())
        });
        tried.map_err(|error| error.to_string())
    });
    failed.none();
    let fates = fates.into_inner().unwrap();
    println!("{fates:?}");
    let of = |fate| fates.get(fate).copied().unwrap_or_default();
    assert!(of("live rules do not load") + of("candidate does not load") < cases / 5);
    assert!(of("open") >= cases / 6 && of("rejected") + of("blocked") >= cases / 6);
}

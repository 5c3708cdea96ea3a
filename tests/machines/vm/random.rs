//! Numbers that are random, and the same again for the same seed.

use std::time::Duration;

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

/// The seed where the environment does not give one.
const SEED: u64 = 1;

/// What `SAFE_APPLY_SEED` says, or always the same.
pub fn seed() -> u64 {
    std::env::var("SAFE_APPLY_SEED").map_or(SEED, |seed| seed.parse().expect("a number"))
}

/// A source of numbers.
#[derive(Debug)]
pub struct Random(TestRng);

impl Random {
    /// The source that belongs to a seed.
    pub fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    /// One of `0..below`.
    pub fn below(&mut self, below: usize) -> usize {
        usize::try_from(self.0.next_u64() % below as u64).unwrap()
    }

    /// True every second time, on average.
    pub fn coin(&mut self) -> bool {
        self.below(2) == 1
    }

    /// Something from nothing to `all`.
    pub fn part_of(&mut self, all: Duration) -> Duration {
        all * u32::try_from(self.below(1001)).unwrap() / 1000
    }
}

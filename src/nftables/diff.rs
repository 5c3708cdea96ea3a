//! Which elements of one sequence stay in place to make it another.

use std::collections::HashMap;
use std::hash::Hash;

/// Pairs `(old, new)` of equal entries, ascending on both sides: what can stay.
///
/// Common ends are stripped, the k-th occurrence of an entry is matched with its
/// k-th, and of the matches the longest ascending run is kept: O(n log n).
pub fn kept<T: Eq + Hash>(old: &[T], new: &[T]) -> Vec<(usize, usize)> {
    let prefix = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[prefix..], &new[prefix..]);
    let ends = old_rest.iter().rev().zip(new_rest.iter().rev());
    let suffix = ends.take_while(|(a, b)| a == b).count();
    let old_middle = &old_rest[..old_rest.len() - suffix];
    let new_middle = &new_rest[..new_rest.len() - suffix];

    let mut pairs: Vec<_> = (0..prefix).map(|index| (index, index)).collect();
    let matches = occurrences(old_middle, new_middle);
    let ascending = longest_ascending(&matches);
    pairs.extend(ascending.into_iter().map(|(a, b)| (a + prefix, b + prefix)));
    let (old_end, new_end) = (old.len() - suffix, new.len() - suffix);
    pairs.extend((0..suffix).map(|index| (old_end + index, new_end + index)));
    pairs
}

/// For each entry of `new`, in order, the same occurrence of it in `old`.
fn occurrences<T: Eq + Hash>(old: &[T], new: &[T]) -> Vec<(usize, usize)> {
    let mut places: HashMap<&T, Vec<usize>> = HashMap::new();
    for (index, entry) in old.iter().enumerate().rev() {
        places.entry(entry).or_default().push(index);
    }
    let mut pairs = Vec::new();
    for (index, entry) in new.iter().enumerate() {
        if let Some(place) = places.get_mut(entry).and_then(Vec::pop) {
            pairs.push((place, index));
        }
    }
    pairs
}

/// The longest subsequence of `pairs` whose first numbers ascend.
fn longest_ascending(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // `tails[n]`: the pair with the smallest first number that ends a run of length n + 1.
    let mut tails: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (index, pair) in pairs.iter().enumerate() {
        let length = tails.partition_point(|tail| pairs[*tail].0 < pair.0);
        previous.push(length.checked_sub(1).map(|before| tails[before]));
        if length == tails.len() {
            tails.push(index);
        } else {
            tails[length] = index;
        }
    }
    let mut run = Vec::with_capacity(tails.len());
    let mut at = tails.last().copied();
    while let Some(index) = at {
        run.push(pairs[index]);
        at = previous[index];
    }
    run.reverse();
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_move_stays() {
        assert_eq!(kept(&[1, 2, 3], &[1, 9, 2, 3]), [(0, 0), (1, 2), (2, 3)]);
        assert_eq!(kept(&[1, 2, 3, 4], &[1, 4]), [(0, 0), (3, 1)]);
        assert_eq!(kept::<u8>(&[], &[1]), []);
        assert_eq!(kept(&[1, 1, 1], &[1, 1]), [(0, 0), (1, 1)]);
    }

    #[test]
    fn one_that_moved_is_the_only_one_that_moves() {
        let pairs = kept(&[0, 1, 2, 3, 4, 5], &[0, 2, 3, 4, 1, 5]);
        assert_eq!(pairs, [(0, 0), (2, 1), (3, 2), (4, 3), (5, 5)]);
    }
}

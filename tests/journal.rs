//! The journal as text: torn, flipped, foreign, two copies.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod journal_common;

use std::fs;
use std::path::Path;

use journal_common::{STATES, used, write};
use safe_apply::transaction::State;
use safe_apply::transaction::journal::{
    Durability, Error, Journal, Record, parse, read, read_both,
};

/// A journal of [`STATES`] in `dir`: its bytes and its records.
fn sample(dir: &Path) -> (Vec<u8>, Vec<Record>) {
    let (durable, volatile) = (dir.join("journal"), dir.join("copy"));
    let mut journal = Journal::create(&durable, &volatile).unwrap();
    write(&mut journal, &STATES, Durability::Required).unwrap();
    (fs::read(&durable).unwrap(), read(&durable).unwrap())
}

#[test]
fn what_is_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, records) = sample(dir.path());
    assert_eq!(fs::read(dir.path().join("copy")).unwrap(), bytes);
    let states: Vec<State> = records.iter().map(|record| record.state.clone()).collect();
    assert_eq!(states, STATES);
    assert!(
        records
            .iter()
            .all(|record| record.deadline_ms == Some(123_456))
    );
    assert_eq!(records[0].detail.lines, ["table ip filter: \"é\"\nchanged"]);
    let (durable, volatile) = (dir.path().join("journal"), dir.path().join("copy"));
    let mut again = Journal::open(&durable, &volatile).unwrap();
    assert_eq!(again.last(), records.last());
    write(&mut again, &[State::Committed], Durability::Required).unwrap();
    assert_eq!(read(&durable).unwrap().len(), STATES.len() + 1);
    assert_eq!(read(&volatile).unwrap().len(), STATES.len() + 1);
    again.retire();
    assert!(!volatile.exists());
    assert_eq!(
        read_both(&durable, &volatile).unwrap().len(),
        STATES.len() + 1
    );
}

#[test]
fn a_journal_cut_anywhere_gives_a_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, records) = sample(dir.path());
    for cut in 0..used(&bytes) {
        let whole_lines = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        // The file ends there, or its reserved space is still empty from there on.
        let mut zeroed = bytes.clone();
        zeroed[cut..].fill(0);
        for torn in [&bytes[..cut], &zeroed] {
            assert_eq!(
                parse(torn, dir.path()).unwrap(),
                records[..whole_lines],
                "cut at {cut}"
            );
        }
    }
}

#[test]
fn a_last_line_with_a_sector_missing_was_never_finished() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, records) = sample(dir.path());
    let mut start = 0;
    let mut tried = 0;
    for (number, line) in bytes[..used(&bytes)]
        .split_inclusive(|byte| *byte == b'\n')
        .enumerate()
    {
        let end = start + line.len();
        // Sectors can reach the disk in any order: the end of the line without its beginning.
        let boundary = start.next_multiple_of(512);
        if boundary > start && boundary < end {
            let mut torn = bytes[..end].to_vec();
            torn[start..boundary].fill(0);
            assert_eq!(parse(&torn, dir.path()).unwrap(), records[..number]);
            tried += 1;
        }
        start = end;
    }
    assert!(tried > 0, "a line of the sample crosses a sector");
}

#[test]
fn a_flipped_bit_is_never_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, records) = sample(dir.path());
    let end = used(&bytes);
    for at in 0..end {
        for bit in 0..8 {
            let mut flipped = bytes[..end + 600].to_vec();
            flipped[at] ^= 1 << bit;
            match parse(&flipped, dir.path()) {
                Err(Error::Corrupt { .. }) => {}
                Err(error) => panic!("byte {at} bit {bit}: {error}"),
                // The case of a digit of the checksum means nothing.
                Ok(read) if read == records => {}
                // A NUL at a sector's end in the last line cannot be told from an empty sector.
                Ok(read) => {
                    assert_eq!(read, records[..STATES.len() - 1], "byte {at} bit {bit}");
                    assert!(
                        flipped[at] == 0 && (at + 1) % 512 == 0,
                        "byte {at} bit {bit}"
                    );
                }
            }
        }
    }
    for at in end..end + 600 {
        let mut flipped = bytes[..end + 600].to_vec();
        flipped[at] ^= 1;
        assert_eq!(
            parse(&flipped, dir.path()).unwrap(),
            records,
            "padding at {at}"
        );
    }
}

#[test]
fn lines_of_other_journals_do_not_fit_in() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, _) = sample(dir.path());
    let lines: Vec<&[u8]> = bytes[..used(&bytes)]
        .split_inclusive(|byte| *byte == b'\n')
        .collect();
    for wrong in [
        [lines[0], lines[2]].concat(),
        [lines[1]].concat(),
        [lines[0], lines[0]].concat(),
        [lines[1], lines[0]].concat(),
    ] {
        let read = parse(&wrong, dir.path());
        assert!(matches!(read, Err(Error::Corrupt { .. })), "{read:?}");
    }
}

#[test]
fn a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_, records) = sample(dir.path());
    let mut record = records[0].clone();
    record.version = 2;
    let json = serde_json::to_string(&record).unwrap();
    let line = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
    let read = parse(line.as_bytes(), dir.path());
    assert!(
        matches!(read, Err(Error::Version { version: 2, .. })),
        "{read:?}"
    );
}

#[test]
fn of_two_copies_the_better_one_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, records) = sample(dir.path());
    let (durable, volatile) = (dir.path().join("journal"), dir.path().join("copy"));
    let short = &bytes[..used(&bytes) - 10];
    let mut damaged = bytes.clone();
    damaged[20] ^= 1;
    for other in [short, &damaged[..], b""] {
        fs::write(&durable, other).unwrap();
        assert_eq!(read_both(&durable, &volatile).unwrap(), records);
        fs::write(&durable, &bytes).unwrap();
        fs::write(&volatile, other).unwrap();
        assert_eq!(read_both(&durable, &volatile).unwrap(), records);
        fs::write(&volatile, &bytes).unwrap();
    }
    fs::remove_file(&volatile).unwrap();
    assert_eq!(read_both(&durable, &volatile).unwrap(), records);
    fs::write(&durable, &damaged).unwrap();
    let both = read_both(&durable, &volatile);
    assert!(
        matches!(both, Err(Error::Corrupt { line: 1, .. })),
        "{both:?}"
    );
}

#[test]
fn where_two_copies_disagree_the_record_that_counted_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str, last: State| {
        let (one, two) = (dir.path().join(name), dir.path().join(format!("{name}2")));
        let mut journal = Journal::create(&one, &two).unwrap();
        write(&mut journal, &STATES[..4], Durability::Required).unwrap();
        write(&mut journal, &[last], Durability::Required).unwrap();
        one
    };
    // A commit that the disk took but could not sync did not count: a rollback followed.
    let durable = make("durable", State::Committed);
    let volatile = make("volatile", STATES[4].clone());
    let records = read_both(&durable, &volatile).unwrap();
    assert_eq!(records.last().unwrap().state, STATES[4]);
}

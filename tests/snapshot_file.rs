//! A snapshot on disk: what is damaged is noticed.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::fs;
use std::path::Path;

use safe_apply::checkpoint::{FileError, Snapshot, load, save};
use safe_apply::exec::Run;
use safe_apply::netns::NetNs;

fn sample() -> Snapshot {
    NetNs::scratch()
        .unwrap()
        .enter(|| {
            let script = "table inet t { set s { type ipv4_addr; elements = { 192.0.2.1 } }; chain c { type filter hook input priority 0; policy drop; ip saddr @s counter packets 7 bytes 9 accept; }; }";
            Run::tool("nft").unwrap().args(["-f", "-"]).stdin(script).success().unwrap();
            Snapshot::capture().unwrap()
        })
        .unwrap()
}

fn error(path: &Path, bytes: &[u8]) -> FileError {
    fs::write(path, bytes).unwrap();
    load(path).unwrap_err()
}

#[test]
fn round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    for snapshot in [sample(), Snapshot::default()] {
        save(&snapshot, &path).unwrap();
        assert_eq!(load(&path).unwrap(), snapshot);
    }
}

#[test]
fn every_truncation_and_every_flipped_bit_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    save(&sample(), &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        let error = error(&path, &bytes[..length]);
        assert!(
            matches!(error, FileError::Damaged { .. } | FileError::Format { .. }),
            "{length}: {error}"
        );
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let error = error(&path, &flipped);
        assert!(
            matches!(error, FileError::Damaged { .. } | FileError::Format { .. }),
            "{at}: {error}"
        );
    }
    let longer = [&bytes[..], b"\0"].concat();
    assert!(matches!(error(&path, &longer), FileError::Damaged { .. }));
}

#[test]
fn another_version_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    save(&Snapshot::default(), &path).unwrap();
    let text = fs::read(&path).unwrap();
    let at = text.iter().position(|byte| *byte == b'\n').unwrap() - 1;
    let mut other = text.clone();
    other[at] += 1;
    assert!(matches!(error(&path, &other), FileError::Format { .. }));
    fs::remove_file(&path).unwrap();
    assert!(matches!(load(&path), Err(FileError::Read { .. })));
}

#[test]
fn a_disk_that_does_not_take_it_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("no/such/dir/checkpoint");
    assert!(matches!(
        save(&Snapshot::default(), &gone),
        Err(FileError::Write(_))
    ));
}

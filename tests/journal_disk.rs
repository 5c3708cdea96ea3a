//! The journal on a disk that is full, read-only or hangs, from the start or later on.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod frozen_disk;
mod journal_common;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use frozen_disk::{FREEZE, MAKE, thaw_later};
use journal_common::{STATES, used, write};
use rustix::io::Errno;
use safe_apply::transaction::State;
use safe_apply::transaction::journal::{
    Detail, Durability, Error, Journal, Record, read, read_both,
};

/// Makes a directory on which this thread alone sees what it mounts.
fn on_own_mounts(work: impl FnOnce(&Path) + Send) {
    use rustix::mount::{MountPropagationFlags, mount_change};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    std::thread::scope(|scope| {
        let done = scope.spawn(move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
            mount_change(
                "/",
                MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
            )
            .unwrap();
            work(&path);
        });
        done.join().unwrap();
    });
}

fn on_small_disk(work: impl FnOnce(&Path) + Send) {
    use rustix::mount::{MountFlags, mount};
    on_own_mounts(|path| {
        let (kind, size) = ("tmpfs", Some(c"size=512k"));
        mount(kind, path, kind, MountFlags::empty(), size).unwrap();
        work(path);
    });
}

fn remount_read_only(path: &Path) {
    use rustix::mount::{MountFlags, mount_remount};
    let until = Instant::now() + Duration::from_secs(20);
    // A program that another test is just starting has all files of this process for a moment.
    while mount_remount(path, MountFlags::RDONLY, "") == Err(Errno::BUSY) {
        assert!(Instant::now() < until, "something still writes there");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(fs::write(path.join("more"), "").is_err());
}

#[test]
fn a_disk_that_fills_up_later_does_not_stop_it() {
    on_small_disk(|disk| {
        let (durable, volatile) = (disk.join("journal"), disk.join("copy"));
        let mut journal = Journal::create(&durable, &volatile).unwrap();
        let filled = fs::write(disk.join("filler"), vec![1_u8; 1 << 20]);
        assert!(filled.is_err(), "the disk is full");
        write(&mut journal, &STATES, Durability::Required).unwrap();
        assert_eq!(read(&durable).unwrap().len(), STATES.len());
        // A successor opens it on the full disk.
        let mut again = Journal::open(&durable, &volatile).unwrap();
        write(&mut again, &[State::Committed], Durability::Required).unwrap();
        assert_eq!(read(&durable).unwrap().len(), STATES.len() + 1);
    });
}

#[test]
fn a_full_disk_is_no_place_for_a_new_one() {
    on_small_disk(|disk| {
        assert!(fs::write(disk.join("filler"), vec![1_u8; 1 << 20]).is_err());
        let made = Journal::create(&disk.join("journal"), &disk.join("copy"));
        assert!(matches!(made, Err(Error::Io { .. })), "{made:?}");
    });
}

#[test]
fn read_only_a_commit_does_not_count_and_a_rollback_does() {
    let run = tempfile::tempdir().unwrap();
    let volatile = run.path().join("copy");
    on_small_disk(|disk| {
        let durable = disk.join("journal");
        let mut journal = Journal::create(&durable, &volatile).unwrap();
        write(&mut journal, &STATES[..4], Durability::Required).unwrap();
        drop(journal);
        remount_read_only(disk);
        let mut journal = Journal::open(&durable, &volatile).unwrap();
        let commit = write(&mut journal, &[State::Committed], Durability::Required);
        assert!(matches!(commit, Err(Error::Io { .. })), "{commit:?}");
        assert_eq!(journal.last().unwrap().state, STATES[3]);
        let rollback = write(&mut journal, &STATES[4..], Durability::BestEffort);
        assert!(rollback.is_err(), "it is told, and counts");
        write(&mut journal, &STATES[5..], Durability::BestEffort).unwrap_err();
        journal.retire();
        let states = |records: Vec<Record>| -> Vec<State> {
            records.into_iter().map(|record| record.state).collect()
        };
        assert_eq!(states(read(&durable).unwrap()), STATES[..4]);
        assert_eq!(states(read_both(&durable, &volatile).unwrap()), STATES);
    });
}

#[test]
fn a_disk_that_comes_back_is_brought_up_to_date() {
    on_small_disk(|disk| {
        let (durable, volatile) = (disk.join("journal"), disk.join("copy"));
        let mut journal = Journal::create(&durable, &volatile).unwrap();
        write(&mut journal, &STATES[..4], Durability::Required).unwrap();
        let filler = disk.join("filler");
        assert!(fs::write(&filler, vec![1_u8; 1 << 20]).is_err());
        // More than the space that is reserved.
        let long = Detail {
            error: Some("x".repeat(200 << 10)),
            ..Detail::default()
        };
        let written = journal.append(&STATES[4], None, long.clone(), Durability::BestEffort);
        assert!(written.is_err(), "the disk is full");
        fs::remove_file(&filler).unwrap();
        write(&mut journal, &STATES[5..], Durability::BestEffort).unwrap();
        let records = read(&durable).unwrap();
        let states: Vec<State> = records.iter().map(|one| one.state.clone()).collect();
        assert_eq!(states, STATES);
        assert_eq!(records[4].detail, long);
    });
}

#[test]
fn a_record_that_does_not_count_leaves_nothing_behind() {
    on_small_disk(|disk| {
        let (durable, volatile) = (disk.join("journal"), disk.join("copy"));
        let mut journal = Journal::create(&durable, &volatile).unwrap();
        write(&mut journal, &STATES[..4], Durability::Required).unwrap();
        let before = fs::read(&durable).unwrap();
        assert!(fs::write(disk.join("filler"), vec![1_u8; 1 << 20]).is_err());
        let long = Detail {
            error: Some("x".repeat(200 << 10)),
            ..Detail::default()
        };
        let commit = journal.append(&State::Committed, None, long, Durability::Required);
        assert!(matches!(commit, Err(Error::Io { .. })), "{commit:?}");
        let after = fs::read(&durable).unwrap();
        assert_eq!(after[..used(&before)], before[..used(&before)]);
        assert!(after[used(&before)..].iter().all(|byte| *byte == 0));
        // For what does count there is room still.
        write(&mut journal, &STATES[4..5], Durability::Required).unwrap();
        let records = read(&durable).unwrap();
        let states: Vec<State> = records.into_iter().map(|one| one.state).collect();
        assert_eq!(states, STATES[..5]);
    });
}

#[test]
fn a_disk_that_hangs_holds_nothing_up() {
    on_own_mounts(|path| {
        let disk = path.join("disk");
        let shown = disk.to_str().unwrap();
        let shell = |script: &str| {
            let done = Command::new("sh").args(["-c", script, shown]).status();
            assert!(done.unwrap().success());
        };
        shell(MAKE);
        let (durable, volatile) = (disk.join("journal"), path.join("copy"));
        let mut journal = Journal::create(&durable, &volatile).unwrap();
        write(&mut journal, &STATES[..4], Durability::Required).unwrap();
        let thaw = thaw_later(Command::new("sh"), shown);
        shell(&format!("{FREEZE} $0"));
        let timed_out = |written: Result<(), Error>| match written {
            Err(Error::Io { source, .. }) => assert_eq!(source.kind(), ErrorKind::TimedOut),
            other => panic!("{other:?}"),
        };
        timed_out(write(
            &mut journal,
            &[State::Committed],
            Durability::Required,
        ));
        assert_eq!(journal.last().unwrap().state, STATES[3]);
        for state in &STATES[4..] {
            let known = journal.last().unwrap().sequence;
            let state = std::slice::from_ref(state);
            timed_out(write(&mut journal, state, Durability::BestEffort));
            assert_eq!(journal.last().unwrap().sequence, known + 1);
        }
        let states = |records: Vec<Record>| -> Vec<State> {
            records.into_iter().map(|record| record.state).collect()
        };
        assert_eq!(states(read_both(&durable, &volatile).unwrap()), STATES);
        // A successor gets no answer either, and goes on where this one was.
        let heir = Journal::open(&durable, &volatile).unwrap();
        assert_eq!(heir.last(), journal.last());
        drop(thaw);
        // One that was taken late and did not count is gone again.
        let answered = (0..1000)
            .position(|_| write(&mut journal, &STATES[5..], Durability::BestEffort).is_ok());
        let taken = states(read(&durable).unwrap());
        assert_eq!(taken[..STATES.len()], STATES);
        assert_eq!(taken.len(), STATES.len() + answered.unwrap() + 1);
        assert!(!taken.contains(&State::Committed));
    });
}

//! Writing atomically: modes, owners, symlinks, backups, a full disk.

#![allow(clippy::panic, clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use safe_apply::candidate::Kind;
use safe_apply::persist::{Error, Plan, Write, Written, write};

fn one(path: &Path, content: &str) -> Write {
    Write {
        path: path.to_owned(),
        content: content.to_owned(),
        kind: Kind::IptablesV4,
        mode: 0o640,
    }
}

fn write_all(writes: Vec<Write>) -> Result<Vec<Written>, Error> {
    write(&Plan {
        writes,
        notes: Vec::new(),
    })
}

fn write_one(path: &Path, content: &str) -> Written {
    write_all(vec![one(path, content)]).unwrap().remove(0)
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_new_file_gets_its_directory_and_mode() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("etc/iptables/rules.v4");
    let written = write_one(&path, "new\n");
    assert_eq!(
        written,
        Written {
            path: path.clone(),
            backup: None
        }
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o640);
    assert_eq!(names(path.parent().unwrap()), ["rules.v4"]);
}

#[test]
fn mode_and_owner_are_kept_and_the_old_file_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nftables.conf");
    fs::write(&path, "old\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o751)).unwrap();
    chown(&path, Some(7), Some(9)).unwrap();
    let backup = write_one(&path, "new\n").backup.unwrap();
    for (file, content) in [(&path, "new\n"), (&backup, "old\n")] {
        let meta = file.metadata().unwrap();
        assert_eq!(
            (meta.mode() & 0o7777, meta.uid(), meta.gid()),
            (0o751, 7, 9)
        );
        assert_eq!(fs::read_to_string(file).unwrap(), content);
    }
    let name = backup.file_name().unwrap().to_str().unwrap();
    let stamp = name
        .strip_prefix("nftables.conf.safe-apply-backup-")
        .unwrap();
    assert!(stamp.len() == 16 && stamp.ends_with('Z'), "{stamp}");
}

#[test]
fn backups_of_one_second_do_not_overwrite_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rules.v4");
    fs::write(&path, "0").unwrap();
    let backups: Vec<PathBuf> = ["1", "2", "3"]
        .iter()
        .map(|content| write_one(&path, content).backup.unwrap())
        .collect();
    let kept: Vec<String> = backups
        .iter()
        .map(|one| fs::read_to_string(one).unwrap())
        .collect();
    assert_eq!(kept, ["0", "1", "2"]);
}

#[test]
fn the_same_content_needs_no_backup() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rules.v4");
    fs::write(&path, "same\n").unwrap();
    assert_eq!(write_one(&path, "same\n").backup, None);
    assert_eq!(names(dir.path()), ["rules.v4"]);
}

#[test]
fn symlinks_stay_and_what_they_point_to_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().join("real");
    fs::create_dir(&real).unwrap();
    fs::write(real.join("rules"), "old").unwrap();
    symlink("real/rules", dir.path().join("middle")).unwrap();
    symlink("middle", dir.path().join("link")).unwrap();
    let link = dir.path().join("link");
    let written = write_one(&link, "new");
    assert_eq!(written.path, real.join("rules"));
    assert!(written.backup.unwrap().starts_with(&real));
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&link).unwrap(), "new");

    symlink("real/later", dir.path().join("dangling")).unwrap();
    let written = write_one(&dir.path().join("dangling"), "made");
    assert_eq!(fs::read_to_string(&written.path).unwrap(), "made");
    assert_eq!(written.path, real.join("later"));

    symlink("loop", dir.path().join("loop")).unwrap();
    let error = write_all(vec![one(&dir.path().join("loop"), "x")]).unwrap_err();
    assert!(error.to_string().contains("not written"), "{error}");
}

#[test]
fn nothing_is_replaced_when_one_file_cannot_be_staged() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good");
    fs::write(&good, "old").unwrap();
    let error = write_all(vec![one(&good, "new"), one(Path::new("/dev/null"), "x")]).unwrap_err();
    assert!(
        matches!(&error, Error::NotWritten { path, .. } if path == Path::new("/dev/null")),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&good).unwrap(), "old");
    assert_eq!(names(dir.path()), ["good"]);
}

/// Sizes a file system that this thread alone sees.
fn with_small_disk(work: impl FnOnce(&Path) + Send) {
    use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
            mount_change(
                "/",
                MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
            )
            .unwrap();
            mount(
                "none",
                dir.path(),
                "tmpfs",
                MountFlags::empty(),
                c"size=64k",
            )
            .unwrap();
            work(dir.path());
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    with_small_disk(|disk| {
        let path = disk.join("rules.v4");
        fs::write(&path, "old\n").unwrap();
        let error = write_all(vec![one(&path, &"x".repeat(256 * 1024))]).unwrap_err();
        let Error::NotWritten { source, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old\n");
        assert_eq!(names(disk), ["rules.v4"]);
        assert!(write_one(&path, "small\n").backup.is_some());
    });
}

#[test]
fn an_error_names_what_was_replaced_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join("first");
    let second = dir.path().join("first/second");
    let error = write_all(vec![one(&second, "b"), one(&first, "a")]).unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
    let error = Error::NotWritten {
        path: second,
        source: std::io::ErrorKind::StorageFull.into(),
        done: vec![first.clone()],
    };
    assert!(
        error
            .to_string()
            .ends_with(&format!("; already in place: {}", first.display()))
    );
}

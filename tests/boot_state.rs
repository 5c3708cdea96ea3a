//! What is loaded at boot is kept and brought back: content, owner, mode, times, attributes, links.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{XattrFlags, getxattr, setxattr};
use safe_apply::boot_state::{Author, BootState, Outcome, export, lines, load, restore, save};
use safe_apply::paths::Paths;
use tempfile::TempDir;

struct Root {
    dir: TempDir,
}

impl Root {
    /// A host with ufw installed and disabled, and rules of netfilter-persistent.
    fn new() -> Self {
        let root = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        root.write("etc/ufw/ufw.conf", "ENABLED=no\n");
        root.write("etc/ufw/user.rules", "*filter\nCOMMIT\n");
        root.write("etc/iptables/rules.v4", "*filter\nCOMMIT\n");
        let wants = root.at("etc/systemd/system/multi-user.target.wants");
        fs::create_dir_all(&wants).unwrap();
        symlink("/lib/systemd/system/ssh.service", wants.join("ssh.service")).unwrap();
        fs::set_permissions(root.at("etc/ufw/user.rules"), Permissions::from_mode(0o640)).unwrap();
        chown(root.at("etc/ufw/user.rules"), Some(12), Some(34)).unwrap();
        root
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join("root").join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    fn capture(&self) -> BootState {
        BootState::capture(&Paths {
            state: self.dir.path().join("state"),
            run: self.dir.path().join("run"),
            config: self.dir.path().join("none"),
            root: self.dir.path().join("root"),
        })
        .unwrap()
    }

    fn replaced(&self) -> PathBuf {
        self.dir.path().join("replaced")
    }

    fn restore(&self, before: &BootState, applied: Option<&BootState>) -> Outcome {
        let author = applied.map_or(Author::Unknown, Author::Ours);
        restore(before, author, &self.replaced())
    }
}

/// Mode, owner, group and time of change of a file or link.
fn look(path: &Path) -> (u32, u32, u32, i64, i64) {
    let meta = fs::symlink_metadata(path).unwrap();
    let time = (meta.mtime(), meta.mtime_nsec());
    (meta.mode(), meta.uid(), meta.gid(), time.0, time.1)
}

#[test]
fn what_a_command_changed_comes_back_exactly() {
    let root = Root::new();
    let rules = root.at("etc/ufw/user.rules");
    let conf = root.at("etc/ufw/ufw.conf");
    let old = SystemTime::UNIX_EPOCH + Duration::new(1_500_000_000, 123_456_789);
    fs::File::open(&rules).unwrap().set_modified(old).unwrap();
    symlink("rules.v4", root.at("etc/iptables/alias")).unwrap();
    lchown(root.at("etc/iptables/alias"), Some(56), Some(78)).unwrap();
    setxattr(&rules, "user.note", b"kept", XattrFlags::empty()).unwrap();
    let dir_time = look(&root.at("etc/ufw"));
    let (looked, linked) = (look(&rules), look(&root.at("etc/iptables/alias")));
    let before = root.capture();

    // As `ufw enable` and `systemctl enable` do, and worse.
    fs::write(&conf, "ENABLED=yes\n").unwrap();
    fs::remove_file(&rules).unwrap();
    fs::write(&rules, "*filter\n-A ufw-user-input -j DROP\nCOMMIT\n").unwrap();
    root.write("etc/ufw/new.d/deep/file", "x");
    fs::remove_file(root.at("etc/iptables/alias")).unwrap();
    fs::remove_dir_all(root.at("etc/iptables")).unwrap();
    symlink(
        "/lib/systemd/system/ufw.service",
        root.at("etc/systemd/system/multi-user.target.wants/ufw.service"),
    )
    .unwrap();
    let applied = root.capture();
    assert_eq!(
        lines(&before, &applied).len(),
        9,
        "{:?}",
        lines(&before, &applied)
    );

    let outcome = root.restore(&before, Some(&applied));
    assert!(outcome.differences.is_empty(), "{outcome:?}");
    assert!(
        outcome.drift.is_empty() && outcome.left.is_empty(),
        "{outcome:?}"
    );
    assert!(outcome.enablement());
    assert!(root.capture().equals(&before));
    assert_eq!(root.read("etc/ufw/ufw.conf"), "ENABLED=no\n");
    assert_eq!(look(&rules), looked);
    assert_eq!(look(&root.at("etc/iptables/alias")), linked);
    assert_eq!(look(&root.at("etc/ufw")), dir_time);
    let mut value = [0; 16];
    let length = getxattr(&rules, "user.note", &mut value).unwrap();
    assert_eq!(&value[..length], b"kept");
    assert!(!root.at("etc/ufw/new.d").exists());
    let wants = root.at("etc/systemd/system/multi-user.target.wants");
    assert!(wants.join("ufw.service").symlink_metadata().is_err());
    assert!(wants.join("ssh.service").symlink_metadata().is_ok());
    let copy = root.replaced().join("etc/ufw/user.rules");
    assert!(fs::read_to_string(copy).unwrap().contains("DROP"));
    let again = root.restore(&before, Some(&applied));
    assert!(
        again.restored.is_empty() && again.differences.is_empty(),
        "{again:?}"
    );
}

#[test]
fn what_others_changed_is_left_or_reported_and_saved() {
    let root = Root::new();
    let before = root.capture();
    root.write("etc/ufw/user.rules", "by the command\n");
    let applied = root.capture();
    root.write("etc/ufw/user.rules", "by somebody else\n");
    root.write("etc/iptables/rules.v4", "saved meanwhile\n");
    let outcome = root.restore(&before, Some(&applied));
    assert_eq!(outcome.drift, ["/etc/ufw/user.rules: changed"]);
    assert_eq!(outcome.left, ["/etc/iptables/rules.v4: changed"]);
    assert_eq!(root.read("etc/ufw/user.rules"), "*filter\nCOMMIT\n");
    assert_eq!(root.read("etc/iptables/rules.v4"), "saved meanwhile\n");
    let copy = root.replaced().join("etc/ufw/user.rules");
    assert_eq!(fs::read_to_string(copy).unwrap(), "by somebody else\n");
    let originals = root.dir.path().join("originals");
    export(&before, &originals).unwrap();
    let original = originals.join("etc/iptables/rules.v4");
    assert_eq!(fs::read_to_string(original).unwrap(), "*filter\nCOMMIT\n");
}

#[test]
fn a_command_that_never_ended_is_undone_in_full() {
    let root = Root::new();
    let before = root.capture();
    root.write("etc/ufw/ufw.conf", "ENABLED=yes\n");
    root.write("etc/nftables.conf", "flush ruleset\n");
    let outcome = root.restore(&before, None);
    assert_eq!(outcome.restored.len(), 2, "{outcome:?}");
    assert!(root.capture().equals(&before));
    assert!(!root.at("etc/nftables.conf").exists());
}

#[test]
fn a_package_that_was_installed_stays_and_is_not_started_at_boot() {
    let root = Root::new();
    let before = root.capture();
    root.write("etc/firewalld/firewalld.conf", "DefaultZone=public\n");
    let wanted = root.at("etc/systemd/system/multi-user.target.wants/firewalld.service");
    symlink("/lib/systemd/system/firewalld.service", &wanted).unwrap();
    let applied = root.capture();
    let outcome = root.restore(&before, Some(&applied));
    assert_eq!(outcome.kept.len(), 2, "{outcome:?}");
    assert!(outcome.differences.is_empty(), "{outcome:?}");
    assert!(root.at("etc/firewalld/firewalld.conf").exists());
    assert!(wanted.symlink_metadata().is_err());
}

#[test]
fn the_file_behind_a_link_counts() {
    let root = Root::new();
    root.write("srv/rules.nft", "flush ruleset\n");
    symlink("/srv/rules.nft", root.at("etc/nftables.conf")).unwrap();
    let before = root.capture();
    root.write("srv/rules.nft", "# nothing\n");
    let applied = root.capture();
    assert_eq!(lines(&before, &applied), ["/srv/rules.nft: changed"]);
    assert!(root.restore(&before, Some(&applied)).differences.is_empty());
    assert_eq!(root.read("srv/rules.nft"), "flush ruleset\n");
    assert!(root.at("etc/nftables.conf").is_symlink());
}

#[test]
fn links_of_all_inits_count_and_others_do_not() {
    let root = Root::new();
    let before = root.capture();
    for (path, counts) in [
        ("etc/systemd/system/nftables.service", true),
        (
            "etc/systemd/system/sysinit.target.wants/nftables.service",
            true,
        ),
        (
            "etc/systemd/system/multi-user.target.wants/nginx.service",
            false,
        ),
        ("etc/systemd/system/nginx.service", false),
        ("etc/runlevels/default/iptables", true),
        ("etc/runlevels/default/sshd", false),
        ("etc/rcS.d/S07ufw", true),
        ("etc/rcS.d/S07kmod", false),
        ("etc/ufw/rules.safe-apply-backup-20260101T000000Z", false),
    ] {
        fs::create_dir_all(root.at(path).parent().unwrap()).unwrap();
        symlink("/dev/null", root.at(path)).unwrap();
        let changed = lines(&before, &root.capture());
        let named = changed
            .iter()
            .any(|line| line.starts_with(&format!("/{path}: ")));
        assert_eq!(named, counts, "{path}: {changed:?}");
    }
}

#[test]
fn what_cannot_be_brought_back_is_a_difference() {
    let root = Root::new();
    let large = fs::File::create(root.at("etc/iptables/ipsets")).unwrap();
    large.set_len(100 * 1024 * 1024).unwrap();
    let before = root.capture();
    let named: Vec<PathBuf> = before.too_large().collect();
    assert_eq!(named, [PathBuf::from("/etc/iptables/ipsets")]);
    fs::remove_file(root.at("etc/iptables/ipsets")).unwrap();
    let outcome = root.restore(&before, None);
    assert_eq!(outcome.differences.len(), 1, "{outcome:?}");
    assert!(outcome.differences[0].contains("too large"), "{outcome:?}");
}

#[test]
fn a_file_that_is_mounted_over_is_written_in_place() {
    use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
    let root = Root::new();
    let before = root.capture();
    let file = root.at("etc/ufw/ufw.conf");
    let source = root.dir.path().join("mounted");
    fs::write(&source, "ENABLED=yes\n").unwrap();
    // The mount is seen by one thread only, and gone with it.
    let outcome = std::thread::scope(|scope| {
        let mounted = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            mount_change("/", private).unwrap();
            mount_bind(&source, &file).unwrap();
            root.restore(&before, None)
        });
        mounted.join().unwrap()
    });
    assert!(outcome.differences.is_empty(), "{outcome:?}");
    assert_eq!(fs::read_to_string(source).unwrap(), "ENABLED=no\n");
}

#[test]
fn a_full_disk_costs_nothing_of_what_is_there() {
    use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
    let root = Root::new();
    root.write("etc/nftables.d/a.nft", "");
    let dir = root.at("etc/nftables.d");
    // The mount is seen by one thread only, and gone with it.
    std::thread::scope(|scope| {
        let full = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            mount_change("/", private).unwrap();
            mount("tmpfs", &dir, "tmpfs", MountFlags::empty(), c"size=64k").unwrap();
            let rules = dir.join("a.nft");
            fs::write(&rules, "old\n".repeat(10_000)).unwrap();
            let before = root.capture();
            fs::write(&rules, "new\n").unwrap();
            let filler = fs::File::create(dir.join("filler")).unwrap();
            rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, 50_000).unwrap();
            let outcome = root.restore(&before, None);
            assert_eq!(outcome.differences.len(), 1, "{outcome:?}");
            assert_eq!(fs::read_to_string(&rules).unwrap(), "new\n");
        });
        full.join().unwrap();
    });
}

#[test]
fn it_is_read_back_from_disk_and_damage_is_noticed() {
    let root = Root::new();
    let state = root.capture();
    let file = root.dir.path().join("boot-state");
    save(&state, &file).unwrap();
    assert_eq!(load(&file).unwrap(), state);
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(load(&file).is_err());
}

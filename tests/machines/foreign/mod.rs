//! The static binary on trees that look like other distributions', without systemd, and the RPM.
//!
//! They are made of busybox and what else Debian has; real Alpine and Red Hat machines are not.

mod alone;
mod packaged;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::lab::{Client, Output, Place, eventually, run};
use crate::rules::{BEFORE_V4, GOOD_V4};

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A tree of another distribution, and namespaces in which its programs run; its network has
/// no other end.
struct Foreign {
    place: Place,
}

impl Foreign {
    /// A tree of this kind (`alpine`, `rhel`) without safe-apply.
    #[track_caller]
    fn new(kind: &str) -> Self {
        let place = Place::new("bookworm", &["busybox-static", "musl"]);
        let foreign = Self { place };
        foreign.script(kind);
        foreign
    }

    /// The same with the static binary in `/usr/bin`, and nothing else of ours.
    #[track_caller]
    fn with_binary(kind: &str) -> Self {
        let foreign = Self::new(kind);
        let binary = foreign.inside("usr/bin/safe-apply");
        fs::copy(built("SAFE_APPLY_STATIC"), &binary).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
        foreign
    }

    /// Adds nft, iptables and ipset, and loads rules.
    #[track_caller]
    fn with_rules(self) -> Self {
        self.script("tools");
        self.file("before.v4", BEFORE_V4);
        self.file("good.v4", GOOD_V4);
        self.run("iptables-restore /root/before.v4").exits(0);
        self
    }

    #[track_caller]
    fn script(&self, what: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines/foreign/tree.sh");
        let mut bash = self.place.around("bash");
        bash.arg(script).arg(what);
        run(bash.arg(self.place.root()).arg(self.tree())).exits(0);
    }

    /// The tree as seen in the surroundings.
    fn tree(&self) -> PathBuf {
        self.place.root().with_file_name("foreign")
    }

    /// A path in the tree as seen from here.
    fn inside(&self, path: &str) -> PathBuf {
        let root = self.place.root_from_here();
        root.with_file_name("foreign").join(path)
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.inside("root").join(name), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.inside(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn command(&self, command: &str) -> std::process::Command {
        let mut chroot = self.place.around("chroot");
        chroot.arg(self.tree()).args(["/bin/sh", "-c", command]);
        chroot.env_clear().env("PATH", PATH).env("HOME", "/root");
        chroot
    }

    /// Runs a shell command of the tree's as root.
    #[track_caller]
    fn run(&self, command: &str) -> Output {
        run(&mut self.command(command))
    }

    /// Applies rules; returns when they are live.
    #[track_caller]
    fn live(&self, arguments: &str) -> Client {
        let apply = format!("safe-apply --json {arguments}");
        let mut client = Client::start(&mut self.command(&apply));
        client.wait("live");
        assert!(self.rules().contains("GOOD"));
        client
    }

    #[track_caller]
    fn rules(&self) -> String {
        let saved = self.run("iptables-save").exits(0).out;
        let kept = saved.lines().filter(|line| !line.starts_with('#'));
        let still = kept.map(|line| line.split(" [").next().unwrap_or_default());
        still.collect::<Vec<_>>().join("\n")
    }

    #[track_caller]
    fn comes_back(&self, before: &str) {
        eventually("the old rules are back", || self.rules() == before);
    }

    #[track_caller]
    fn pending(&self) -> serde_json::Value {
        let status = self.run("safe-apply status --json").exits(0).out;
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        status["pending"].clone()
    }
}

/// What a variable of `make test-machines` names.
#[track_caller]
fn built(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable).filter(|path| !path.is_empty());
    path.unwrap_or_else(|| panic!("{variable} names nothing (make test-machines)"))
        .into()
}

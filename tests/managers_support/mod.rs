//! Hosts that are nothing but files, and changes to their rules.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use safe_apply::candidate::Kind;
use safe_apply::checkpoint::Part;
use safe_apply::managers::{Change, Managers, kinds_of, undone};
use safe_apply::nftables::TableId;
use safe_apply::paths::Paths;
use tempfile::TempDir;

pub struct Root {
    dir: TempDir,
    pub paths: Paths,
}

impl Root {
    pub fn of(id: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths {
            state: dir.path().join("state"),
            run: dir.path().join("run"),
            config: dir.path().join("none"),
            root: dir.path().to_owned(),
        };
        let root = Self { dir, paths };
        root.write("etc/os-release", &format!("ID={id}\n"));
        if id != "alpine" {
            fs::create_dir_all(root.at("etc/systemd/system")).unwrap();
        }
        root
    }

    pub fn debian() -> Self {
        Self::of("debian")
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    pub fn link(&self, path: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        symlink("/somewhere", self.at(path)).unwrap();
    }

    pub fn enable(&self, unit: &str) {
        self.link(&format!(
            "etc/systemd/system/multi-user.target.wants/{unit}.service"
        ));
    }

    pub fn run(&self, unit: &str) {
        self.link(&format!("run/systemd/units/invocation:{unit}.service"));
    }

    pub fn enable_ufw(&self) {
        self.write("etc/ufw/ufw.conf", "# ENABLED=no\nENABLED=yes\n");
    }

    pub fn persistent(&self) {
        self.enable("netfilter-persistent");
        for plugin in ["15-ip4tables", "25-ip6tables"] {
            self.write(
                &format!("usr/share/netfilter-persistent/plugins.d/{plugin}"),
                "",
            );
        }
    }

    pub fn managers(&self) -> Managers {
        Managers::survey(&self.paths)
    }

    pub fn undone(&self, change: &Change<'_>) -> Vec<String> {
        undone(&self.managers(), change)
    }
}

pub fn table(family: u8, name: &str) -> Part {
    Part::Nft(TableId {
        family,
        name: name.to_owned(),
    })
}

/// Rule files that touch `touched`, not to be persisted.
pub fn files<'a>(touched: &'a [Part], kinds: &[Kind]) -> Change<'a> {
    Change {
        touched,
        kinds: kinds.iter().copied().collect(),
        persist: false,
        command: None,
        written: &[],
    }
}

pub fn command<'a>(line: &'a str, touched: &'a [Part], written: &'a [PathBuf]) -> Change<'a> {
    Change {
        touched,
        kinds: kinds_of(touched),
        persist: false,
        command: Some(line),
        written,
    }
}

#[track_caller]
pub fn says(lines: &[String], parts: &[&str]) {
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for part in parts {
        assert!(lines[0].contains(part), "{part:?} in {lines:#?}");
    }
}

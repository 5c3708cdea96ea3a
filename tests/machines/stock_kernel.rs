//! The tests that load rule files found in the wild, under Debian's own kernel.
//!
//! They are built here as for `make test` and run in a virtual machine. `SLOW=1` runs every test there that
//! talks to the kernel.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::vm::{Disk, Filesystem, Hardware, Image, Vm, must};

/// What the corpus goes through: loading, nf_tables, legacy tables.
const TESTS: [&str; 3] = ["candidate_corpus", "legacy_tables", "nftables_corpus"];
/// Everything else that meets the kernel.
const TESTS_SLOW: [&str; 22] = [
    "candidate_deadline",
    "candidate_files",
    "candidate_tools",
    "e2e",
    "guardian_faults",
    "ipset_kinds",
    "ipset_sets",
    "ipset_types",
    "netns",
    "nftables_basic",
    "nftables_contention",
    "nftables_force",
    "nftables_members",
    "nftables_moving",
    "nftables_property",
    "persist_live",
    "rehearsal_advice",
    "rehearsal_decide",
    "rehearsal_host",
    "rehearsal_probe",
    "rehearsal_source",
    "rehearsal_stage",
];
/// One test binary, interpreted.
const PATIENCE: Duration = Duration::from_secs(1800);
const DISK_MIB: u32 = 1000;

#[test]
fn the_corpus_passes_with_debians_kernel() {
    let Some(corpus) = std::env::var_os("SAFE_APPLY_CORPUS").map(PathBuf::from) else {
        println!("SAFE_APPLY_CORPUS is not set: no corpus to try");
        return;
    };
    let slow = std::env::var_os("SAFE_APPLY_SLOW").is_some();
    let names: Vec<&str> = (TESTS.iter())
        .chain(TESTS_SLOW.iter().filter(|_| slow))
        .copied()
        .collect();
    let image = Image::debian();
    let hardware = Hardware {
        second_disk: Some(second_disk(image.dir(), &names, &corpus)),
        memory_mib: 2500,
        ..Hardware::of(&image)
    };
    let disk = Disk::new(image.disk(Filesystem::Ext4, DISK_MIB));
    let mut vm = Vm::boot(&hardware, &disk);
    let kernel = vm.run("uname -r").exits(0).out;
    println!("{kernel}");
    assert!(kernel.starts_with("6.1."), "{kernel}");
    let binary = Path::new(env!("CARGO_BIN_EXE_safe-apply"));
    vm.run(&format!(
        "set -e; mount -o ro /dev/vdb /mnt; mount -t tmpfs tmpfs /tmp; install -d -m 0755 /run/sshd
         mkdir -p '{}'; ln -s /mnt/safe-apply '{}'",
        binary.parent().unwrap().display(),
        binary.display()
    ))
    .exits(0);
    let mut failed = Vec::new();
    for name in names {
        let begun = Instant::now();
        let output = vm.run_for(
            &format!(
                "export CI=true SAFE_APPLY_CORPUS=/mnt/corpus RUST_TEST_THREADS=2 HOME=/root
                 export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
                 /mnt/tests/{name} >/tmp/said 2>&1
                 status=$?
                 [ $status = 0 ] || tail -c 20000 /tmp/said
                 grep '^test result:' /tmp/said
                 exit $status"
            ),
            PATIENCE,
        );
        let took = begun.elapsed().as_secs();
        println!(
            "{name}: {took} s, {}",
            output.out.lines().last().unwrap_or_default()
        );
        if output.code != 0 {
            failed.push(format!("{name}:\n{}", output.out));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A disk with the tests, the program and the corpus.
fn second_disk(dir: &Path, names: &[&str], corpus: &Path) -> PathBuf {
    let (content, disk) = (dir.join("second"), dir.join("second-disk"));
    fs::create_dir_all(content.join("tests")).unwrap();
    for (name, executable) in executables(names) {
        fs::copy(executable, content.join("tests").join(name)).unwrap();
    }
    let binary = env!("CARGO_BIN_EXE_safe-apply");
    fs::copy(binary, content.join("safe-apply")).unwrap();
    must(
        Command::new("cp")
            .arg("-a")
            .args([corpus, &content.join("corpus")]),
    );
    let mut mke2fs = Command::new("mke2fs");
    mke2fs
        .args(["-q", "-t", "ext4", "-d"])
        .arg(&content)
        .arg(&disk);
    must(mke2fs.arg("2000M"));
    fs::remove_dir_all(content).unwrap();
    disk
}

/// Builds tests; where cargo has put them.
fn executables(names: &[&str]) -> BTreeMap<String, PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["test", "--locked", "--no-run", "--message-format=json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    for name in names {
        command.args(["--test", name]);
    }
    let output = command.output().expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    let found: BTreeMap<String, PathBuf> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|artifact| {
            let executable = artifact["executable"].as_str()?;
            let name = artifact["target"]["name"].as_str()?;
            Some((name.to_owned(), PathBuf::from(executable)))
        })
        .filter(|(name, _)| names.contains(&name.as_str()))
        .collect();
    assert_eq!(found.len(), names.len(), "{found:?}");
    found
}

//! The same machine without a cut: its clock jumps, its disk fills up, it is rebooted and switched
//! off in the window, all in good order.

use std::time::Duration;

use serde_json::Value;

use super::cuts::{DISK_MIB, image};
use super::inspection::{Holds, Inspection};
use crate::vm::{Disk, Fate, Filesystem, Hardware, Random, Vm};

/// Begins a change to version 2 that nobody confirms, and waits until it is live.
const BEGIN: &str = "set -e
iptables-save -t filter | sed s/v1end/v2end/ >/root/new.v4
safe-apply --detach --no-rehearsal --force --timeout $1 v4:/root/new.v4
iptables-save | grep -q v2end";
/// Fills the root file system to the last block.
const FILL: &str = "fallocate -l $(df --output=avail -B1 / | tail -n 1) /filler || :
! dd if=/dev/zero of=/filler.rest bs=4k 2>/dev/null";
/// A window that only its machine's end comes before.
const LONG: u32 = 900;
/// One that is waited for.
const SHORT: u32 = 45;

fn begin(vm: &mut Vm, timeout: u32) {
    vm.run(&format!("set -- {timeout}\n{BEGIN}")).exits(0);
}

/// Seconds that are left to confirm.
fn left(vm: &mut Vm) -> f64 {
    let status = vm.run("safe-apply status --json").exits(0).out;
    let status: Value = serde_json::from_str(&status).unwrap();
    let left = status["pending"]["remaining_seconds"].as_f64();
    left.unwrap_or_else(|| panic!("{status}"))
}

/// The old rules are live, all records are closed; the reason of the last rollback.
fn rolled_back(vm: &mut Vm) -> String {
    let now = Inspection::of(vm);
    assert_eq!(now.holds("live-v4"), Holds::Version(1), "{now:#?}");
    assert_eq!(now.text("status"), "{\"pending\":null}", "{now:#?}");
    let history: Vec<Value> = serde_json::from_str(now.text("history")).unwrap();
    let id = |entry: &&Value| entry["transaction"].as_str().unwrap().to_owned();
    let newest = history.iter().max_by_key(id).unwrap();
    assert_eq!(newest["outcome"], "rolled_back", "{newest}");
    newest["reason"].as_str().unwrap().to_owned()
}

/// Waits for the end of the window.
fn wait(vm: &mut Vm) {
    vm.run_for(
        "until safe-apply status --json | grep -q '\"pending\":null'; do sleep 1; done",
        Duration::from_secs(300),
    )
    .exits(0);
}

#[test]
fn nothing_that_happens_in_the_window_keeps_the_rules() {
    let image = image();
    let hardware = Hardware::of(&image);
    let disk = Disk::new(image.disk(Filesystem::Ext4, DISK_MIB));
    let mut vm = Vm::boot(&hardware, &disk);
    vm.run("story load 1 1").exits(0);

    // The clock jumps: the countdown goes by the time that has passed since the boot.
    begin(&mut vm, SHORT);
    let whole = f64::from(SHORT);
    vm.run("date -s '+3 days'").exits(0);
    let ahead = left(&mut vm);
    assert!(ahead > 0.0 && ahead <= whole, "{ahead}");
    vm.run("date -s '-6 days'").exits(0);
    let behind = left(&mut vm);
    assert!(behind > 0.0 && behind <= ahead, "{behind}");
    wait(&mut vm);
    vm.run("date -s '+3 days'").exits(0);
    assert_eq!(rolled_back(&mut vm), "not_confirmed");

    begin(&mut vm, SHORT);
    vm.run(FILL).exits(0);
    wait(&mut vm);
    assert_eq!(rolled_back(&mut vm), "not_confirmed");
    vm.run("rm -f /filler /filler.rest").exits(0);

    begin(&mut vm, LONG);
    vm.agent().start("systemctl reboot");
    vm.ready();
    assert_eq!(rolled_back(&mut vm), "terminated");

    begin(&mut vm, LONG);
    vm.agent().start("systemctl poweroff");
    vm.switched_off();
    disk.cut(Fate::Lost, &mut Random::new(0));
    let mut vm = Vm::boot(&hardware, &disk);
    assert_eq!(rolled_back(&mut vm), "terminated");
}

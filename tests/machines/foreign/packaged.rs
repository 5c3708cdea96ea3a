//! The RPM, installed into a tree and removed again by rpm itself.

use super::{Foreign, built};
use crate::lab::{Output, run};

impl Foreign {
    #[track_caller]
    fn rpm(&self, arguments: &[&str]) -> Output {
        let mut rpm = self.place.around("rpm");
        rpm.arg("--root").arg(self.tree());
        run(rpm.args(["--dbpath", "/var/lib/rpm"]).args(arguments))
    }
}

#[test]
fn the_rpm_is_installed_and_removed_after_a_rollback() {
    let foreign = Foreign::new("rhel").with_rules();
    let package = built("SAFE_APPLY_RPM");
    let package = package.to_str().unwrap();
    let before = foreign.rules();
    // What it requires is there, but no package of rpm's owns it.
    foreign.rpm(&["--nodeps", "-i", package]).exits(0);
    assert_eq!(
        foreign
            .rpm(&["--nodeps", "-V", "safe-apply"])
            .exits(0)
            .all(),
        ""
    );
    let unit = foreign.read("usr/lib/systemd/system/safe-apply-recover.service");
    assert!(unit.contains("ExecStart=/usr/bin/safe-apply recover"));
    foreign
        .run("echo 'history = 7' >/etc/safe-apply.toml")
        .exits(0);

    let client = foreign.live("--force --timeout 600 /root/good.v4");
    let guardian = foreign.pending()["guardian_pid"].clone();
    foreign
        .rpm(&["--nodeps", "-U", "--replacepkgs", package])
        .exits(0);
    assert_eq!(foreign.pending()["guardian_pid"], guardian);
    foreign.rpm(&["-e", "safe-apply"]).exits(0);
    client.ends().with(4, "rolled_back");
    assert_eq!(foreign.rules(), before);
    foreign.run("command -v safe-apply").exits(127);
    // The history stays, and settings that were changed are kept aside.
    foreign
        .run("ls /var/lib/safe-apply/transactions/2*")
        .exits(0);
    assert_eq!(foreign.read("etc/safe-apply.toml.rpmsave"), "history = 7\n");
}

//! What a login is told of a pending change, and of one that was rolled back.

use rustix::process::Signal;

use crate::lab::{Backend, Client, Lab, Output, eventually};

const LIVE: &str = "is live but NOT confirmed";
const NOTICE: &str = "/run/safe-apply/notice.json";

impl Lab {
    /// A server with what the package puts below `/etc`.
    fn with_notice() -> Self {
        let lab = Self::with_rules(Backend::Nft);
        for (from, to) in [
            ("login.sh", "/etc/profile.d/safe-apply.sh"),
            ("login.fish", "/etc/fish/conf.d/safe-apply.fish"),
        ] {
            let path = format!("{}/packaging/{from}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            let copy = lab.file(from, text.replace("@BINDIR@", "/usr/local/bin"));
            lab.server(&format!("install -D -m 644 {copy} {to}"))
                .exits(0);
        }
        lab
    }

    /// What a login on a terminal shows until its shell reads end of file.
    #[track_caller]
    fn logs_in(&self, user: &'static str) -> Output {
        self.login().user(user).options(&["-tt"]).shell()
    }

    #[track_caller]
    fn is_told_nothing(&self, user: &'static str) {
        let said = self.logs_in(user).all();
        assert!(!said.contains("firewall"), "{said}");
        assert!(!said.contains("safe-apply"), "{said}");
    }
}

/// Unconfirmed rules are live that let everybody in.
fn live(lab: &Lab, options: &str) -> Client {
    let mut client = lab.apply(&format!("{options} {}", lab.good_v4()));
    client.wait("live");
    client
}

/// The seconds that a login is told are left.
#[track_caller]
fn seconds_left(said: &Output) -> u64 {
    let text = said.all();
    let left = text.split("rolled back in ").nth(1);
    let left = left.and_then(|rest| rest.split(' ').next());
    left.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

#[test]
fn every_new_login_is_told_and_how_it_confirms() {
    let lab = Lab::with_notice();
    lab.is_told_nothing("root");
    let client = live(&lab, "--timeout 60");
    let root = lab.logs_in("root").says(LIVE);
    assert!(root.all().contains("\n    safe-apply confirm"), "{root:?}");
    assert!((1..=60).contains(&seconds_left(&root)), "{root:?}");
    lab.server("safe-apply extend 5m").exits(0);
    let alice = lab.logs_in("alice").says(LIVE).says("change by root");
    assert!(
        alice.all().contains("\n    sudo safe-apply confirm"),
        "{alice:?}"
    );
    assert!((61..=360).contains(&seconds_left(&alice)), "{alice:?}");
    let told = lab.login().user("alice").run("sudo safe-apply confirm");
    told.exits(0);
    client.ends().with(0, "committed");
    for user in ["root", "alice"] {
        lab.is_told_nothing(user);
    }
    lab.server(&format!("test ! -e {NOTICE}")).exits(0);
}

#[test]
fn members_of_the_confirming_group_need_no_sudo() {
    let lab = Lab::with_notice();
    lab.server("echo 'group = \"fwadmin\"' >/etc/safe-apply.toml")
        .exits(0);
    let client = live(&lab, "--timeout 60");
    let bob = lab.logs_in("bob").says(LIVE);
    assert!(bob.all().contains("\n    safe-apply confirm"), "{bob:?}");
    lab.logs_in("alice").says("sudo safe-apply confirm");
    lab.login().user("bob").run("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
}

#[test]
fn what_is_no_login_on_a_terminal_hears_nothing() {
    let lab = Lab::with_notice();
    let _client = live(&lab, "--timeout 60");
    let login = lab.login().user("alice");
    for command in ["true", "sh -lc true", "bash -lc 'printf kept'", "sh -ic :"] {
        let done = login.run(command).exits(0);
        assert!(!done.all().contains("confirm"), "{command}: {done:?}");
    }
    // An interactive shell whose error output is no terminal.
    let done = login
        .options(&["-tt"])
        .run("bash -lic : 2>/tmp/errors; cat /tmp/errors");
    assert!(!done.exits(0).all().contains("confirm"));
    lab.logs_in("alice").says(LIVE);
}

#[test]
fn every_shell_of_a_login_tells() {
    let lab = Lab::with_notice();
    let _client = live(&lab, "--timeout 60");
    // Debian's zsh does not read /etc/profile; the README has this line.
    lab.server("echo '. /etc/profile.d/safe-apply.sh' >>/etc/zsh/zprofile")
        .exits(0);
    // Without it zsh asks its questions for new users.
    lab.server("touch /home/bob/.zshrc").exits(0);
    for shell in ["sh", "bash", "zsh", "fish"] {
        let path = lab.server(&format!("command -v {shell}")).exits(0).out;
        lab.server(&format!("usermod --shell {} bob", path.trim()))
            .exits(0);
        let said = lab.logs_in("bob").says(LIVE).all();
        assert_eq!(said.matches(LIVE).count(), 1, "{shell}: {said}");
        assert!(!said.contains("not found"), "{shell}: {said}");
    }
}

#[test]
fn a_rollback_that_nobody_watched_is_told_until_root_asks() {
    let lab = Lab::with_notice();
    let outcome = "was rolled back (nobody confirmed in time)";
    live(&lab, "--timeout 1").ends().with(3, "rolled_back");
    let alice = lab.logs_in("alice").says(outcome).all();
    assert!(alice.contains("\n    sudo safe-apply show 2"), "{alice}");
    // Scripts that look do not count as somebody who has seen it.
    assert!(lab.pending().is_null());
    lab.newest();
    lab.logs_in("root").says(outcome);
    lab.server("safe-apply status").exits(0).says(outcome);
    for user in ["root", "alice"] {
        lab.is_told_nothing(user);
    }
    let silent = lab.server("safe-apply status").exits(0);
    assert!(!silent.all().contains("rolled back"), "{silent:?}");

    live(&lab, "--timeout 1").ends().with(3, "rolled_back");
    lab.logs_in("alice").says(outcome);
    let id = lab.newest()["transaction"].as_str().unwrap().to_owned();
    lab.server(&format!("safe-apply show {id}")).exits(0);
    lab.is_told_nothing("alice");

    live(&lab, "--timeout 1").ends().with(3, "rolled_back");
    let client = live(&lab, "--timeout 60");
    let next = lab.logs_in("alice").says(LIVE).all();
    assert!(!next.contains(outcome), "{next}");
    lab.server("safe-apply rollback").exits(0);
    client.ends().with(4, "rolled_back");
    lab.is_told_nothing("alice");
}

#[test]
fn a_notice_that_nobody_keeps_up_does_not_lie() {
    let lab = Lab::with_notice();
    let _client = live(&lab, "--timeout 60");
    let (guardian, successor) = lab.guards();
    for signal in [Signal::STOP, Signal::KILL] {
        successor.signal(signal);
        guardian.signal(signal);
    }
    successor.ends();
    guardian.ends();
    lab.server(&format!(
        "sed -i 's/\"deadline_ms\":[0-9]*/\"deadline_ms\":1/' {NOTICE}"
    ))
    .exits(0);
    let late = lab.logs_in("alice").says("nobody has rolled it back");
    assert!(!late.all().contains(LIVE), "{late:?}");
    lab.server("safe-apply recover").exits(0);
    lab.logs_in("alice").says("was rolled back");
}

#[test]
fn after_a_reboot_the_next_login_is_told_what_became_of_it() {
    let lab = Lab::with_notice();
    let mut client = lab.apply(&format!("--force --timeout 60 {}", lab.bad_v4()));
    client.wait("live");
    lab.server(&format!("cp {NOTICE} /run/lab/old")).exits(0);
    lab.reboot();
    lab.load_before();
    // As where /run is on a disk.
    lab.server(&format!("install -D -m 644 /run/lab/old {NOTICE}"))
        .exits(0);
    let early = lab
        .logs_in("alice")
        .says("pending when the host was rebooted");
    assert!(!early.all().contains(LIVE), "{early:?}");
    lab.server("safe-apply recover").exits(0);
    lab.logs_in("alice")
        .says("was rolled back (the host was rebooted before anybody confirmed)");
}

#[test]
fn what_a_shutdown_rolled_back_is_told_after_it() {
    let lab = Lab::with_notice();
    let client = live(&lab, "--timeout 60");
    lab.guards().0.signal(Signal::TERM);
    client.ends().with(4, "rolled_back");
    eventually("nobody is at work", || lab.safe_apply().is_empty());
    lab.reboot();
    lab.load_before();
    lab.is_told_nothing("alice");
    lab.server("umask 077; safe-apply recover").exits(0);
    lab.logs_in("alice")
        .says("was rolled back (the guardian was told to stop)");
    lab.server("safe-apply status; rm -r /run/safe-apply; safe-apply recover")
        .exits(0);
    lab.is_told_nothing("alice");
}

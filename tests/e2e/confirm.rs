//! A confirmation over a new connection is accepted, and says what it saw.

use crate::lab::{Backend, CLIENT_TOO, Lab, SERVER, assert_same, eventually, on_both_backends};

on_both_backends!(
    a_second_login_confirms,
    sudo_does_not_hide_that_the_connection_is_new,
    ipv6_and_another_port_work,
);

fn a_second_login_confirms(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let mut client = lab.apply(&format!("--timeout 60 {}", lab.good_v4()));
    let live = client.wait("live");
    assert_eq!(
        live["confirm"],
        format!("ssh root@{SERVER} safe-apply confirm")
    );
    lab.ssh("safe-apply confirm").exits(0).says("198.51.100.1");
    let ended = client.ends().with(0, "committed");
    let confirmed = ended.all("confirmed");
    assert_eq!(confirmed.len(), 1, "{ended:#?}");
    assert!(
        confirmed[0]["peer"]
            .as_str()
            .unwrap()
            .contains("198.51.100.1")
    );
    assert_eq!(confirmed[0]["forced"], false);
    let now = lab.rules();
    assert!(now.contains("GOODv4") && !now.contains("OLD"), "{now:?}");
    assert!(lab.can_login());
    let newest = lab.newest();
    assert_eq!(newest["outcome"], "committed");
    assert_eq!(newest["forced"], false);
    assert!(
        newest["from"].as_str().unwrap().contains("198.51.100.1"),
        "{newest}"
    );
}

fn sudo_does_not_hide_that_the_connection_is_new(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let alice = lab.login().user("alice");
    let mut older = alice.session();
    let mut client = alice.start(&format!(
        "sudo safe-apply --json --timeout 60 {}",
        lab.good_v4()
    ));
    let live = client.wait("live");
    assert_eq!(
        live["confirm"],
        format!("ssh -t alice@{SERVER} sudo safe-apply confirm")
    );
    older.run("sudo safe-apply confirm").exits(5);
    alice.run("sudo safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
    assert!(lab.rules().contains("GOODv4"));
    let newest = lab.newest();
    assert!(
        newest["user"].as_str().unwrap().contains("alice"),
        "{newest}"
    );
}

fn ipv6_and_another_port_work(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let login = lab.login().v6().options(&["-p", "2222"]);
    let mut older = login.session();
    let files = format!("{} {}", lab.good_v4(), lab.good_v6());
    let mut client = login.start(&format!("safe-apply --json --timeout 60 {files}"));
    let live = client.wait("live");
    assert_eq!(
        live["confirm"],
        "ssh -p 2222 root@2001:db8::2 safe-apply confirm"
    );
    older.run("safe-apply confirm").exits(5);
    login.run("safe-apply confirm").exits(0).says("2001:db8::1");
    client.ends().with(0, "committed");
    let now = lab.rules();
    assert!(now.contains("GOODv4") && now.contains("GOODv6"), "{now:?}");
}

#[test]
fn a_login_through_another_port_or_family_than_the_old_one_is_new() {
    let lab = Lab::with_rules(Backend::Nft);
    let mut client = lab.apply(&format!("--timeout 60 {}", lab.good_v4()));
    client.wait("live");
    lab.login().v6().run("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
}

#[test]
fn a_login_from_another_address_is_named() {
    let lab = Lab::with_rules(Backend::Nft);
    let other = lab.login().options(&["-b", CLIENT_TOO]);
    let mut older = other.session();
    let mut client = lab.apply(&format!("--timeout 60 {}", lab.good_v4()));
    client.wait("live");
    older.run("safe-apply confirm").exits(5);
    other.run("safe-apply confirm").exits(0).says(CLIENT_TOO);
    let ended = client.ends().with(0, "committed");
    assert!(
        ended.all("confirmed")[0]["peer"]
            .as_str()
            .unwrap()
            .contains(CLIENT_TOO)
    );
}

#[test]
fn a_connection_shared_by_sessions_counts_when_it_was_opened_after_the_apply() {
    let lab = Lab::with_rules(Backend::Nft);
    let mut client = lab.apply(&format!("--timeout 60 {}", lab.good_v4()));
    client.wait("live");
    let (_master, path) = lab.login().master("new");
    lab.login()
        .options(&["-S", &path])
        .run("safe-apply confirm")
        .exits(0);
    client.ends().with(0, "committed");
}

#[test]
fn the_waiting_client_shows_a_new_connection() {
    let lab = Lab::with_rules(Backend::Nft);
    let mut client = lab.apply(&format!("--timeout 60 {}", lab.good_v4()));
    client.wait("live");
    let other = lab.login().options(&["-b", CLIENT_TOO]);
    let mut new = other.session();
    let seen = client.wait("connection");
    assert!(
        seen["peer"].as_str().unwrap().contains(CLIENT_TOO),
        "{seen}"
    );
    new.run("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
}

#[test]
fn confirm_by_force_is_recorded() {
    let lab = Lab::with_rules(Backend::Nft);
    let mut session = lab.login().session();
    session
        .run(&format!(
            "safe-apply --detach --timeout 60 {}",
            lab.good_v4()
        ))
        .exits(0);
    session.run("safe-apply confirm").exits(5);
    session.run("safe-apply confirm --force").exits(0);
    assert!(lab.rules().contains("GOODv4"));
    let newest = lab.newest();
    assert_eq!(newest["outcome"], "committed");
    assert_eq!(newest["forced"], true, "{newest}");
}

#[test]
fn confirm_takes_the_id_and_refuses_another() {
    let lab = Lab::with_rules(Backend::Nft);
    let mut client = lab.apply(&format!("--timeout 60 {}", lab.good_v4()));
    let live = client.wait("live");
    let wrong = lab.ssh("safe-apply confirm 20010101-000000-aa");
    assert_ne!(wrong.code, 0, "{wrong:?}");
    assert_ne!(lab.ssh("safe-apply confirm nonsense").code, 0);
    assert!(!lab.pending().is_null());
    let id = live["transaction"].as_str().unwrap();
    lab.ssh(&format!("safe-apply confirm {id}")).exits(0);
    client.ends().with(0, "committed");
    assert_ne!(
        lab.ssh("safe-apply confirm").code,
        0,
        "nothing is pending any more"
    );
}

#[test]
fn tmux_counts_by_the_login_that_is_attached() {
    let lab = Lab::with_rules(Backend::Nft);
    let old = lab
        .login()
        .on_terminal("tmux -L lab -f /dev/null new-session -s work");
    let attached = |count: &str| {
        lab.server("tmux -L lab list-clients 2>/dev/null | wc -l")
            .out
            .trim()
            == count
    };
    eventually("tmux runs", || attached("1"));
    let in_tmux = |name: &str| {
        let code = lab.path(name);
        let line = format!(
            "tmux -L lab send-keys -t work \
             'safe-apply confirm >/run/lab/said 2>&1; echo $? >/run/lab/c && mv /run/lab/c /run/lab/{name}' Enter"
        );
        lab.server(&line).exits(0);
        eventually("confirm has ended", || code.exists());
        let said = std::fs::read_to_string(lab.path("said")).unwrap();
        (
            std::fs::read_to_string(code).unwrap().trim().to_owned(),
            said,
        )
    };
    let mut client = lab.apply(&format!("--timeout 60 {}", lab.good_v4()));
    client.wait("live");
    let (code, said) = in_tmux("first");
    assert_eq!(code, "5", "{said}");
    drop(old);
    eventually("the old login is detached", || attached("0"));
    let _new = lab.login().on_terminal("tmux -L lab attach -t work");
    eventually("the new login is attached", || attached("1"));
    let (code, said) = in_tmux("second");
    assert_eq!(code, "0", "{said}");
    client.ends().with(0, "committed");
}

#[test]
fn equal_rules_need_no_confirmation() {
    let lab = Lab::with_rules(Backend::Nft);
    let before = lab.rules();
    lab.apply("--timeout 60 /run/lab/before.v4")
        .ends()
        .with(0, "committed");
    assert_same(&lab.rules(), &before);
}

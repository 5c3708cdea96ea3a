//! The journal: every event, in structured fields, and a journald that hangs.

use serde_json::Value;

use crate::rules::server;

use super::Guarded;

impl Guarded {
    /// The journal's entries of a transaction, as objects.
    fn entries(&self, id: &str, boot: i32) -> Vec<Value> {
        let command = format!(
            "journalctl --sync; journalctl -o json -b {boot} -t safe-apply SAFE_APPLY_TRANSACTION={id}"
        );
        let printed = self.machine.exec(&command).exits(0).out;
        let entries = printed
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        entries.collect()
    }

    /// The transaction's own event log.
    fn events(&self, id: &str) -> Vec<Value> {
        let log = format!("cat /var/lib/safe-apply/transactions/{id}/events.jsonl");
        let printed = self.machine.exec(&log).exits(0).out;
        let events = printed
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        events.collect()
    }
}

fn names<'v>(values: &'v [Value], key: &str) -> Vec<&'v str> {
    values
        .iter()
        .map(|value| value[key].as_str().unwrap())
        .collect()
}

#[test]
fn every_event_is_in_the_journal_with_its_fields() {
    let it = Guarded::new(server());
    let pending = it.apply("--timeout 10m --persist=/root/kept /lab/good.v4");
    it.machine.ssh("safe-apply confirm").exits(0);
    pending.client.ends().with(0, "committed");
    it.becomes(&pending.unit, "ActiveState", "inactive");
    let (entries, events) = (it.entries(&pending.id, 0), it.events(&pending.id));
    assert_eq!(names(&entries, "SAFE_APPLY_EVENT"), names(&events, "event"));
    for (event, state, priority) in [
        ("live", "awaiting_confirm", "5"),
        ("confirmed", "committed", "5"),
        ("persisted", "committed", "5"),
    ] {
        let entry = entries
            .iter()
            .find(|entry| entry["SAFE_APPLY_EVENT"] == event)
            .unwrap_or_else(|| panic!("no {event}: {entries:#?}"));
        assert_eq!(entry["SAFE_APPLY_STATE"], state);
        assert_eq!(entry["PRIORITY"], priority);
        assert_eq!(entry["_SYSTEMD_UNIT"], pending.unit);
        let message = entry["MESSAGE"].as_str().unwrap();
        assert!(message.starts_with(&pending.id), "{message}");
    }
    // Nothing but events is written, and the message ID finds one kind.
    it.machine
        .exec("journalctl -b 0 MESSAGE_ID=a3ebecf3a70450d2847d9ff173aef38e")
        .exits(0)
        .says("Committed: the new rules are live and stay.");
}

#[test]
fn what_a_boot_has_settled_is_a_clear_line() {
    let mut it = Guarded::new(server());
    let pending = it.apply("--timeout 10m /lab/bad.v4");
    it.machine.kill();
    drop(pending.client);
    it.machine.start();
    let entries = it.entries(&pending.id, 0);
    let outcome = entries
        .iter()
        .find(|entry| entry["SAFE_APPLY_EVENT"] == "rolled_back")
        .unwrap_or_else(|| panic!("{entries:#?}"));
    assert_eq!(outcome["_SYSTEMD_UNIT"], "safe-apply-recover.service");
    assert_eq!(outcome["SAFE_APPLY_STATE"], "rolled_back");
    assert_eq!(outcome["PRIORITY"], "4");
    let message = outcome["MESSAGE"].as_str().unwrap();
    let reason = "Rolled back (the host was rebooted before anybody confirmed)";
    assert!(message.contains(reason), "{message}");
}

#[test]
fn a_journald_that_hangs_holds_nobody_up() {
    let it = Guarded::new(server());
    it.machine
        .exec("systemctl kill --kill-whom=main -s STOP systemd-journald")
        .exits(0);
    // Until its queue takes no more.
    it.machine
        .exec(
            "perl -MSocket -e '
                 socket(S, AF_UNIX, SOCK_DGRAM, 0) or die;
                 my $journald = sockaddr_un(\"/run/systemd/journal/socket\");
                 for (1 .. 100000) {
                     send(S, \"MESSAGE=$_\\n\", MSG_DONTWAIT, $journald) or exit($!{EAGAIN} ? 0 : 2);
                 }
                 exit 1'",
        )
        .exits(0);
    let command = "safe-apply --json --force --timeout 2s /lab/bad.v4";
    let pending = it.live(it.machine.start_on_console(command));
    pending.client.ends().with(3, "rolled_back");
    it.becomes(&pending.unit, "ActiveState", "inactive");
    let events = it.events(&pending.id);
    assert_eq!(events.last().unwrap()["event"], "rolled_back");
    it.machine
        .exec("systemctl kill --kill-whom=main -s CONT systemd-journald")
        .exits(0);
    it.is_as_before();
}

#[test]
fn without_journald_it_is_the_syslog_socket() {
    let it = Guarded::new(server().packages(&["rsyslog"]));
    it.machine
        .exec(
            "systemctl stop systemd-journald.socket systemd-journald-dev-log.socket \
                 systemd-journald-audit.socket systemd-journald.service rsyslog.service syslog.socket
             rm -f /run/systemd/journal/socket /run/systemd/journal/dev-log /dev/log
             printf 'module(load=\"imuxsock\" SysSock.Use=\"on\" SysSock.Name=\"/dev/log\")\n\
             *.* action(type=\"omfile\" file=\"/var/log/all\")\n' >/root/rsyslog.conf
             setsid rsyslogd -n -f /root/rsyslog.conf >/root/rsyslog.out 2>&1 &
             while ! [ -S /dev/log ]; do sleep 0.02; done",
        )
        .exits(0);
    let command = "safe-apply --json --force --timeout 1s /lab/bad.v4";
    let pending = it.live(it.machine.start_on_console(command));
    pending.client.ends().with(3, "rolled_back");
    it.machine.eventually(&format!(
        "grep -q 'safe-apply\\[.*{}: Rolled back (nobody confirmed in time)' /var/log/all",
        pending.id
    ));
    it.is_as_before();
}

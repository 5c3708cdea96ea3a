//! The real firewalld, ufw, fail2ban, netfilter-persistent and nftables.service on the same host.

mod fail2ban;
mod firewalld;
mod loaders;
mod ufw;

use serde_json::Value;

use crate::lab::{Client, Machine};

/// Lets nobody in.
const CLOSED_V4: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
    -A INPUT -i lo -m comment --comment CLOSED -j ACCEPT\nCOMMIT\n";
/// Lets ssh in, and one port more.
const OPEN_V4: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
    -A INPUT -i lo -j ACCEPT\n\
    -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
    -A INPUT -p tcp -m multiport --dports 22,8080 -m comment --comment OPEN -j ACCEPT\nCOMMIT\n";

impl Machine {
    /// Starts to apply files on the console, with options.
    fn apply(&self, files: &str) -> Client {
        self.start_on_console(&format!("safe-apply --json --timeout 120 {files}"))
    }

    /// Starts a shell command under `safe-apply run`, with options; what it prints is no event.
    fn run(&self, options: &str, command: &str) -> Client {
        let run = format!("safe-apply run --json --timeout 120 {options}");
        self.start_on_console(&format!("{run} -- sh -c '{{ {command}; }} >&2'"))
    }

    /// Confirms what is pending over a new connection, and waits for its end.
    #[track_caller]
    fn confirm(&self, client: Client) -> Vec<Value> {
        self.ssh("safe-apply confirm").exits(0);
        client.ends().with(0, "committed").events
    }

    /// Rolls back what is pending, and waits for its end.
    #[track_caller]
    fn roll_back(&self, client: Client) -> Vec<Value> {
        self.exec("safe-apply rollback").exits(0);
        client.ends().with(4, "rolled_back").events
    }

    /// All rules, counters aside.
    fn rules(&self) -> String {
        self.exec("nft -s list ruleset").exits(0).out
    }
}

/// All warnings and all advice, in one text.
fn said(events: &[Value]) -> String {
    let mut said = String::new();
    for event in events {
        if event["event"] == "warning" {
            said += &format!("{}\n", event["message"].as_str().unwrap());
        }
        for advice in event["report"]["advice"].as_array().into_iter().flatten() {
            said += &format!("{}\n", advice["message"].as_str().unwrap());
        }
    }
    said
}

/// Insists that each of `lines` was said once.
#[track_caller]
fn said_once(said: &str, lines: &[&str]) {
    for line in lines {
        assert_eq!(said.matches(line).count(), 1, "{line:?} in:\n{said}");
    }
}

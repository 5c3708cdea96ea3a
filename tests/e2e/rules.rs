//! Rule files of the tests, and the state before.

use crate::lab::{Backend, Lab};

/// The server's rules before: they let ssh in, and have counters that must not be lost.
pub const BEFORE_V4: &str = "*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:OLD - [0:0]
[0:0] -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
[0:0] -A INPUT -p tcp -m multiport --dports 22,2222 -j ACCEPT
[7:700] -A INPUT -s 192.0.2.7/32 -j OLD
[3:333] -A OLD -d 192.0.2.3/32 -m comment --comment \"kept, with its counters\" -j DROP
COMMIT
";
pub const BEFORE_V6: &str = "*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
[0:0] -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
[5:500] -A FORWARD -m comment --comment \"192.0.2.5, kept\" -j DROP
COMMIT
";
/// The classic mistake: ssh moved to a port where no sshd listens.
pub const BAD_V4: &str = "*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp --dport 2022 -m comment --comment MISTAKE -j ACCEPT
COMMIT
";
/// New rules that are right.
pub const GOOD_V4: &str = "*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m multiport --dports 22,2222 -m comment --comment GOODv4 -j ACCEPT
COMMIT
";
pub const GOOD_V6: &str = "*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p ipv6-icmp -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m multiport --dports 22,2222 -m comment --comment GOODv6 -j ACCEPT
COMMIT
";
/// Native rules, replacing nothing of iptables.
pub const GOOD_NFT: &str = "table inet extra
delete table inet extra
table inet extra {
	counter GOODnft { packets 1 bytes 10 }
	chain input {
		type filter hook input priority 10; policy accept;
		ip saddr 192.0.2.99 drop
	}
}
";

impl Lab {
    /// A server with the rules from before, loaded by the backend's tools, and a native table.
    pub fn with_rules(backend: Backend) -> Self {
        let lab = Self::new(backend);
        lab.load_before();
        lab
    }

    /// Loads the rules from before.
    #[track_caller]
    pub fn load_before(&self) {
        self.load("/run/lab/before.v4");
    }

    /// Loads the rules from before, but another file for IPv4.
    #[track_caller]
    pub fn load(&self, file_v4: &str) {
        self.file("before.v4", BEFORE_V4);
        let v6 = self.file("before.v6", BEFORE_V6);
        let native = self.file(
            "before.nft",
            "table inet native {\n\
             \tcounter used { packets 12 bytes 345 }\n\
             \tset banned { type ipv4_addr; elements = { 192.0.2.66 } }\n\
             \tchain pre { type filter hook prerouting priority -5; ip saddr @banned drop; }\n}\n",
        );
        let script = format!(
            "set -e; ipset create old hash:ip bucketsize 12 initval 0x12345678; ipset add old 192.0.2.77\n\
             iptables-restore -c {file_v4}; ip6tables-restore -c {v6}; nft -f {native}"
        );
        self.server(&script).exits(0);
    }

    /// The candidates of the tests, by name.
    pub fn bad_v4(&self) -> String {
        self.file("bad.v4", BAD_V4)
    }

    pub fn good_v4(&self) -> String {
        self.file("good.v4", GOOD_V4)
    }

    pub fn good_v6(&self) -> String {
        self.file("good.v6", GOOD_V6)
    }
}

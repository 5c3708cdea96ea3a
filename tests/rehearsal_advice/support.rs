//! Rules that are live, rules that follow them, and a host.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use safe_apply::candidate::{Candidate, Kind, LoadOptions, Resolved, load_into_namespace};
use safe_apply::checkpoint::Snapshot;
use safe_apply::netns::NetNs;
use safe_apply::rehearsal::advice::{Advised, advise};
use safe_apply::rehearsal::host::{Address, Host, Link, Route};
use safe_apply::rehearsal::limits::{Limited, Limits, Live, limits};
use safe_apply::rehearsal::report::Advice;
use safe_apply::rehearsal::source::Sources;

/// A change of rules.
pub struct Change {
    pub candidates: Vec<Candidate>,
    pub sources: Sources,
    pub before: Snapshot,
    pub after: Snapshot,
    pub host: Host,
    pub live: Live,
    pub noflush: bool,
    pub session: Option<(SocketAddr, SocketAddr)>,
}

pub fn candidate(kind: Kind, text: &str) -> Candidate {
    let name = match kind {
        Kind::IptablesV4 => "rules.v4",
        Kind::IptablesV6 => "rules.v6",
        Kind::Nft => "rules.nft",
        Kind::Ipset => "sets",
    };
    Candidate {
        name: name.to_owned(),
        path: None,
        cwd: PathBuf::from("/"),
        kind,
        bytes: text.as_bytes().to_vec(),
        sha256: [0; 32],
    }
}

/// A host with `ens3` to the outside, both families.
pub fn host() -> Host {
    let link = |index, name: &str| {
        let link = Link {
            index,
            name: name.to_owned(),
            up: true,
            hardware: 1,
            mac: None,
            mtu: 1500,
            group: 0,
            kind: None,
            master: None,
        };
        (index, link)
    };
    let address = |link, ip: &str, scope| Address {
        link,
        ip: ip.parse().unwrap(),
        prefix: 24,
        peer: None,
        scope,
        flags: 0,
    };
    let route = |v6| Route {
        raw: Vec::new(),
        table: 254,
        protocol: 9,
        destination: None,
        v6,
        links: vec![2],
        gateways: Vec::new(),
    };
    Host {
        links: BTreeMap::from([link(1, "lo"), link(2, "ens3")]),
        addresses: vec![
            address(1, "127.0.0.1", 254),
            address(1, "::1", 254),
            address(2, "192.0.2.1", 0),
            address(2, "2001:db8::1", 0),
            address(2, "fe80::1", 253),
        ],
        routes: vec![route(false), route(true)],
        ..Host::default()
    }
}

impl Change {
    /// From `live` to `candidates`, on a host as [`host`].
    pub fn new(live: &[Candidate], candidates: &[Candidate]) -> Self {
        Self::try_new(live, candidates, Resolved::Nft, false).unwrap()
    }

    pub fn legacy(live: &[Candidate], candidates: &[Candidate]) -> Self {
        Self::try_new(live, candidates, Resolved::Legacy, false).unwrap()
    }

    pub fn try_new(
        live: &[Candidate],
        candidates: &[Candidate],
        backend: Resolved,
        noflush: bool,
    ) -> Result<Self, String> {
        let lock = tempfile::tempdir().unwrap();
        let options = |noflush| LoadOptions {
            backend: Some(backend),
            noflush,
            xtables_lock: Some(lock.path().join("lock")),
            deadline: Duration::from_secs(60),
        };
        let (before, after, lists) = NetNs::scratch()
            .unwrap()
            .enter(|| {
                load_into_namespace(live, &options(false)).unwrap();
                let before = Snapshot::capture().unwrap();
                let loaded = load_into_namespace(candidates, &options(noflush));
                loaded.map_err(|error| error.to_string())?;
                Ok::<_, String>((before, Snapshot::capture().unwrap(), Live::read()))
            })
            .unwrap()?;
        Ok(Self {
            sources: Sources::parse(candidates, backend, noflush),
            candidates: candidates.to_vec(),
            before,
            after,
            host: host(),
            live: lists,
            noflush,
            session: None,
        })
    }

    /// Without IPv6.
    pub fn v4_only(mut self) -> Self {
        self.host.addresses.retain(|one| one.ip.is_ipv4());
        self
    }

    /// The user sits at `peer`, and dials port 22 of `local`.
    pub fn session(mut self, peer: &str, local: &str) -> Self {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        self.session = Some(((ip(peer), 50_000).into(), (ip(local), 22).into()));
        self
    }

    pub fn advice(&self) -> Vec<Advice> {
        advise(&Advised {
            candidates: &self.candidates,
            sources: &self.sources,
            checkpoint: &self.before,
            compiled: &self.after,
            host: &self.host,
            noflush: self.noflush,
            session: self.session,
        })
    }

    /// Line and message of each piece, one per line.
    pub fn told(&self) -> String {
        let line = |one: &Advice| {
            let file = one.file.as_deref().unwrap_or("-");
            format!("{file}:{}: {}\n", one.line.unwrap_or(0), one.message)
        };
        self.advice().iter().map(line).collect()
    }

    pub fn limits(&self) -> Limits {
        limits(&Limited {
            sources: &self.sources,
            checkpoint: &self.before,
            rules: &self.after,
            host: &self.host,
            live: &self.live,
        })
    }
}

pub fn v4(rules: &str) -> Candidate {
    candidate(Kind::IptablesV4, rules)
}

pub fn v6(rules: &str) -> Candidate {
    candidate(Kind::IptablesV6, rules)
}

pub fn nft(rules: &str) -> Candidate {
    candidate(Kind::Nft, rules)
}

/// A filter table with this INPUT policy and these rules; OUTPUT accepts.
pub fn filter(policy: &str, rules: &str) -> String {
    format!(
        "*filter\n:INPUT {policy} [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}\nCOMMIT\n"
    )
}

pub const GOOD: &str = "-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp --dport 22 -j ACCEPT";

/// An nft script for both families that begins with a flush.
pub fn inet(rules: &str) -> String {
    format!(
        "flush ruleset\ntable inet f {{\nchain input {{\ntype filter hook input priority 0; policy drop;\n{rules}\n}}\n}}\n"
    )
}

pub const GOOD_NFT: &str = "iif lo accept
ct state vmap { established : accept, related : accept, invalid : drop }
icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
tcp dport { 22, 443 } accept";

/// The advice about rules for an empty firewall.
pub fn told(candidates: &[Candidate]) -> String {
    Change::new(&[], candidates).told()
}

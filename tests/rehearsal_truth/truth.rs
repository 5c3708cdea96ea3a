//! One case from the first rule to the last probe.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use safe_apply::nftables::Ruleset;
use safe_apply::rehearsal::Protocol;
use safe_apply::rehearsal::report::Row;

use crate::case::{Case, File, Tool};
use crate::lab::{HOST, HOST_INSIDE, HOST_V6, Lab, feed, on_a_host};
use crate::measure::{Truth, forget_neighbours, measure, see};
use crate::predict::{Prediction, Predictor, asked};
use crate::probe::Seen;
use crate::session::{Front, Session, Speaker};
use crate::ssh::{Sshd, sshd};

/// The port of a service that listens on one address only.
pub const SPECIFIC_PORT: u16 = 8080;

/// What came of a case.
#[derive(Debug)]
pub enum Outcome {
    /// The live rules do not load.
    NoLive(String),
    /// The live rules do not let the user in, so that there is nobody to warn.
    NoSession,
    /// The tools refuse the candidate.
    Refused {
        prediction: Prediction,
        said: String,
    },
    /// The candidate went live.
    Applied {
        prediction: Prediction,
        after: Truth,
        /// Under the live rules, if that was asked for.
        before: Option<Truth>,
    },
}

/// How a case is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    pub front: Front,
    pub patience: Duration,
    /// Whether the predictions about the live rules are looked at, too.
    pub before: bool,
    /// Who speaks first over the old session once the candidate is live.
    pub first: Speaker,
}

/// Runs a case in a lab of its own.
pub fn examine(case: &Case, predictor: &Predictor, manner: Manner) -> Outcome {
    let mut outcome = on_a_host(|lab| with(lab, case, predictor, manner));
    if let Outcome::Applied {
        prediction, before, ..
    } = &mut outcome
        && manner.before
        && let Some(report) = &prediction.report
    {
        *before = on_a_host(|lab| {
            let _sshd = services(lab, manner.front);
            load(&case.live).unwrap();
            measure(lab, case, None, &report.rows, manner)
        })
        .into();
    }
    outcome
}

/// What becomes of the old session, and of nothing else.
pub fn session_alone(case: &Case, manner: Manner) -> Option<Seen> {
    on_a_host(|lab| {
        let _sshd = services(lab, manner.front);
        load(&case.live).unwrap();
        let mut session = Session::open(lab, manner.front, case.user, case.server)?;
        load(&case.candidate).unwrap();
        forget_neighbours(lab);
        Some(session.alive(lab, manner.first, manner.patience))
    })
}

/// What a row sees that comes alone, with nobody before it whom a limit could have counted.
pub fn alone(case: &Case, row: &Row, before: bool, front: Front, patience: Duration) -> Seen {
    on_a_host(|lab| {
        let _sshd = services(lab, front);
        load(&case.live).unwrap();
        if !before {
            load(&case.candidate).unwrap();
        }
        see(lab, std::slice::from_ref(row), patience)[0]
    })
}

fn with(lab: &Lab, case: &Case, predictor: &Predictor, manner: Manner) -> Outcome {
    let _sshd = services(lab, manner.front);
    if let Err(said) = load(&case.live) {
        return Outcome::NoLive(said);
    }
    let Some(mut session) = Session::open(lab, manner.front, case.user, case.server) else {
        return Outcome::NoSession;
    };
    let untouched = dumps();
    let prediction = predictor.ask(lab, case, asked(manner.front, case, session.port()));
    let now = dumps();
    assert!(
        untouched == now,
        "the live rules were touched:\n{untouched:#?}\n{now:#?}\n{case}"
    );
    if let Err(said) = load(&case.candidate) {
        return Outcome::Refused { prediction, said };
    }
    let rows = prediction.report.as_ref().map(|report| &report.rows);
    let rows = rows.map_or(&[][..], Vec::as_slice);
    let after = measure(lab, case, Some(&mut session), rows, manner);
    Outcome::Applied {
        prediction,
        after,
        before: None,
    }
}

/// What listens on the host.
pub fn services(lab: &Lab, front: Front) -> Option<Sshd> {
    for (protocol, address, only_v6) in services_of(front) {
        lab.listen(protocol, address.parse().unwrap(), only_v6);
    }
    match front {
        Front::Echo => None,
        Front::Ssh => Some(sshd(lab)),
    }
}

fn services_of(front: Front) -> Vec<(Protocol, &'static str, bool)> {
    let mut all = vec![
        (Protocol::Tcp, "[::]:80", false),
        (Protocol::Tcp, "0.0.0.0:443", true),
        (Protocol::Tcp, "[::]:443", true),
        (Protocol::Tcp, "127.0.0.1:3306", true),
        (Protocol::Tcp, "198.51.100.2:8080", true),
        (Protocol::Udp, "0.0.0.0:53", true),
        (Protocol::Udp, "[::]:53", true),
        (Protocol::Udp, "[::]:1194", false),
        // A port that clients use, too.
        (Protocol::Udp, "[::]:51820", false),
    ];
    if front == Front::Echo {
        all.push((Protocol::Tcp, "0.0.0.0:22", true));
        all.push((Protocol::Tcp, "[::]:22", true));
    }
    all
}

/// Loads files with the tools that they are for.
pub fn load(files: &[File]) -> Result<(), String> {
    for file in Case::in_order(files) {
        let (program, args) = file.tool.words().split_first().unwrap();
        let mut command = std::process::Command::new(program);
        let text = match file.tool {
            Tool::Ipset => replacing(&file.text),
            Tool::Iptables(_) | Tool::Ip6tables(_) | Tool::Nft | Tool::Arptables => {
                file.text.clone()
            }
        };
        feed(command.args(args), &text)?;
    }
    Ok(())
}

/// Sets in a file replace those that are there, as tables do; `ipset restore` would add to them.
fn replacing(sets: &str) -> String {
    let mut text = String::new();
    for line in sets.lines() {
        text += &format!("{line}\n");
        if let Some(rest) = line.strip_prefix("create ") {
            let name = rest.split(' ').next().unwrap_or_default();
            text += &format!("flush {name}\n");
        }
    }
    text
}

/// What the save tools print, without counters, and the generation of nf_tables.
fn dumps() -> BTreeMap<&'static str, String> {
    let mut dumps = BTreeMap::new();
    for line in [
        "nft -s -a list ruleset",
        "iptables-legacy-save",
        "ip6tables-legacy-save",
        "ipset save -sorted",
    ] {
        let words: Vec<_> = line.split(' ').collect();
        let text = feed(std::process::Command::new(words[0]).args(&words[1..]), "").unwrap();
        dumps.insert(line, text.lines().map(still).collect());
    }
    let generation = Ruleset::capture().unwrap().generation;
    dumps.insert("generation", generation.to_string());
    dumps
}

/// Without the time of day, counters, and the time that elements have left.
fn still(line: &str) -> String {
    if line.starts_with('#') {
        return String::new();
    }
    let mut words: Vec<_> = line.split(' ').collect();
    if line.starts_with(':') {
        words.truncate(2);
    }
    for at in 1..words.len() {
        if ["timeout", "packets", "bytes"].contains(&words[at - 1]) && line.starts_with("add ") {
            words[at] = "N";
        }
    }
    words.join(" ") + "\n"
}

/// What a complete report has to tell about, whoever the peers are: each service on an
/// address of the host by which others reach it.
pub fn expected_services() -> Vec<(Protocol, SocketAddr)> {
    let mut all = Vec::new();
    for (protocol, address, only_v6) in services_of(Front::Echo) {
        let address: SocketAddr = address.parse().unwrap();
        if address.ip().is_loopback() {
            continue;
        }
        for host in [HOST, HOST_V6, HOST_INSIDE] {
            let heard = match address {
                SocketAddr::V4(_) => host.is_ipv4(),
                SocketAddr::V6(_) => host.is_ipv6() || !only_v6,
            };
            if heard && (address.ip().is_unspecified() || address.ip() == host) {
                all.push((protocol, SocketAddr::new(host, address.port())));
            }
        }
    }
    all
}

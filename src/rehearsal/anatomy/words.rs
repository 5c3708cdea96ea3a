//! Options as `iptables-save` prints them, and whether they match a packet.

use std::net::IpAddr;

use super::decode::of_target;
use super::numbers::state;
use super::protocols::{self, ICMP, ICMPV6, TCP};
use super::{Answer, Device, Packet, Verdict};

/// An option with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// Whether `!` stands before it.
    pub negated: bool,
    /// `-s`, `--dport`, …
    pub option: String,
    /// Its values.
    pub values: Vec<String>,
    /// Whether it is one of the target's.
    pub target: bool,
}

impl Clause {
    /// Its first value.
    #[must_use]
    pub fn value(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }
}

/// Takes the words after `-A CHAIN` apart.
pub fn parse(words: &[&str]) -> (Vec<Clause>, Verdict) {
    let mut clauses: Vec<Clause> = Vec::new();
    let (mut negated, mut target) = (false, false);
    for word in words {
        if *word == "!" {
            negated = true;
        } else if word.len() > 1 && word.starts_with('-') {
            target |= matches!(*word, "-j" | "-g" | "--jump" | "--goto");
            clauses.push(Clause {
                negated,
                option: (*word).to_owned(),
                values: Vec::new(),
                target,
            });
            negated = false;
        } else if let Some(last) = clauses.last_mut() {
            // `-s ! 192.0.2.1`, as old versions wrote it.
            last.negated |= negated;
            negated = false;
            last.values.push((*word).to_owned());
        }
    }
    let verdict = clauses
        .iter()
        .find_map(|clause| match clause.option.as_str() {
            "-g" | "--goto" => Some(Verdict::Goto(clause.value().to_owned())),
            "-j" | "--jump" => Some(match of_target(clause.value()) {
                Verdict::None if !is_extension(clause.value()) => {
                    Verdict::Jump(clause.value().to_owned())
                }
                known => known,
            }),
            _ => None,
        });
    (clauses, verdict.unwrap_or(Verdict::None))
}

/// Targets that are no chains (iptables-extensions(8)); packets go on behind them.
pub const EXTENSIONS: [&str; 32] = [
    "ACCOUNT",
    "AUDIT",
    "CHECKSUM",
    "CLASSIFY",
    "CLUSTERIP",
    "CONNMARK",
    "CONNSECMARK",
    "CT",
    "DNPT",
    "DSCP",
    "ECN",
    "HL",
    "HMARK",
    "IDLETIMER",
    "LED",
    "LOG",
    "MARK",
    "MIRROR",
    "NFLOG",
    "NOTRACK",
    "RATEEST",
    "SECMARK",
    "SET",
    "SNPT",
    "SYSRQ",
    "TCPMSS",
    "TCPOPTSTRIP",
    "TEE",
    "TOS",
    "TRACE",
    "TTL",
    "ULOG",
];

fn is_extension(target: &str) -> bool {
    EXTENSIONS.contains(&target)
}

/// Whether all options match.
pub fn matches(clauses: &[Clause], packet: &Packet) -> Answer {
    let mut answer = Answer::Yes;
    for clause in clauses.iter().filter(|clause| !clause.target) {
        let this = one(clause, packet).unwrap_or(Answer::Maybe);
        answer = answer.and(match clause.option.as_str() {
            // `!` before a match belongs to the option that follows it.
            "-m" | "--match" => this,
            _ => this.negated_if(clause.negated),
        });
        if answer == Answer::No {
            break;
        }
    }
    answer
}

fn one(clause: &Clause, packet: &Packet) -> Option<Answer> {
    let value = clause.value();
    Some(match clause.option.as_str() {
        "-m" | "--match" => match value {
            "tcp" => Answer::sure(packet.protocol == TCP),
            "udp" | "icmp" | "icmp6" | "multiport" | "conntrack" | "state" | "comment" => {
                Answer::Yes
            }
            _ => return None,
        },
        "--comment" => Answer::Yes,
        "-p" | "--protocol" => match value {
            "all" => Answer::Yes,
            name => Answer::sure(protocols::number(name)? == packet.protocol),
        },
        "-s" | "--source" => within(packet.address(false), value)?,
        "-d" | "--destination" => within(packet.address(true), value)?,
        "-i" | "--in-interface" => device(packet.input.as_ref(), value)?,
        "-o" | "--out-interface" => device(packet.output.as_ref(), value)?,
        "-f" => Answer::No,
        "--dport" | "--dports" => ports(packet.port(true)?, value)?,
        "--sport" | "--sports" => ports(packet.port(false)?, value)?,
        "--ports" => ports(packet.port(true)?, value)?.or(ports(packet.port(false)?, value)?),
        "--ctstate" | "--state" => states(packet.state?, value)?,
        "--icmp-type" => icmp(packet, ICMP, value)?,
        "--icmpv6-type" => icmp(packet, ICMPV6, value)?,
        "--tcp-flags" => {
            let flags = packet.transport.get(13).copied().flatten()?;
            let (mask, value) = (flag_bits(value)?, flag_bits(clause.values.get(1)?)?);
            Answer::sure(flags & mask == value)
        }
        _ => return None,
    })
}

fn within(address: Option<IpAddr>, network: &str) -> Option<Answer> {
    let (base, prefix) = network.split_once('/').unwrap_or((network, ""));
    let base: IpAddr = base.parse().ok()?;
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let mask = match prefix.parse::<u32>() {
        Ok(0) => 0,
        Ok(length) => u128::MAX << 128_u32.checked_sub(length)?,
        Err(_) if prefix.is_empty() => u128::MAX,
        // `255.255.255.0`
        Err(_) => bits(prefix.parse().ok()?),
    };
    if mask == 0 {
        return Some(Answer::Yes);
    }
    Some(Answer::sure((bits(address?) ^ bits(base)) & mask == 0))
}

fn device(device: Option<&Device>, pattern: &str) -> Option<Answer> {
    let name = &device?.name;
    Some(Answer::sure(match pattern.strip_suffix('+') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }))
}

fn ports(port: u16, list: &str) -> Option<Answer> {
    for part in list.split(',') {
        let (low, high) = part.split_once(':').unwrap_or((part, part));
        let low: u16 = if low.is_empty() { 0 } else { low.parse().ok()? };
        let high: u16 = if high.is_empty() {
            u16::MAX
        } else {
            high.parse().ok()?
        };
        if (low..=high).contains(&port) {
            return Some(Answer::Yes);
        }
    }
    Some(Answer::No)
}

fn states(is: u32, list: &str) -> Option<Answer> {
    let mut mask = 0;
    for word in list.split(',') {
        mask |= match word {
            "INVALID" => state::INVALID,
            "NEW" => state::NEW,
            "ESTABLISHED" => state::ESTABLISHED,
            "RELATED" => state::RELATED,
            "UNTRACKED" => state::UNTRACKED,
            // Connections that are translated.
            _ => return None,
        };
    }
    Some(Answer::sure(mask & is != 0))
}

fn icmp(packet: &Packet, protocol: u8, value: &str) -> Option<Answer> {
    if packet.protocol != protocol {
        return Some(Answer::No);
    }
    if value == "any" {
        return Some(Answer::Yes);
    }
    let (kind, code) = packet.icmp_type()?;
    let (wanted, wanted_code) = match value.split_once('/') {
        Some((kind, code)) => (kind, Some(code.parse::<u8>().ok()?)),
        None => (value, None),
    };
    let is = wanted.parse::<u8>().ok()? == kind;
    Some(Answer::sure(
        is && wanted_code.is_none_or(|wanted| wanted == code),
    ))
}

fn flag_bits(list: &str) -> Option<u8> {
    let mut bits = 0;
    for word in list.split(',') {
        bits |= match word {
            "FIN" => 1,
            "SYN" => 2,
            "RST" => 4,
            "PSH" => 8,
            "ACK" => 16,
            "URG" => 32,
            "ALL" => 63,
            "NONE" => 0,
            _ => return None,
        };
    }
    Some(bits)
}

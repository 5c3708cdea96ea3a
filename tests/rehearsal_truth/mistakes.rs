//! The classic mistakes, in every language: each is foretold, with the line that does it.

use std::net::SocketAddr;

use safe_apply::candidate::Resolved;
use safe_apply::rehearsal::report::{Decision, Standing, Verdict};

use crate::case::{Case, File, Tool};
use crate::compare::{Guess, Kind};
use crate::lab::{HOST, HOST_V6, USER, USER_V6};
use crate::many::{Job, try_all};
use crate::mistaken::{IPTABLES, NATIVE};
use crate::predict::{Prediction, Predictor};
use crate::probe::Seen;
use crate::session::Front;
use crate::tally::Tally;
use crate::truth::Outcome;

const LIVE: &str = "*filter\n:INPUT DROP\n:OUTPUT ACCEPT\n\
    -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\nICMP\
    -A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n";

struct Mistake {
    job: Job,
    /// The line that decides, and the file that it is in.
    decides: (usize, usize),
}

/// Without neighbour discovery nothing works in IPv6; that is a mistake of its own.
fn discovery(v6: bool) -> &'static str {
    if v6 {
        "-A INPUT -p ipv6-icmp -j ACCEPT\n"
    } else {
        ""
    }
}

fn live(tool: Tool) -> File {
    let v6 = matches!(tool, Tool::Ip6tables(_));
    File::new(tool, LIVE.replace("ICMP", discovery(v6)))
}

fn line_of(text: &str, part: &str) -> usize {
    let at = text.lines().position(|line| line.contains(part));
    at.unwrap_or_else(|| panic!("no {part:?} in {text}")) + 1
}

fn set(v6: bool) -> File {
    let (family, member) = if v6 {
        ("inet6", "2001:db8:aa::1")
    } else {
        ("inet", "192.0.2.1")
    };
    let text = format!("create admins hash:ip family {family}\nadd admins {member}\n");
    File::new(Tool::Ipset, text)
}

fn in_iptables(tool: Tool, front: Front, mistake: (&str, &str, &str)) -> Mistake {
    let (name, part, rules) = mistake;
    let v6 = matches!(tool, Tool::Ip6tables(_));
    let rules = rules.replace(
        "NET",
        if v6 {
            "2001:db8:aa::/64"
        } else {
            "192.0.2.0/24"
        },
    );
    let (head, rest) = rules.split_at(rules.find("-A").unwrap_or(rules.len()));
    let text = format!("*filter\n{head}{}{rest}COMMIT\n", discovery(v6));
    let line = line_of(&text, part);
    let mut candidate = vec![File::new(tool, text)];
    if rules.contains("match-set") {
        candidate.insert(0, set(v6));
    }
    Mistake {
        decides: (candidate.len() - 1, line),
        job: job(format!("{name}, {tool:?}"), tool, candidate, v6, front),
    }
}

fn job(name: String, live_by: Tool, candidate: Vec<File>, v6: bool, front: Front) -> Job {
    let (user, host) = if v6 { (USER_V6, HOST_V6) } else { (USER, HOST) };
    Job {
        case: Case {
            name,
            live: vec![live(live_by)],
            candidate,
            user,
            server: SocketAddr::new(host, 22),
        },
        front,
        before: front == Front::Ssh,
    }
}

fn in_nft(v6: bool, front: Front, mistake: (&str, &str, &str)) -> Mistake {
    let (name, part, rules) = mistake;
    let (family, net, host, kind) = if v6 {
        ("ip6", "2001:db8:aa::/64", "2001:db8:aa::1", "ipv6_addr")
    } else {
        ("ip", "192.0.2.0/24", "192.0.2.1", "ipv4_addr")
    };
    let rules = rules
        .replace("NETHOST", host)
        .replace("NET", net)
        .replace("FAMILY", family);
    let (policy, rules) = rules.split_once(';').unwrap();
    let discovery = if v6 {
        "meta l4proto ipv6-icmp accept\n"
    } else {
        ""
    };
    let text = format!(
        "flush ruleset\ntable inet fw {{\nset admins {{\ntype {kind}\nelements = {{ {host} }}\n}}\n\
         chain input {{\ntype filter hook input priority 0; {policy};\n{discovery}{}\n}}\n}}\n",
        rules.trim()
    );
    let decides = (0, line_of(&text, part));
    let tool = if v6 {
        Tool::Ip6tables(Resolved::Nft)
    } else {
        Tool::Iptables(Resolved::Nft)
    };
    let name = format!("{name}, nft with {family}");
    let candidate = vec![File::new(Tool::Nft, text)];
    Mistake {
        job: job(name, tool, candidate, v6, front),
        decides,
    }
}

/// Rules for IPv4 only, and IPv6 closed: the user comes over IPv6.
fn only_v4(backend: Resolved, front: Front) -> Mistake {
    let open = "*filter\n:INPUT DROP\n-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n\
        -A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n";
    let closed = "*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n-A INPUT -p ipv6-icmp -j ACCEPT\n\
        -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\nCOMMIT\n";
    let (v4, v6) = (Tool::Iptables(backend), Tool::Ip6tables(backend));
    let candidate = vec![File::new(v4, open), File::new(v6, closed)];
    Mistake {
        job: job(
            format!("only IPv4, {backend:?}"),
            v6,
            candidate,
            true,
            front,
        ),
        decides: (1, 2),
    }
}

/// Each mistake with plain TCP, and every fourth with real logins.
fn all() -> Vec<Mistake> {
    let mut all = Vec::new();
    let tools = [
        Tool::Iptables(Resolved::Nft),
        Tool::Iptables(Resolved::Legacy),
        Tool::Ip6tables(Resolved::Nft),
        Tool::Ip6tables(Resolved::Legacy),
    ];
    let front = |at: usize| {
        if at.is_multiple_of(4) {
            Front::Ssh
        } else {
            Front::Echo
        }
    };
    for (at, mistake) in IPTABLES.into_iter().enumerate() {
        for (shift, tool) in tools.into_iter().enumerate() {
            all.push(in_iptables(tool, front(at + shift), mistake));
        }
    }
    for (at, mistake) in NATIVE.into_iter().enumerate() {
        all.push(in_nft(false, front(at), mistake));
        all.push(in_nft(true, front(at + 2), mistake));
    }
    all.push(only_v4(Resolved::Nft, Front::Ssh));
    all.push(only_v4(Resolved::Legacy, Front::Echo));
    all
}

/// What is wrong with the answer to a mistake.
fn complaint(mistake: &Mistake, prediction: &Prediction) -> Option<String> {
    let report = prediction.report.as_ref()?;
    let verdict = report.verdict;
    if prediction.exit != 5 || verdict != Verdict::Lockout {
        return Some(format!("exit status {}, {verdict:?}", prediction.exit));
    }
    let login = &report.session.as_ref()?.login;
    let (Standing::Blocked { by } | Standing::Rejected { by }) = login else {
        return Some(format!("the login: {login:?}"));
    };
    let (file, line) = mistake.decides;
    let fits = |by: &Decision| {
        let name = format!("candidate{file}");
        by.line == Some(line) && by.file.as_ref().is_some_and(|file| file.ends_with(&name))
    };
    if by.as_ref().is_some_and(fits) {
        return None;
    }
    Some(format!(
        "decided by line {line} of candidate{file}, not by {by:?}"
    ))
}

#[test]
fn classic_mistakes_are_foretold_with_their_lines() {
    let tally = Tally::default();
    let mistakes = all();
    let count = mistakes.len();
    let predictor = Predictor::binary();
    let failed = try_all(&mistakes, |mistake| {
        let outcome = tally.try_job(&mistake.job, &predictor)?;
        let case = &mistake.job.case;
        let Outcome::Applied { prediction, .. } = outcome else {
            return Err(format!("not applied: {outcome:?}\n{case}"));
        };
        match complaint(mistake, &prediction) {
            None => Ok(()),
            Some(why) => Err(format!("{why}\n{case}\nsaid: {}", prediction.said)),
        }
    });
    println!("{}", tally.table("classic mistakes"));
    failed.none();
    assert_eq!(tally.compared(), count);
    let blocked = tally.of(Kind::Login, Guess::Blocked, Seen::Blocked);
    let rejected = tally.of(Kind::Login, Guess::Rejected, Seen::Rejected);
    assert_eq!(blocked + rejected, count);
}

//! Rule files of real hosts as candidates.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use safe_apply::candidate::Resolved;

use crate::case::{Case, File, Tool};
use crate::lab::{HOST, USER};
use crate::many::{Job, try_all};
use crate::predict::Predictor;
use crate::session::Front;
use crate::tally::Tally;

/// What many hosts have live.
const TYPICAL: &str = "*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n\
    -A INPUT -i lo -j ACCEPT\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
    -A INPUT -p icmp -j ACCEPT\n-A INPUT -p tcp -m multiport --dports 22,80,443 -j ACCEPT\n\
    -A INPUT -j REJECT\nCOMMIT\n";

/// The files of one kind: what loads them, by folder or the way their name begins.
fn files(folder: &str) -> Vec<(String, String)> {
    let Some(corpus) = std::env::var_os("SAFE_APPLY_CORPUS") else {
        println!("SAFE_APPLY_CORPUS is not set: no corpus to try");
        return Vec::new();
    };
    let mut files: Vec<_> = fs::read_dir(Path::new(&corpus).join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            (name, text)
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "an empty corpus");
    files
}

const fn rules_before(live: Option<&File>) -> &'static str {
    if live.is_some() {
        "typical rules"
    } else {
        "nothing"
    }
}

fn jobs() -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut push = |name: &str, live: Option<Tool>, tool, text: &str| {
        let live = live.map(|tool| File::new(tool, TYPICAL));
        let number = jobs.len();
        jobs.push(Job {
            case: Case {
                name: format!("{name}, {tool:?} over {}", rules_before(live.as_ref())),
                live: live.into_iter().collect(),
                candidate: vec![File::new(tool, text)],
                user: USER,
                server: SocketAddr::new(HOST, 22),
            },
            front: if number.is_multiple_of(4) {
                Front::Ssh
            } else {
                Front::Echo
            },
            before: number.is_multiple_of(5),
        });
    };
    let typical = Tool::Iptables(Resolved::Nft);
    for (name, text) in files("iptables") {
        for backend in [Resolved::Nft, Resolved::Legacy] {
            let tool = Tool::Iptables(backend);
            push(&name, None, tool, &text);
            push(&name, Some(tool), tool, &text);
        }
    }
    let slow = std::env::var_os("SAFE_APPLY_SLOW").is_some();
    for (number, (name, text)) in files("nft").iter().enumerate() {
        if slow || number.is_multiple_of(2) {
            push(name, None, Tool::Nft, text);
        }
        if slow || !number.is_multiple_of(2) {
            push(name, Some(typical), Tool::Nft, text);
        }
    }
    jobs
}

#[test]
fn predictions_about_files_of_real_hosts_are_true() {
    let jobs = jobs();
    let tally = Tally::default();
    let predictor = Predictor::binary();
    let failed = try_all(&jobs, |job| tally.try_job(job, &predictor).map(drop));
    println!("{}", tally.table("files of real hosts"));
    failed.none();
    assert!(jobs.is_empty() || tally.compared() * 4 > jobs.len());
}

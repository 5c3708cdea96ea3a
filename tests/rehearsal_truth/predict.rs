//! Asking for a prediction.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use safe_apply::rehearsal::report::Report;

use crate::case::{Case, Tool};
use crate::lab::Lab;
use crate::session::Front;
use crate::ssh::ssh;

/// How long an answer may take on a machine under load.
const SECONDS: &str = "15";

/// What was said before anything was touched.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// The exit status; -1 where a signal ended it.
    pub exit: i32,
    /// The report; `None` where the rules do not load, or there is none for another reason.
    pub report: Option<Report>,
    /// All that was printed.
    pub said: String,
}

/// How the user is told to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// With `--as`, from the console.
    As(SocketAddr),
    /// Over the user's own ssh connection, which is to be found.
    OverSsh,
}

/// The program to ask.
#[derive(Debug, Clone)]
pub struct Predictor {
    pub program: PathBuf,
}

impl Predictor {
    /// The binary under test.
    pub fn binary() -> Self {
        Self {
            program: env!("CARGO_BIN_EXE_safe-apply").into(),
        }
    }

    /// Asks about a case; the live rules are those of the lab.
    pub fn ask(&self, lab: &Lab, case: &Case, asked: Asked) -> Prediction {
        let mut words = vec!["check".to_owned(), "--json".to_owned()];
        if let Asked::As(user) = asked {
            let user = match (user.ip(), user.port()) {
                (ip, 0) => ip.to_string(),
                (IpAddr::V4(_) | IpAddr::V6(_), _) => user.to_string(),
            };
            words.extend(["--as".into(), user]);
            words.extend(["--port".into(), case.server.port().to_string()]);
        }
        let backend = case.candidate.iter().find_map(|file| file.tool.backend());
        if let Some(backend) = backend {
            words.extend(["--backend".into(), format!("{backend:?}").to_lowercase()]);
        }
        for (at, file) in case.candidate.iter().enumerate() {
            assert_ne!(file.tool, Tool::Arptables, "no candidate is in that format");
            let path = lab.file(&format!("candidate{at}"), &file.text);
            words.push(format!("{}{}", file.tool.prefix(), path.display()));
        }
        // What hangs is killed, and has no report.
        let done = match asked {
            Asked::As(_) => {
                let mut command = lab.command("timeout");
                command.args(["-s", "KILL", SECONDS]).arg(&self.program);
                command.args(&words).output()
            }
            Asked::OverSsh => {
                let mut ssh = ssh(lab, 60, case.user, case.server);
                ssh.args(["timeout", "-s", "KILL", SECONDS])
                    .arg(self.program.as_os_str())
                    .args(&words);
                lab.in_world(|| ssh.output())
            }
        };
        let done = done.unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        let out = String::from_utf8_lossy(&done.stdout);
        Prediction {
            exit: done.status.code().unwrap_or(-1),
            report: report(&out),
            said: format!("{out}{}", String::from_utf8_lossy(&done.stderr)),
        }
    }
}

/// How a case with such a front is asked about.
pub fn asked(front: Front, case: &Case, port: Option<u16>) -> Asked {
    match front {
        Front::Echo => Asked::As(SocketAddr::new(case.user, port.unwrap_or(0))),
        Front::Ssh => Asked::OverSsh,
    }
}

/// The report in what `check --json` prints.
fn report(out: &str) -> Option<Report> {
    out.lines().find_map(|line| {
        let mut event: serde_json::Value = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("not an event: {line:?}: {error}"));
        if event["event"] != "rehearsed" {
            return None;
        }
        let report = serde_json::from_value(event["report"].take());
        Some(report.unwrap_or_else(|error| panic!("not a report: {error}: {line}")))
    })
}

/// A predictor that prints a report whatever it is asked: for testing the test.
pub fn stub(lab: &Lab, exit: i32, report: &Report) -> Predictor {
    let event = serde_json::json!({ "event": "rehearsed", "report": report });
    let answer = lab.file("answer.json", &format!("{event}\n"));
    let script = format!("#!/bin/sh\ncat {}\nexit {exit}\n", answer.display());
    let program = lab.file("predictor", &script);
    let mut chmod = Command::new("chmod");
    let done = chmod.arg("755").arg(&program).status().unwrap();
    assert!(done.success());
    Predictor { program }
}

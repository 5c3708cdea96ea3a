//! tmux and screen: what counts is who is attached, not who started the server.

use std::fs;
use std::path::Path;
use std::process::Command;

use safe_apply::connection::{self, Known, Refusal, Verdict, Via};

use crate::lab::{Lab, eventually};

/// A multiplexer session in a lab; its server ends when dropped.
struct Multiplexer<'a> {
    lab: &'a Lab,
    via: Via,
    attach: String,
    end: String,
    start: String,
}

impl<'a> Multiplexer<'a> {
    fn tmux(lab: &'a Lab) -> Self {
        let socket = lab.path("tmux").display().to_string();
        let tmux = format!("tmux -S {socket} -f /dev/null");
        Self {
            lab,
            via: Via::Tmux,
            attach: format!("{tmux} attach"),
            end: format!("{tmux} kill-server"),
            start: format!("{tmux} new-session {}", pane(lab)),
        }
    }

    fn screen(lab: &'a Lab) -> Self {
        let dir = lab.path("screen").display().to_string();
        let screen = format!("env SCREENDIR={dir} screen");
        Self {
            lab,
            via: Via::Screen,
            attach: format!("{screen} -x lab"),
            end: format!("{screen} -S lab -X quit"),
            start: format!("{screen} -S lab {}", pane(lab)),
        }
    }

    /// The process in the pane, once it runs.
    fn pid(&self) -> i32 {
        eventually("the pane", || {
            let text = fs::read_to_string(self.lab.path("pane")).ok()?;
            text.strip_suffix('\n')?.parse().ok()
        })
    }

    fn wait_for(&self, pid: i32, known: &Known, expected: impl Fn(&Verdict) -> bool) {
        let verdict = || self.lab.judge(pid, known, None);
        eventually("the verdict", || expected(&verdict()).then_some(()));
    }
}

fn pane(lab: &Lab) -> String {
    let script = lab.path("pane.sh");
    let pid_file = lab.path("pane").display().to_string();
    fs::write(&script, format!("echo $$ >{pid_file}\nexec cat\n")).unwrap();
    format!("sh {}", script.display())
}

impl Drop for Multiplexer<'_> {
    fn drop(&mut self) {
        let words: Vec<&str> = self.end.split_whitespace().collect();
        // The test may have failed before there was a server.
        let _ = Command::new(words[0]).args(&words[1..]).output();
    }
}

fn old_terminal(verdict: &Verdict, via: Via) -> bool {
    matches!(verdict, Verdict::Refused(Refusal::OldTerminal { via: by, .. }) if *by == via)
}

fn accepted(verdict: &Verdict, expected: Via) -> bool {
    matches!(verdict, Verdict::New { via, .. } if *via == expected)
}

fn story(multiplexer: &Multiplexer<'_>) {
    let (lab, via) = (multiplexer.lab, multiplexer.via);
    let starter = lab.terminal(&multiplexer.start);
    let pid = multiplexer.pid();
    let known = lab.record();
    multiplexer.wait_for(pid, &known, |verdict| old_terminal(verdict, via));

    let origin = lab.in_server(|| connection::origin(Path::new("/proc"), pid));
    assert_eq!((origin.via, origin.user.as_deref()), (via, Some("root")));
    assert!(origin.tuple.is_some());
    assert!(origin.tty.is_some_and(|tty| tty.starts_with("/dev/pts/")));

    // A new login that is not attached changes nothing as long as an old one is.
    let unrelated = lab.login();
    assert!(old_terminal(&lab.judge(pid, &known, None), via));
    drop(unrelated);

    // Attached from both: the new one proves that new logins get through.
    let new = lab.terminal(&multiplexer.attach);
    multiplexer.wait_for(pid, &known, |verdict| accepted(verdict, via));
    drop(new);
    multiplexer.wait_for(pid, &known, |verdict| old_terminal(verdict, via));

    // The starter is gone, nobody is attached, no new login is left.
    drop(starter);
    multiplexer.wait_for(pid, &known, |verdict| {
        *verdict == Verdict::Refused(Refusal::NoConnection)
    });

    let _again = lab.terminal(&multiplexer.attach);
    multiplexer.wait_for(pid, &known, |verdict| accepted(verdict, via));
}

#[test]
fn tmux_is_judged_by_its_attached_clients() {
    let lab = Lab::new();
    story(&Multiplexer::tmux(&lab));
}

#[test]
fn screen_is_judged_by_its_attached_terminals() {
    let lab = Lab::new();
    story(&Multiplexer::screen(&lab));
}

#[test]
fn tmux_under_sudo_in_screen_is_followed_to_the_login() {
    let lab = Lab::new();
    let screen = Multiplexer::screen(&lab);
    let tmux = Multiplexer::tmux(&lab);
    let dir = lab.path("screen").display().to_string();
    let nested = format!("env SCREENDIR={dir} screen -S lab sudo -n {}", tmux.start);
    let _old = lab.terminal(&nested);
    let pid = tmux.pid();
    let known = lab.record();
    tmux.wait_for(pid, &known, |verdict| old_terminal(verdict, Via::Tmux));
    let _new = lab.terminal(&screen.attach);
    tmux.wait_for(pid, &known, |verdict| accepted(verdict, Via::Tmux));
}

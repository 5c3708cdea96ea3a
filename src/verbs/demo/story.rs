//! The story, act by act. Each sentence is checked before it is said.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::check::{show_connections, shown, told};
use super::isolate::{DIR, HOME};
use super::login::{Answer, Logins, PATIENCE, Shell};
use super::narrate::{as_told, chapter, command, paragraph, printed, say};
use super::network::{CLIENT, SERVER, Server};
use super::rules::{BAD, BEFORE, GOOD, saved};
use crate::exec::{Run, find};
use crate::exit::Exit;

/// How long a login may try while the rules drop it.
const LOCKED_OUT: Duration = Duration::from_secs(2);
/// How long the bad rules are live; a busy machine needs some of it for what is shown meanwhile.
const COUNTDOWN_SECONDS: u64 = 8;
const NEW_LOGIN: &str = "echo let in";

struct Story {
    server: Arc<Server>,
    logins: Logins,
    /// Applies the rules.
    first: Shell,
    /// Was there before, and only looks on.
    second: Shell,
    /// What the save tools printed before.
    before: String,
}

/// Tells the story.
///
/// # Errors
/// What was not as told.
pub fn tell() -> Result<Exit> {
    let begun = Instant::now();
    let mut story = Story::begin()?;
    story.mistake()?;
    story.lockout()?;
    story.back()?;
    story.kept()?;
    let ending = format!(
        "Everything was as told, in {} s. The namespaces and all that was in them end here; this machine's own rules, /run and /var/lib were not touched.",
        begun.elapsed().as_secs()
    );
    chapter("The end", &ending);
    Ok(Exit::Success)
}

impl Story {
    fn begin() -> Result<Self> {
        for tool in ["ip", "iptables", "iptables-save", "iptables-restore"] {
            find(tool)?;
        }
        paragraph(
            "Commit confirmed for the firewall: new rules are kept only if somebody confirms them over a new connection. The tools are real, below each command is what it printed, and what is marked ok was checked.",
        );
        let hosts = format!(
            "Client {CLIENT} and server {SERVER} are two network namespaces joined by a cable, with no way out."
        );
        chapter("1. A server with working rules", &hosts);
        let server = Arc::new(Server::new()?);
        for (name, rules) in [("before.v4", BEFORE), ("bad.v4", BAD), ("good.v4", GOOD)] {
            fs::write(format!("{HOME}/{name}"), rules)?;
        }
        command("server", "iptables-restore before.v4; iptables -S");
        server.tool(&format!("iptables-restore {HOME}/before.v4"))?;
        printed(&server.tool("iptables -S")?);
        let before = saved(&server)?;
        let logins = Logins::start(&server)?;
        match &logins {
            Logins::Ssh(_) => say(
                "An sshd runs on the server. The admin logs in twice, with real ssh (and a key made for this demo):",
            ),
            Logins::StandIn(_, why) => {
                say(&format!(
                    "No ssh in this run: {why}. Plain TCP stands in for it, shown as tcp-login: who connects to the server's port 22 gets a shell. The admin logs in twice:"
                ));
            }
        }
        let first = logins.stay()?;
        let second = logins.stay()?;
        command("client", &format!("{}   (twice)", logins.typed("")));
        show_connections(&server)?;
        Ok(Self {
            server,
            logins,
            first,
            second,
            before,
        })
    }

    fn mistake(&mut self) -> Result<()> {
        chapter(
            "2. The classic mistake",
            "Port 443 is to be opened too. By a slip of the finger, ssh's port 22 has become 2222 in the new file:",
        );
        shown(&mut self.first, "login 1", "grep dport bad.v4", 0)?;
        // Where there is no ssh, nobody can tell where the admin is.
        let line = match &self.logins {
            Logins::Ssh(_) => "safe-apply bad.v4".to_owned(),
            Logins::StandIn(..) => format!("safe-apply bad.v4 --as {CLIENT}"),
        };
        shown(&mut self.first, "login 1", &line, Exit::Refused as i32)?;
        as_told("Tried out with the admin's own address, and refused, exit status 5.");
        self.live_ports(&["22"])?;
        as_told("The live rules were not touched.");
        Ok(())
    }

    fn lockout(&mut self) -> Result<()> {
        chapter(
            "3. The same mistake, by force",
            "Who insists is taken at his word, and still has the net below him:",
        );
        let line = format!("safe-apply bad.v4 --force --timeout {COUNTDOWN_SECONDS}");
        self.apply(&line)?;
        self.live_ports(&["2222", "443"])?;
        as_told("The bad rules are live.");

        let answer = shown(&mut self.second, "login 2", "echo still here", 0)?;
        told(
            answer.printed.trim() == "still here",
            "the old session answers",
            &answer,
        )?;
        as_told("The old login answers: it looks as if all were well.");

        let answer = self.new_login(NEW_LOGIN, LOCKED_OUT)?;
        let timed_out = answer.printed.to_lowercase().contains("timed out");
        told(
            answer.status == 255 && timed_out,
            "a new login is locked out",
            &answer,
        )?;
        let chain = self.server.tool("iptables -vnL INPUT")?;
        command("server", "iptables -vnL INPUT | head -1");
        printed(chain.lines().next().unwrap_or_default());
        as_told("A new login does not get in: after logging out, the server would be lost.");
        if self.pending()? == "null" {
            bail!(
                "not as told: the countdown ended before the new login was tried; is this machine very busy?"
            );
        }

        say("Nobody can confirm, and the countdown goes on:");
        shown(&mut self.second, "login 2", "safe-apply status", 0)?;
        self.outcome("At its end, login 1 prints:", Exit::NotConfirmed)?;
        as_told("Exit status 3: rolled back, not confirmed in time.");
        Ok(())
    }

    fn back(&mut self) -> Result<()> {
        chapter(
            "4. Everything is back",
            "Nobody had to do anything. The rules now:",
        );
        command("server", "iptables -S");
        printed(&self.server.tool("iptables -S")?);
        let now = saved(&self.server)?;
        if now != self.before {
            bail!(
                "not as told: the rules differ from those before. Before:\n{}Now:\n{now}",
                self.before
            );
        }
        as_told(
            "The save tools print what they printed before, byte for byte (dates and packet counts aside).",
        );
        let answer = self.new_login(NEW_LOGIN, PATIENCE)?;
        told(
            answer.printed.trim() == "let in",
            "a new login gets in",
            &answer,
        )?;
        as_told("A new login gets in.");
        Ok(())
    }

    fn kept(&mut self) -> Result<()> {
        chapter(
            "5. The rules that were meant",
            "The slip is corrected in good.v4:",
        );
        shown(&mut self.first, "login 1", "grep dport good.v4", 0)?;
        self.apply("safe-apply good.v4 --timeout 60")?;
        say("A login from before proves nothing about new ones, so this is refused:");
        shown(
            &mut self.second,
            "login 2",
            "safe-apply confirm",
            Exit::Refused as i32,
        )?;
        as_told("Refused, exit status 5.");
        say("A new login gets in, which is the proof:");
        let answer = self.new_login("safe-apply confirm", PATIENCE)?;
        told(
            answer.status == 0,
            "a confirmation over a new connection counts",
            &answer,
        )?;
        self.outcome("Login 1 prints:", Exit::Success)?;
        as_told("Confirmed, exit status 0.");
        self.live_ports(&["22", "443"])?;
        as_told("The new rules are live and stay.");
        shown(&mut self.second, "login 2", "safe-apply history", 0)?;
        Ok(())
    }

    /// Starts safe-apply in the first login, up to when its rules are live.
    fn apply(&mut self, line: &str) -> Result<()> {
        command("login 1", line);
        self.first.begin(line)?;
        // The line to type on the other side is the last that is printed before the wait.
        let ended = self.first.each(PATIENCE, |line| {
            printed(line);
            !line.contains("safe-apply confirm")
        })?;
        if let Some(status) = ended {
            bail!("not as told: '{line}' ended at once, with exit status {status}");
        }
        Ok(())
    }

    /// Shows what safe-apply in the first login prints up to its end, which has to be `exit`.
    fn outcome(&self, introduction: &str, exit: Exit) -> Result<()> {
        say(introduction);
        let status = self.first.each(PATIENCE, |line| {
            printed(line);
            true
        })?;
        let wanted = exit as i32;
        match status {
            Some(status) if status == wanted => Ok(()),
            other => bail!(
                "not as told: safe-apply ended with exit status {}, and not with {wanted}",
                other.unwrap_or_default()
            ),
        }
    }

    /// Shows the rules about ports that are live, which have to be those of `ports`.
    fn live_ports(&self, ports: &[&str]) -> Result<()> {
        command("server", "iptables -S INPUT | grep dport");
        let rules = self.server.tool("iptables -S INPUT")?;
        let live: Vec<&str> = rules
            .lines()
            .filter(|line| line.contains("dport"))
            .collect();
        printed(&live.join("\n"));
        let wanted = ports.iter().map(|port| format!("--dport {port} -j ACCEPT"));
        if live.len() == ports.len() && wanted.zip(&live).all(|(end, line)| line.ends_with(&end)) {
            return Ok(());
        }
        bail!(
            "not as told: the ports that are open are not {}",
            ports.join(" and ")
        )
    }

    fn new_login(&self, line: &str, patience: Duration) -> Result<Answer> {
        command("client", &self.logins.typed(line));
        let answer = self.logins.once(line, patience)?;
        printed(&answer.printed);
        Ok(answer)
    }

    /// What `safe-apply status` says is pending, as JSON.
    fn pending(&self) -> Result<String> {
        let status = Run::path(format!("{DIR}/bin/safe-apply")).args(["status", "--json"]);
        let json = self.server.enter(|| Ok(status.success()?))?;
        let json: serde_json::Value = serde_json::from_slice(&json)?;
        Ok(json["pending"].to_string())
    }
}

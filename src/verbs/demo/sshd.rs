//! A real ssh server with keys, configuration and accounts of its own.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::mount::mount_bind;

use super::isolate::{DIR, HOME, LOGIN_PATH, SETTINGS};
use super::login::{Answer, PATIENCE};
use super::network::{SERVER, Server};
use crate::connection::listening;
use crate::exec::{Run, Running, find};

const CLIENT_CONFIG: &str = "/run/demo/ssh_config";
const SERVER_CONFIG: &str = "/run/demo/sshd_config";
const LOG: &str = "/run/demo/sshd.log";
/// Pause between two looks at whether sshd listens.
const PAUSE: Duration = Duration::from_millis(20);

/// The server; killed when this value goes.
#[derive(Debug)]
pub struct Sshd {
    running: Running,
}

impl Sshd {
    /// Starts the server and tries a login; the error says why there can be none.
    pub fn start(server: &Arc<Server>) -> Result<Self> {
        let sshd = find("sshd")?;
        find("ssh")?;
        let keygen = find("ssh-keygen")?;
        if fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim() == "deny") {
            bail!("sshd needs real root, for it changes users");
        }
        for key in ["host_key", "id"] {
            let key = format!("{DIR}/{key}");
            let args = ["-q", "-t", "ed25519", "-N", "", "-f", &key];
            Run::path(&keygen).args(args).success()?;
        }
        fs::create_dir_all("/run/sshd")?;
        configure()?;
        let args = ["-D", "-E", LOG, "-f", SERVER_CONFIG];
        let running = server.enter(|| Ok(Run::path(&sshd).args(args).piped()?))?;
        let mut started = Self { running };
        started.await_listening(server)?;
        let login = started.once("exit 0", PATIENCE)?;
        if login.status != 0 {
            bail!(
                "no login over ssh: {} {}",
                login.printed.trim(),
                last_logged()
            );
        }
        Ok(started)
    }

    fn await_listening(&mut self, server: &Server) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while !server.enter(|| Ok(listening()?))?.contains(&22) {
            if self.running.ended()?.is_some() || Instant::now() > until {
                bail!("sshd does not start: {}", last_logged());
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// The ssh that runs `command` on the server.
    pub fn command(&self, command: &str) -> Result<Run> {
        let login = format!("root@{SERVER}");
        Ok(Run::tool("ssh")?.args(["-F", CLIENT_CONFIG, &login, command]))
    }

    /// Logs in anew, runs `command`, logs out.
    pub fn once(&self, command: &str, patience: Duration) -> Result<Answer> {
        let login = format!("root@{SERVER}");
        let limit = format!("ConnectTimeout={}", patience.as_secs());
        let args = ["-F", CLIENT_CONFIG, "-o", &limit, &login, command];
        let output = Run::tool("ssh")?.args(args).deadline(PATIENCE).output()?;
        Ok(Answer {
            status: output.status.code().unwrap_or(255),
            printed: format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                output.stderr
            ),
        })
    }
}

fn last_logged() -> String {
    let log = fs::read_to_string(LOG).unwrap_or_default();
    log.lines().last().unwrap_or("it logged nothing").to_owned()
}

/// Both sides' configuration, and the accounts that this mount namespace sees.
fn configure() -> Result<()> {
    let settings: Vec<String> = SETTINGS
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let sshd = format!(
        "HostKey {DIR}/host_key\nAuthorizedKeysFile {DIR}/id.pub\nListenAddress {SERVER}:22\n\
         UsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\nPidFile none\nUseDNS no\n\
         PrintMotd no\nPrintLastLog no\nSetEnv PATH={LOGIN_PATH} {}\n",
        settings.join(" ")
    );
    let ssh = format!(
        "Host *\nIdentityFile {DIR}/id\nIdentitiesOnly yes\nIdentityAgent none\nBatchMode yes\n\
         StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nGlobalKnownHostsFile /dev/null\n\
         ControlPath none\nLogLevel ERROR\n"
    );
    fs::write(SERVER_CONFIG, sshd)?;
    fs::write(CLIENT_CONFIG, ssh)?;
    account("/etc/passwd", &format!("root:x:0:0:root:{HOME}:/bin/sh"))?;
    // No password, but not locked: a locked account is refused whatever key it has.
    account("/etc/shadow", "root:*:19000:0:99999:7:::")
}

/// Puts `root` in the place of root's line in `file`, for this mount namespace only.
fn account(file: &str, root: &str) -> Result<()> {
    if !Path::new(file).exists() {
        return Ok(());
    }
    let own = fs::read_to_string(file).with_context(|| format!("{file} cannot be read"))?;
    let others = own.lines().filter(|line| !line.starts_with("root:"));
    let lines: Vec<&str> = std::iter::once(root).chain(others).collect();
    let name = Path::new(file).file_name().unwrap_or_default();
    let copy = Path::new(DIR).join(name);
    fs::write(&copy, lines.join("\n") + "\n")?;
    mount_bind(&copy, file).with_context(|| format!("{file} cannot be replaced in the demo"))
}

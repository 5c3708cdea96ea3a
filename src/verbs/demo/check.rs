//! Looks at what happened, and fails loudly where it is not as told.

use anyhow::{Result, bail};

use super::login::{Answer, Shell};
use super::narrate::{as_told, command, printed};
use super::network::{CLIENT, Server};

/// Runs `line` in a login and insists on its exit status.
pub fn shown(shell: &mut Shell, host: &str, line: &str, status: i32) -> Result<Answer> {
    command(host, line);
    let answer = shell.run(line)?;
    printed(&answer.printed);
    told(
        answer.status == status,
        &format!("'{line}' exits with {status}"),
        &answer,
    )?;
    Ok(answer)
}

/// Fails loudly unless things are as told.
pub fn told(is_so: bool, what: &str, answer: &Answer) -> Result<()> {
    if is_so {
        return Ok(());
    }
    bail!(
        "not as told: {what}. Exit status {}, and this was printed:\n{}",
        answer.status,
        answer.printed
    )
}

/// The logins as the server's kernel lists them.
pub fn show_connections(server: &Server) -> Result<()> {
    let list = "ss -Htn state established";
    let connections = server.tool(list)?;
    command("server", list);
    printed(&connections);
    let logins = connections
        .lines()
        .filter(|line| line.contains(CLIENT))
        .count();
    if logins < 2 {
        bail!("not as told: the server has {logins} logins open, and not two");
    }
    as_told("Two logins are open; both are older than the rules to come.");
    Ok(())
}

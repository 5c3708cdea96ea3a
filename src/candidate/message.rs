//! What the tools say about a file, as places in the user's file.

use super::text::{line, words};

/// Where and why a tool refused its input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// An included file; `None` for the candidate itself.
    pub file: Option<String>,
    /// Line number, from 1.
    pub line: Option<usize>,
    /// The tool's message, without its name and version.
    pub message: String,
    /// The source line as the tool quoted it.
    pub source_line: Option<String>,
}

/// Reads what iptables-restore of either backend prints, for example
/// `iptables-restore v1.8.9 (legacy): unknown option "--frob"` and `Error occurred at line: 5`.
#[must_use]
pub fn iptables_place(stderr: &str, text: &str) -> Place {
    let mut message = String::new();
    let mut found = None;
    let mut warning = None;
    for said in stderr
        .lines()
        .map(without_tool)
        .filter(|line| !line.is_empty())
    {
        if found.is_none() {
            found = number_after(said, "line: ").or_else(|| number_after(said, "line "));
        }
        let chatter = said.starts_with("Error occurred at line") || said.starts_with("Try `");
        if said.trim_start_matches("# ").starts_with("Warning: ") {
            warning.get_or_insert(said);
        } else if message.is_empty() && !chatter {
            said.clone_into(&mut message);
        }
    }
    let line = found.map(|number| guilty_line(text, number, &message));
    if message.starts_with("line ") {
        message = plain_failure(&message, line.and_then(|number| self::line(text, number)));
    }
    // A missing kernel module is announced as a warning before the error that it leads to.
    if let Some(warning) = warning {
        message = if message.is_empty() {
            warning.to_owned()
        } else {
            format!("{message} ({warning})")
        };
    }
    Place {
        line,
        message,
        ..Place::default()
    }
}

/// `iptables-nft-restore v1.8.9 (nf_tables): ` and `iptables-restore: ` say nothing new.
fn without_tool(said: &str) -> &str {
    let said = said.trim();
    match said
        .split_once(": ")
        .or_else(|| said.strip_suffix(':').map(|tool| (tool, "")))
    {
        Some((tool, rest)) if is_tool(tool) => without_tool(rest),
        Some(_) | None => said,
    }
}

fn is_tool(text: &str) -> bool {
    let name = text.split(' ').next().unwrap_or_default();
    name.ends_with("-restore") && (name == text || text.contains(" v"))
}

fn number_after(said: &str, mark: &str) -> Option<usize> {
    let rest = &said[said.find(mark)? + mark.len()..];
    let end = rest.find(|c: char| !c.is_ascii_digit());
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

/// iptables-nft-restore notices a missing chain only at COMMIT; the jump to it is what the user wants to see.
fn guilty_line(text: &str, number: usize, message: &str) -> usize {
    let missing = message
        .strip_prefix("Chain '")
        .and_then(|rest| rest.strip_suffix("' does not exist"));
    let Some(chain) = missing else { return number };
    let before: Vec<&str> = text.lines().take(number).collect();
    let table = before
        .iter()
        .rposition(|line| line.starts_with('*'))
        .unwrap_or(0);
    before[table..]
        .iter()
        .position(|line| jumps_to(line, chain))
        .map_or(number, |at| table + at + 1)
}

fn jumps_to(line: &str, chain: &str) -> bool {
    words(line)
        .windows(2)
        .any(|pair| ["-j", "--jump", "-g", "--goto"].contains(&pair[0]) && pair[1] == chain)
}

/// Makes a sentence of `line 4 failed: REASON.` and `line 3: RULE_APPEND failed (REASON): …`.
fn plain_failure(message: &str, source: Option<&str>) -> String {
    let rest = message
        .trim_start_matches("line ")
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .trim_start_matches(':')
        .trim();
    match (rest, source) {
        ("failed", Some("COMMIT")) => {
            "the kernel refused the table that ends here, and gave no reason".to_owned()
        }
        ("failed", _) => "the tool refused this line, and gave no reason".to_owned(),
        (rest, _) => rest.trim_start_matches("failed: ").to_owned(),
    }
}

/// Reads what `nft -f -` prints, for example `/dev/stdin:3:5-9: Error: syntax error` and the
/// source line after it; for an included file its own path stands first.
#[must_use]
pub fn nft_place(stderr: &str) -> Place {
    let mut lines = stderr.lines();
    while let Some(said) = lines.next() {
        let Some((place, message)) = said.split_once(": Error: ") else {
            continue;
        };
        let mut parts = place.rsplitn(3, ':');
        let (_columns, line, file) = (parts.next(), parts.next(), parts.next());
        let (Some(line), Some(file)) = (line.and_then(|line| line.parse().ok()), file) else {
            continue;
        };
        return Place {
            file: (file != "/dev/stdin").then(|| file.to_owned()),
            line: Some(line),
            message: message.trim().to_owned(),
            source_line: lines.next().map(|line| line.trim().to_owned()),
        };
    }
    Place {
        message: stderr.lines().map(str::trim).collect::<Vec<_>>().join("; "),
        ..Place::default()
    }
}

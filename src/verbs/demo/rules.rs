//! The rulesets of the story, and how the live one is told from another.

use anyhow::Result;

use super::network::Server;
use crate::exec::find;

/// What the server starts with.
pub const BEFORE: &str = "\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
";
/// Opens port 443, and has the classic mistake.
pub const BAD: &str = "\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 2222 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT
COMMIT
";
/// What was meant.
pub const GOOD: &str = "\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT
COMMIT
";

/// What the save tools print on the server, without what changes by itself.
pub fn saved(server: &Server) -> Result<String> {
    let mut all = String::new();
    for tool in ["iptables-save", "ip6tables-save", "nft -s list ruleset"] {
        let name = tool.split(' ').next().unwrap_or_default();
        if find(name).is_ok() {
            all.push_str(&format!("== {tool}\n"));
            all.push_str(&timeless(&server.tool(tool)?));
        }
    }
    Ok(all)
}

/// `text` without the comments, which hold the date, and the policies' packet counters.
fn timeless(text: &str) -> String {
    let mut kept = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let line = if line.starts_with(':') {
            line.split(" [").next().unwrap_or(line)
        } else {
            line
        };
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::timeless;

    #[test]
    fn dates_and_counters_do_not_count() {
        let one = "# on Sunday\n*filter\n:INPUT DROP [3:180]\n-A INPUT -j ACCEPT\nCOMMIT\n";
        let other = "# on Monday\n*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n";
        assert_eq!(timeless(one), timeless(other));
        assert!(timeless(one).contains("-A INPUT -j ACCEPT"));
        assert_ne!(timeless(one), timeless(&one.replace("DROP", "ACCEPT")));
    }
}

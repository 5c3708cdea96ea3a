//! Rows, and rules for both backends.

use std::net::SocketAddr;

use safe_apply::rehearsal::limits::Limits;
use safe_apply::rehearsal::probe::Side;
use safe_apply::rehearsal::{Flow, Protocol};

use super::support::{Change, v4};

pub const HERE: &str = "192.0.2.1";
pub const THERE: &str = "203.0.113.9";

pub fn flow(from: &str, to: &str) -> Flow {
    let end = |text: &str| text.parse::<SocketAddr>().unwrap();
    Flow {
        protocol: Protocol::Tcp,
        source: end(from),
        destination: end(to),
    }
}

/// Whether "open" is doubtful for a connection from outside to this port.
pub fn inward(limits: &Limits, port: u16) -> bool {
    let flow = flow(&format!("{THERE}:50000"), &format!("{HERE}:{port}"));
    limits.doubt(Side::World, &flow).is_some()
}

/// The same, from this host to that port of another.
pub fn outward(limits: &Limits, port: u16) -> bool {
    let flow = flow(&format!("{HERE}:50000"), &format!("{THERE}:{port}"));
    limits.doubt(Side::Host, &flow).is_some()
}

/// A table with these lines.
pub fn table(lines: &str) -> String {
    format!(
        "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:X - [0:0]\n{lines}\n\
         -A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n"
    )
}

pub fn inet(rules: &str) -> String {
    format!(
        "table inet f {{\nset ports {{ type inet_service; elements = {{ 80 }}; }}\n\
         set expiring {{ type ipv4_addr; timeout 1h; }}; set seen {{ type ipv4_addr; flags dynamic; }}\nchain x {{\n}}\nchain input {{\n\
         type filter hook input priority 0; policy drop;\n{rules}\ntcp dport 22 accept\n}}\n}}\n"
    )
}

/// Both backends.
pub fn both(lines: &str) -> [Change; 2] {
    [
        Change::new(&[], &[v4(&table(lines))]),
        Change::legacy(&[], &[v4(&table(lines))]),
    ]
}

//! Rules that several cases are made of.

/// Opens the login port and little else.
pub const PLAIN: &str = "*filter\n:INPUT DROP\n-A INPUT -i lo -j ACCEPT\n\
    -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
    -A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n";
pub const REDIRECT: &str =
    "*nat\n-A PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22\nCOMMIT\n";
/// Closes everything but what comes from a hardware address.
pub const BY_MAC: &str = "*filter\n:INPUT DROP\n-A INPUT -i lo -j ACCEPT\n\
    -A INPUT -m mac --mac-source 02:00:00:00:77:01 -p tcp --dport 22 -j ACCEPT\nCOMMIT\n";
pub const NOTRACK: &str = "*raw\n-A PREROUTING -p tcp --dport 22 -j CT --notrack\nCOMMIT\n";
pub const NO_DISCOVERY: &str = "*filter\n:INPUT DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT\n\
    -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n";
pub const NATIVE: &str = "flush ruleset\ntable inet fw {\nchain input {\n\
    type filter hook input priority 0; policy drop;\niif lo accept\n\
    ct state established,related accept\nmeta l4proto ipv6-icmp accept\ntcp dport 22 accept\n}\n}\n";

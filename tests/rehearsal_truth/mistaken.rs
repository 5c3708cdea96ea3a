//! Rules with a classic mistake each.

/// A mistake in iptables-save format; `NET` stands for a network that the user is not in.
/// The line that decides contains the second text.
pub const IPTABLES: [(&str, &str, &str); 13] = [
    (
        "a typo in the port",
        ":INPUT DROP",
        ":INPUT DROP\n:OUTPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n\
         -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n\
         -A INPUT -p tcp --dport 222 -j ACCEPT\n",
    ),
    (
        "no rule for established connections",
        ":INPUT DROP",
        ":INPUT DROP\n:OUTPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n\
         -A INPUT -p tcp --dport 22 -m conntrack --ctstate NEW -j ACCEPT\n",
    ),
    (
        "no way out for answers",
        ":OUTPUT DROP",
        ":INPUT ACCEPT\n:OUTPUT DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT\n\
         -A OUTPUT -o lo -j ACCEPT\n-A OUTPUT -p udp --dport 53 -j ACCEPT\n",
    ),
    (
        "drop before accept",
        "-A INPUT -j DROP",
        ":INPUT ACCEPT\n:OUTPUT ACCEPT\n-A INPUT -j DROP\n\
         -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n\
         -A INPUT -p tcp --dport 22 -j ACCEPT\n",
    ),
    (
        "another interface",
        ":INPUT DROP",
        ":INPUT DROP\n:OUTPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n\
         -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n\
         -A INPUT -i ens3 -p tcp --dport 22 -j ACCEPT\n",
    ),
    (
        "everything but another interface",
        "! -i eth1",
        ":INPUT ACCEPT\n:OUTPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n\
         -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n\
         -A INPUT ! -i eth1 -p tcp --dport 22 -j DROP\n",
    ),
    (
        "an address list without the user",
        "-j REJECT",
        ":INPUT ACCEPT\n:OUTPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n\
         -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n\
         -A INPUT -s NET -p tcp --dport 22 -j ACCEPT\n-A INPUT -p tcp --dport 22 -j REJECT\n",
    ),
    (
        "a reset instead of a login",
        "--reject-with tcp-reset",
        ":INPUT ACCEPT\n:OUTPUT ACCEPT\n\
         -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n\
         -A INPUT ! -s NET -p tcp --dport 22 -j REJECT --reject-with tcp-reset\n",
    ),
    (
        "policy drop and nothing else",
        ":INPUT DROP",
        ":INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n",
    ),
    (
        "a set without the user",
        "-A INPUT -p tcp --dport 22 -j DROP",
        ":INPUT ACCEPT\n:OUTPUT ACCEPT\n\
         -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n\
         -A INPUT -p tcp --dport 22 -m set --match-set admins src -j ACCEPT\n\
         -A INPUT -p tcp --dport 22 -j DROP\n",
    ),
    (
        "a chain of one's own",
        "-A guard -j DROP",
        ":INPUT ACCEPT\n:OUTPUT ACCEPT\n:guard - [0:0]\n:friends - [0:0]\n\
         -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n\
         -A INPUT -p tcp --dport 22 -j guard\n-A guard -j friends\n-A guard -j DROP\n\
         -A friends ! -s NET -j RETURN\n-A friends -j ACCEPT\n",
    ),
    (
        "the rule comes too late",
        "-A INPUT -m conntrack --ctstate NEW -j DROP",
        ":INPUT ACCEPT\n:OUTPUT ACCEPT\n\
         -A INPUT -m conntrack --ctstate NEW -j DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT\n",
    ),
    (
        "a limit that is used up by nobody",
        "-A INPUT -p tcp --dport 22 -j DROP",
        ":INPUT ACCEPT\n:OUTPUT ACCEPT\n\
         -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n\
         -A INPUT -p tcp --dport 22 -m recent --rcheck --name knocked -j ACCEPT\n\
         -A INPUT -p tcp --dport 22 -j DROP\n",
    ),
];

/// The same for nft; the rules of one chain, after its type.
pub const NATIVE: [(&str, &str, &str); 11] = [
    (
        "a typo in the port",
        "policy drop",
        "policy drop; iif lo accept\nct state established,related accept\ntcp dport 222 accept\n",
    ),
    (
        "no rule for established connections",
        "policy drop",
        "policy drop; iif lo accept\ntcp dport 22 ct state new accept\n",
    ),
    (
        "drop before accept",
        "meta l4proto tcp drop",
        "policy accept; meta l4proto tcp drop\nct state established,related accept\ntcp dport 22 accept\n",
    ),
    (
        "another interface",
        "policy drop",
        "policy drop; ct state established,related accept\niifname \"ens3\" tcp dport 22 accept\n",
    ),
    (
        "an address list without the user",
        "tcp dport 22 reject",
        "policy accept; ct state established,related accept\n\
         FAMILY saddr { NET } tcp dport 22 accept\ntcp dport 22 reject\n",
    ),
    (
        "a reset instead of a login",
        "reject with tcp reset",
        "policy accept; ct state established,related accept\n\
         FAMILY saddr != NET tcp dport 22 reject with tcp reset\n",
    ),
    (
        "policy drop and nothing else",
        "policy drop",
        "policy drop;\n",
    ),
    (
        "a set without the user",
        "tcp dport 22 drop",
        "policy accept; ct state established,related accept\n\
         tcp dport 22 FAMILY saddr @admins accept\ntcp dport 22 drop\n",
    ),
    (
        "a map without the port",
        "ct state new drop",
        "policy accept; tcp dport vmap { 80 : accept, 443 : accept }\nct state new drop\n",
    ),
    (
        "a chain of one's own",
        "counter drop",
        "policy accept; ct state established,related accept\ntcp dport 22 jump guard\n}\n\
         chain guard {\nFAMILY saddr NET accept\ncounter drop\n",
    ),
    (
        "a set of pairs without the user",
        "policy drop",
        "policy drop; ct state established,related accept\n\
         FAMILY saddr . tcp dport { NETHOST . 22 } accept\n",
    ),
];

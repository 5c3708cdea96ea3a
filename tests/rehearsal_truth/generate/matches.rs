//! What rules in iptables-save format look at.

use proptest::prelude::*;

use super::{Family, one_of, sets};

/// Protocols, mostly with ports.
pub fn protocols(family: Family) -> BoxedStrategy<String> {
    let icmp = match family {
        Family::V4 => one_of(&["-p icmp", "-p icmp -m icmp --icmp-type 8"]),
        Family::V6 => one_of(&["-p ipv6-icmp", "-p ipv6-icmp -m icmp6 --icmpv6-type 128"]),
    };
    let ports = one_of(&[
        "-p tcp -m tcp --dport 22",
        "-p tcp -m tcp --dport 22",
        "-p tcp -m tcp --dport 2222",
        "-p tcp -m tcp ! --dport 22",
        "-p tcp -m tcp --dport 20:80",
        "-p tcp -m tcp --dport 443",
        "-p tcp -m multiport --dports 22,80",
        "-p tcp -m multiport --dports 80,443,8000:9000",
        "-p tcp -m multiport ! --dports 80,443",
        "-p tcp -m multiport --ports 22",
        "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN",
        "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN",
        "-p tcp -m tcp --sport 1024:65535",
        "-p tcp -m tcp --sport 22",
        "-p tcp",
        "-p udp -m udp --dport 53",
        "-p udp -m udp --sport 53",
        "-p udp -m multiport --dports 53,1194",
        "-p udp",
    ]);
    prop_oneof![6 => ports, 1 => icmp].boxed()
}

/// Matches that hold in any chain.
pub fn anywhere(family: Family) -> BoxedStrategy<String> {
    let addresses = match family {
        Family::V4 => one_of(&[
            "-s 198.51.100.0/24",
            "-s 198.51.100.1/32",
            "! -s 198.51.100.1/32",
            "-s 203.0.113.0/24",
            "! -s 10.0.0.0/8",
            "-d 198.51.100.2/32",
            "! -d 198.51.100.2/32",
            "-m iprange --src-range 198.51.100.1-198.51.100.9",
            "-m addrtype --dst-type LOCAL",
            "-m addrtype ! --src-type LOCAL",
            "-m ttl --ttl-gt 3",
        ]),
        Family::V6 => one_of(&[
            "-s 2001:db8::/64",
            "-s 2001:db8::1/128",
            "! -s 2001:db8::1/128",
            "-s 2001:db8:fa::/48",
            "-d 2001:db8::2/128",
            "-s fe80::/10",
            "-m addrtype --dst-type LOCAL",
            "-m hl --hl-gt 3",
        ]),
    };
    let states = one_of(&[
        "-m conntrack --ctstate RELATED,ESTABLISHED",
        "-m conntrack --ctstate RELATED,ESTABLISHED",
        "-m conntrack --ctstate NEW",
        "-m conntrack ! --ctstate NEW",
        "-m conntrack --ctstate INVALID",
        "-m conntrack --ctstate UNTRACKED",
        "-m conntrack --ctstate NEW,ESTABLISHED",
        "-m conntrack --ctdir REPLY",
        "-m conntrack --ctstate DNAT",
        "-m state --state ESTABLISHED",
        "-m state --state NEW,RELATED",
    ]);
    let marks = one_of(&[
        "-m mark --mark 0x1",
        "-m mark ! --mark 0x1",
        "-m connmark --mark 0x2",
        "-m connmark --mark 0x0",
    ]);
    let odd = one_of(&[
        "-m limit --limit 5/min --limit-burst 3",
        "-m limit --limit 1/hour --limit-burst 1",
        "-m hashlimit --hashlimit-upto 4/min --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name a",
        "-m hashlimit --hashlimit-above 6/min --hashlimit-burst 5 --hashlimit-mode srcip,dstport --hashlimit-name b",
        "-m recent --set --name seen --rsource",
        "-m recent --update --seconds 60 --hitcount 3 --name seen --rsource",
        "-m recent --rcheck --name seen --rsource",
        "-m connlimit --connlimit-above 1 --connlimit-mask 32",
        "-m length --length 0:100",
        "-m length --length 200:1500",
        "-m comment --comment \"a word\"",
        "-m statistic --mode nth --every 2 --packet 0",
        "-m dscp --dscp 0x04",
        "-m u32 --u32 \"0x0&0xf000000=0x5000000\"",
    ]);
    let asked = sets::questions(family);
    let set = one_of(asked).prop_flat_map(|asked| {
        let is = format!("-m set --match-set {asked}");
        let is_not = format!("-m set ! --match-set {asked}");
        proptest::sample::select(vec![is, is_not])
    });
    prop_oneof![4 => addresses, 4 => states, 1 => marks, 2 => odd, 2 => set].boxed()
}

/// Devices of packets that come in.
pub fn incoming() -> BoxedStrategy<String> {
    one_of(&[
        "-i eth0",
        "-i eth0",
        "! -i eth0",
        "-i eth1",
        "-i lo",
        "! -i lo",
        "-i eth+",
        "-i ens3",
    ])
}

/// Devices, and owners, of packets that go out.
pub fn outgoing() -> BoxedStrategy<String> {
    one_of(&[
        "-o eth0",
        "! -o lo",
        "-o lo",
        "-m owner --uid-owner 0",
        "-m owner --uid-owner 1000",
    ])
}

//! What matches, targets and expressions are about, by their names.

use super::feature::Feature;

/// x_tables' matches (iptables-extensions(8)); `list` is the name of its list, where it has one.
pub fn of_match(name: &str, list: &str) -> Option<Feature> {
    Some(match name {
        // These look at the packet, its connection, and what the rehearsal has as the host has it.
        "tcp" | "udp" | "udplite" | "sctp" | "dccp" | "icmp" | "icmp6" | "icmpv6" | "multiport"
        | "conntrack" | "state" | "comment" | "addrtype" | "iprange" | "pkttype" | "mark"
        | "connmark" | "connlabel" | "set" | "rpfilter" | "esp" | "ah" | "frag" | "rt" | "hbh"
        | "dst" | "ipv6header" | "mh" | "srh" | "geoip" | "cluster" | "devgroup" | "tcpmss"
        | "standard" | "account" | "l2tp" => return None,
        "statistic" | "random" | "nth" => Feature::Chance,
        "connlimit" => Feature::Connections,
        "quota" | "nfacct" | "quota2" => Feature::Quota,
        "connbytes" => Feature::Volume,
        "rateest" => Feature::Measured,
        "owner" => Feature::Owner,
        "cgroup" => Feature::Cgroup,
        "socket" => Feature::Socket,
        "policy" => Feature::Ipsec,
        "physdev" => Feature::BridgePort,
        "ttl" | "hl" => Feature::Hops,
        "string" | "u32" | "bpf" | "ipp2p" | "layer7" => Feature::Content,
        "length" => Feature::Length,
        "tos" | "dscp" | "ecn" => Feature::Service,
        "osf" => Feature::Fingerprint,
        "cpu" => Feature::Cpu,
        "recent" => Feature::Recent(list.to_owned()),
        "hashlimit" => Feature::Rates(list.to_owned()),
        "limit" => Feature::Rate,
        "time" => Feature::Clock,
        "mac" | "eui64" => Feature::Hardware,
        "helper" => Feature::Helper,
        other => Feature::Unknown(other.to_owned()),
    })
}

/// x_tables' targets.
pub fn of_target(name: &str) -> Option<Feature> {
    Some(match name {
        "NFQUEUE" | "QUEUE" => Feature::Program,
        "TPROXY" => Feature::Proxy,
        "SYNPROXY" => Feature::SynProxy,
        "ACCEPT" | "DROP" | "REJECT" | "RETURN" | "LOG" | "NFLOG" | "ULOG" | "TRACE" | "MARK"
        | "CONNMARK" | "CT" | "NOTRACK" | "TCPMSS" | "SET" | "SNAT" | "DNAT" | "MASQUERADE"
        | "REDIRECT" | "NETMAP" | "CLASSIFY" | "DSCP" | "TOS" | "TTL" | "HL" | "ECN"
        | "TCPOPTSTRIP" | "CHECKSUM" | "AUDIT" | "SECMARK" | "CONNSECMARK" | "RATEEST"
        | "IDLETIMER" | "LED" | "HMARK" | "ACCOUNT" | "TEE" | "DNPT" | "SNPT" => return None,
        other => Feature::Unknown(other.to_owned()),
    })
}

/// Expressions that are no loads and no comparisons (`net/netfilter/nft_*.c`).
pub fn of_other(name: &str, data: &[u8]) -> Option<Feature> {
    let number = |kind| crate::netlink::find(data, kind).and_then(|one| one.be32());
    Some(match name {
        "numgen" => Feature::Chance,
        // Without a seed the kernel rolls one for each load.
        "hash" => Feature::Chance,
        "connlimit" => Feature::Connections,
        "quota" => Feature::Quota,
        "limit" => Feature::Rate,
        "queue" => Feature::Program,
        "tproxy" => Feature::Proxy,
        "synproxy" => Feature::SynProxy,
        "xfrm" | "tunnel" => Feature::Ipsec,
        "inner" => Feature::Content,
        "osf" => Feature::Fingerprint,
        // `NFT_SOCKET_CGROUPV2`.
        "socket" if number(1) == Some(3) => Feature::Cgroup,
        "socket" => Feature::Socket,
        // `NFTA_OBJREF_IMM_TYPE`
        "objref" => return number(1).and_then(of_object),
        "log" | "reject" | "masq" | "redir" | "nat" | "notrack" | "dup" | "fwd" | "meta" | "ct"
        | "payload" | "byteorder" | "bitwise" | "dynset" | "fib" | "rt" | "exthdr"
        | "flow_offload" | "immediate" | "cmp" | "range" | "lookup" => return None,
        other => Feature::Unknown(other.to_owned()),
    })
}

/// `NFT_OBJECT_*`: quota, ct helper, limit, connlimit, tunnel, synproxy.
pub fn of_object(kind: u32) -> Option<Feature> {
    Some(match kind {
        2 => Feature::Quota,
        3 => Feature::Helper,
        4 => Feature::Rate,
        5 => Feature::Connections,
        6 => Feature::Ipsec,
        10 => Feature::SynProxy,
        _ => return None,
    })
}

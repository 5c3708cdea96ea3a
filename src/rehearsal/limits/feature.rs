//! Things in rules whose answer here need not be the answer on the host.

/// What a rule looks at, or does, that a rehearsal shows in part or not at all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Chance.
    Chance,
    /// How many connections there are.
    Connections,
    /// How much went through already.
    Quota,
    /// How much the connection carried.
    Volume,
    /// How fast packets come.
    Measured,
    /// Whose socket it is.
    Owner,
    /// The control group of the socket's process.
    Cgroup,
    /// What the socket is that the packet is for.
    Socket,
    /// Whether it came or goes through `IPsec`.
    Ipsec,
    /// The port of a bridge.
    BridgePort,
    /// How far it came.
    Hops,
    /// What is in it.
    Content,
    /// Its length.
    Length,
    /// Options of TCP.
    Options,
    /// Whether it may be fragmented.
    Fragments,
    /// Type of service, DSCP, ECN.
    Service,
    /// The sender's operating system.
    Fingerprint,
    /// The processor that it is handled by.
    Cpu,
    /// What kind of an interface it comes in or goes out by.
    LinkKind,
    /// Whether an interface is an Ethernet one.
    Ethernet,
    /// Labels of `SELinux`.
    Label,
    /// A program is asked.
    Program,
    /// Handed to a proxy.
    Proxy,
    /// The kernel answers in the server's name.
    SynProxy,
    /// A match or target that is not known here.
    Unknown(String),
    /// A list of addresses seen (`recent`).
    Recent(String),
    /// A rate for each address (`hashlimit`).
    Rates(String),
    /// A rate.
    Rate,
    /// The time of day, the day, the date.
    Clock,
    /// A set whose members expire.
    Expiring(String),
    /// The hardware address.
    Hardware,
    /// Connections that a helper expects.
    Helper,
}

/// Of which rows "open" cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weight {
    /// All whose packets may match the rule.
    All,
    /// Those that begin on this host.
    Outbound,
    /// Those of the addresses that stand in a list of that name.
    Listed(String),
    /// None: true now, and it may be otherwise later.
    None,
}

impl Feature {
    /// Of which rows "open" cannot be trusted.
    #[must_use]
    pub fn weight(&self) -> Weight {
        match self {
            Self::Chance
            | Self::Connections
            | Self::Quota
            | Self::Volume
            | Self::Measured
            | Self::Cgroup
            | Self::Socket
            | Self::Ipsec
            | Self::BridgePort
            | Self::Hops
            | Self::Content
            | Self::Length
            | Self::Options
            | Self::Fragments
            | Self::Service
            | Self::Fingerprint
            | Self::Cpu
            | Self::LinkKind
            | Self::Ethernet
            | Self::Label
            | Self::Program
            | Self::Proxy
            | Self::SynProxy
            | Self::Unknown(_) => Weight::All,
            // What listens here answers with the sockets of its own user.
            Self::Owner => Weight::Outbound,
            Self::Recent(name) | Self::Rates(name) => Weight::Listed(name.clone()),
            Self::Rate | Self::Clock | Self::Expiring(_) | Self::Hardware | Self::Helper => {
                Weight::None
            }
        }
    }

    /// What the rule does, and why the rehearsal does not show it.
    #[must_use]
    pub fn reason(&self) -> String {
        let fixed = match self {
            Self::Chance => "it decides by chance",
            Self::Connections => {
                "it counts connections, and those that the host has are not in the rehearsal"
            }
            Self::Quota => "it has a quota, which is used up sooner or later",
            Self::Volume => "it looks at how much a connection has carried or how long it has left",
            Self::Measured => "it looks at how fast packets come",
            Self::Owner => "it looks at whose socket it is; the rehearsal's own stand for all",
            Self::Cgroup => "it looks at the control group of a process",
            Self::Socket => "it looks at the socket that a packet is for",
            Self::Ipsec => "it looks at IPsec, which the rehearsal has not",
            Self::BridgePort => "it looks at ports of a bridge, which the rehearsal has not",
            Self::Hops => "it looks at how far a packet came (TTL, hop limit)",
            Self::Content => "it looks at what is in packets",
            Self::Length => "it looks at the length of packets",
            Self::Options => "it looks at TCP options, which are the sender's system's to choose",
            Self::Fragments => {
                "it looks at whether a packet may be fragmented, which its sender chooses"
            }
            Self::Service => "it looks at the type of service (TOS, DSCP, ECN) that programs set",
            Self::Fingerprint => "it guesses the sender's operating system",
            Self::Cpu => "it looks at the processor that handles the packet",
            Self::LinkKind => "it looks at what kind of interface it is, or at VLAN tags",
            Self::Ethernet => "it looks at whether an interface is an Ethernet one",
            Self::Label => "it looks at security labels",
            Self::Program => "it asks a program, which is not in the rehearsal",
            Self::Proxy => "it hands packets to a proxy",
            Self::SynProxy => "the kernel answers in the server's name (SYNPROXY)",
            Self::Unknown(name) => {
                return format!("what `{name}` looks at or does is not known to this program");
            }
            Self::Recent(name) => {
                return format!(
                    "it remembers addresses (recent, list {name}), here from now on only"
                );
            }
            Self::Rates(name) => {
                return format!("it measures rates (hashlimit {name}), here from now on only");
            }
            Self::Expiring(name) => {
                return format!("members of {name} expire: what is true now may not be later");
            }
            Self::Rate => "it has a rate limit: open means open below that rate",
            Self::Clock => "it looks at the clock: what is true now may not be later",
            Self::Hardware => "it looks at hardware addresses, which may change",
            Self::Helper => {
                "connections that a helper expects (FTP data and the like) are not tried"
            }
        };
        fixed.to_owned()
    }
}

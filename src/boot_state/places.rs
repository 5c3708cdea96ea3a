//! Where it is decided which rules are loaded at boot.

/// A place, absolute.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The path; a directory counts with all that is in it.
    pub path: &'static str,
    /// It comes with a package: where it appears in the window, the package was
    /// installed, and taking its files away would break it.
    pub packaged: bool,
}

const fn of_package(path: &'static str) -> Place {
    Place {
        path,
        packaged: true,
    }
}

const fn rules(path: &'static str) -> Place {
    Place {
        path,
        packaged: false,
    }
}

/// Files and directories, as the programs' packages and manual pages give them.
pub const PLACES: [Place; 36] = [
    // ufw(8), ufw-framework(8); user rules were in /lib/ufw before 0.35.
    of_package("/etc/ufw"),
    of_package("/etc/default/ufw"),
    rules("/lib/ufw/user.rules"),
    rules("/lib/ufw/user6.rules"),
    // firewalld(1), firewalld.conf(5).
    of_package("/etc/firewalld"),
    of_package("/etc/sysconfig/firewalld"),
    of_package("/etc/conf.d/firewalld"),
    // shorewall(8); what was compiled and saved is what is started.
    of_package("/etc/shorewall"),
    of_package("/etc/shorewall6"),
    of_package("/etc/default/shorewall"),
    of_package("/etc/default/shorewall6"),
    rules("/var/lib/shorewall/firewall"),
    rules("/var/lib/shorewall/restore"),
    rules("/var/lib/shorewall6/firewall"),
    rules("/var/lib/shorewall6/restore"),
    // netfilter-persistent(8) with its plugins; iptables of Alpine and Arch.
    rules("/etc/iptables"),
    of_package("/etc/default/netfilter-persistent"),
    // nftables.service of Debian, Arch, Alpine, Red Hat, and what their scripts include.
    rules("/etc/nftables.conf"),
    rules("/etc/nftables.nft"),
    rules("/etc/nftables.d"),
    rules("/etc/nftables"),
    rules("/etc/sysconfig/nftables.conf"),
    // iptables-services and ipset-service of Red Hat.
    rules("/etc/sysconfig/iptables"),
    rules("/etc/sysconfig/iptables-config"),
    rules("/etc/sysconfig/ip6tables"),
    rules("/etc/sysconfig/ip6tables-config"),
    rules("/etc/sysconfig/ipset"),
    rules("/etc/ipset.conf"),
    rules("/etc/ipset.d"),
    // OpenRC: settings, and where Gentoo keeps saved rules.
    rules("/etc/conf.d/iptables"),
    rules("/etc/conf.d/ip6tables"),
    rules("/etc/conf.d/nftables"),
    rules("/etc/conf.d/ipset"),
    rules("/var/lib/iptables/rules-save"),
    rules("/var/lib/ip6tables/rules-save"),
    rules("/var/lib/nftables/rules-save"),
];

/// Services that load rules. The last one is the name that D-Bus starts firewalld by.
const SERVICES: [&str; 11] = [
    "ufw",
    "firewalld",
    "nftables",
    "netfilter-persistent",
    "iptables",
    "ip6tables",
    "ipset",
    "ebtables",
    "shorewall",
    "shorewall6",
    "dbus-org.fedoraproject.FirewallD1",
];

/// Directories whose entries say which services are started at boot, with those one
/// level below: systemd (systemd.unit(5)) and OpenRC (`/etc/runlevels`).
pub const ENABLED_DIRS: [&str; 2] = ["/etc/systemd/system", "/etc/runlevels"];
/// The same for System V init.
pub const RC_DIRS: [&str; 8] = [
    "/etc/rc0.d",
    "/etc/rc1.d",
    "/etc/rc2.d",
    "/etc/rc3.d",
    "/etc/rc4.d",
    "/etc/rc5.d",
    "/etc/rc6.d",
    "/etc/rcS.d",
];

/// Whether an entry of [`ENABLED_DIRS`] of that name belongs to one of the services: its link, its
/// unit file, or the directory of its drop-ins.
pub fn is_service(name: &str) -> bool {
    let stem = name.strip_suffix(".d").unwrap_or(name);
    SERVICES.contains(&stem.strip_suffix(".service").unwrap_or(stem))
}

/// Whether a link in [`RC_DIRS`] of that name (`S01ufw`) belongs to one of the services.
pub fn is_rc_link(name: &str) -> bool {
    let rest = name.strip_prefix(['S', 'K']).unwrap_or_default();
    SERVICES.contains(&rest.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

/// Whether `path` says that a service is started at boot.
pub fn is_enablement(path: &std::path::Path) -> bool {
    let mut dirs = ENABLED_DIRS.iter().chain(&RC_DIRS);
    dirs.any(|dir| path.starts_with(dir))
}

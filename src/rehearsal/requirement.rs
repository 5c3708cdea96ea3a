//! What the user asks for: what has to be open (`--require`), and whose login is rehearsed (`--as`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use super::Protocol;

/// How a requirement is written.
const FORM: &str = "expected PROTOCOL/PORT or PROTOCOL/PORT@ADDRESS, such as tcp/443, udp/53@198.51.100.7 or tcp/443@2001:db8::7";
/// How the one whose login is rehearsed is written.
const CALLER_FORM: &str = "expected ADDRESS or ADDRESS:PORT, such as 203.0.113.7, 203.0.113.7:51234, 2001:db8::7 or [2001:db8::7]:51234";

/// Something that has to be open: a service of this host, for anyone or for one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The port of this host, from 1.
    pub port: u16,
    /// For whom; `None` is anyone.
    pub from: Option<IpAddr>,
    /// As it was written.
    pub text: String,
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Requirement {
    type Err = String;

    /// # Errors
    /// A sentence that says what is wrong, and how it is written.
    fn from_str(text: &str) -> Result<Self, String> {
        let (service, from) = match text.split_once('@') {
            Some((service, from)) => (service, Some(from)),
            None => (text, None),
        };
        let Some((protocol, port)) = service.split_once('/') else {
            return Err(FORM.to_owned());
        };
        Ok(Self {
            protocol: protocol_of(protocol)?,
            port: port_of(port).ok_or_else(|| {
                format!("{port:?} is no port, which is a number from 1 to 65535; {FORM}")
            })?,
            from: from
                .map(|from| address(from).map_err(|what| format!("{what}; {FORM}")))
                .transpose()?,
            text: text.to_owned(),
        })
    }
}

impl Serialize for Requirement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Requirement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Written)
    }
}

/// Fails inside of the value, so that the error gets its line.
struct Written;

impl Visitor<'_> for Written {
    type Value = Requirement;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a requirement such as \"tcp/443\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Requirement, E> {
        text.parse().map_err(E::custom)
    }
}

/// Whose login is rehearsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The address that the login comes from.
    pub ip: IpAddr,
    /// The port of the connection that is open now; `None` where it does not matter.
    pub port: Option<u16>,
}

impl FromStr for Caller {
    type Err = String;

    /// # Errors
    /// A sentence that says what is wrong, and how it is written.
    fn from_str(text: &str) -> Result<Self, String> {
        let explain = |what: String| format!("{what}; {CALLER_FORM}");
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Some(bare) = bare {
            let ip = address(bare).map_err(explain)?;
            return Ok(Self { ip, port: None });
        }
        if text.parse::<IpAddr>().is_err()
            && let Ok(end) = text.parse::<SocketAddr>()
        {
            if end.port() == 0 {
                return Err(explain("a port is a number from 1 to 65535".to_owned()));
            }
            let ip = usable(end.ip()).map_err(explain)?;
            return Ok(Self {
                ip,
                port: Some(end.port()),
            });
        }
        let ip = address(text).map_err(explain)?;
        Ok(Self { ip, port: None })
    }
}

fn protocol_of(text: &str) -> Result<Protocol, String> {
    match text {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        _ => Err(format!("{text:?} is neither tcp nor udp; {FORM}")),
    }
}

/// Digits only: `u16` would also take a sign.
fn port_of(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

fn address(text: &str) -> Result<IpAddr, String> {
    let ip = text
        .parse()
        .map_err(|_| format!("{text:?} is no address"))?;
    usable(ip)
}

/// An address that one host can have, IPv4 in its own form.
fn usable(ip: IpAddr) -> Result<IpAddr, String> {
    let ip = ip.to_canonical();
    let broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err(format!("{ip} is not the address of one host"));
    }
    Ok(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(text: &str) -> Requirement {
        text.parse().unwrap()
    }

    #[test]
    fn requirements_of_the_documentation() {
        let web = requirement("tcp/443");
        assert_eq!(
            (web.protocol, web.port, web.from),
            (Protocol::Tcp, 443, None)
        );
        let dns = requirement("udp/53@198.51.100.7");
        assert_eq!((dns.protocol, dns.port), (Protocol::Udp, 53));
        assert_eq!(dns.from, Some("198.51.100.7".parse().unwrap()));
        let six = requirement("tcp/443@2001:db8::7");
        assert_eq!(six.from, Some("2001:db8::7".parse().unwrap()));
        assert_eq!(six.to_string(), "tcp/443@2001:db8::7");
    }

    #[test]
    fn what_is_wrong_is_named_with_the_form() {
        for (text, names) in [
            ("443", "expected"),
            ("", "expected"),
            ("tcp/ssh", "\"ssh\" is no port"),
            ("tcp/", "\"\" is no port"),
            ("tcp/0", "\"0\" is no port"),
            ("tcp/+22", "\"+22\" is no port"),
            ("tcp/65536", "\"65536\" is no port"),
            ("sctp/1", "\"sctp\" is neither"),
            ("TCP/1", "\"TCP\" is neither"),
            ("icmp/8", "\"icmp\" is neither"),
            ("tcp/443@example.org", "\"example.org\" is no address"),
            ("tcp/443@", "\"\" is no address"),
            ("tcp/443@10.0.0.0/8", "\"10.0.0.0/8\" is no address"),
            ("tcp/443@0.0.0.0", "not the address of one host"),
            ("tcp/443@ff02::1", "not the address of one host"),
        ] {
            let error = text.parse::<Requirement>().unwrap_err();
            assert!(error.contains(names), "{text}: {error}");
            assert!(error.contains("udp/53@198.51.100.7"), "{text}: {error}");
        }
    }

    #[test]
    fn callers_with_and_without_a_port() {
        for (text, ip, port) in [
            ("203.0.113.7", "203.0.113.7", None),
            ("203.0.113.7:51234", "203.0.113.7", Some(51234)),
            ("2001:db8::7", "2001:db8::7", None),
            ("[2001:db8::7]", "2001:db8::7", None),
            ("[2001:db8::7]:51234", "2001:db8::7", Some(51234)),
            ("::ffff:203.0.113.7", "203.0.113.7", None),
            ("[::ffff:203.0.113.7]:1", "203.0.113.7", Some(1)),
        ] {
            let caller: Caller = text.parse().unwrap();
            assert_eq!(caller.ip, ip.parse::<IpAddr>().unwrap(), "{text}");
            assert_eq!(caller.port, port, "{text}");
        }
        // Without brackets the last group belongs to the address.
        let caller: Caller = "2001:db8::7:51".parse().unwrap();
        assert_eq!(caller.port, None);
    }

    #[test]
    fn callers_that_cannot_be() {
        for text in [
            "",
            "somewhere",
            "203.0.113.7:",
            "203.0.113.7:0",
            "203.0.113.7:70000",
            "[2001:db8::7",
            "0.0.0.0",
            "[::]:22",
            "224.0.0.1:22",
            "255.255.255.255",
        ] {
            let error = text.parse::<Caller>().unwrap_err();
            assert!(error.contains("[2001:db8::7]:51234"), "{text}: {error}");
        }
    }
}

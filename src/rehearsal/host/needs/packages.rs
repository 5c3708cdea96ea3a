//! Where packages come from (`apt.conf(5)`, `dnf.conf(5)`, `yum.conf(5)`).

use std::net::IpAddr;
use std::path::Path;

use super::{Need, literal, push, text, texts};
use crate::rehearsal::Protocol;

/// What curl takes for the port of a proxy that has none.
const CURL_PROXY_PORT: u16 = 1080;

/// Proxies if there are any, else the mirrors, which have names: any host.
pub(super) fn read(root: &Path) -> Vec<Need> {
    let mut proxies = Vec::new();
    let apt = text(root, "etc/apt/apt.conf").into_iter();
    for file in apt.chain(texts(root, "etc/apt/apt.conf.d", "")) {
        proxies.extend(apt_proxies(&file).iter().filter_map(|url| proxy(url, None)));
    }
    for path in ["etc/dnf/dnf.conf", "etc/yum.conf"] {
        let file = text(root, path).unwrap_or_default();
        let urls = file.lines().filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == "proxy").then(|| value.trim().to_owned())
        });
        proxies.extend(urls.filter_map(|url| proxy(&url, Some(CURL_PROXY_PORT))));
    }
    let mut needs = Vec::new();
    for (ip, port) in &proxies {
        push(&mut needs, "package proxy", Protocol::Tcp, *ip, *port);
    }
    if proxies.is_empty() {
        for port in [443, 80] {
            push(&mut needs, "package mirrors", Protocol::Tcp, None, port);
        }
    }
    needs
}

/// The values of `Acquire::http::Proxy` and `Acquire::https::Proxy`, written in one
/// or as nested blocks.
fn apt_proxies(file: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines = file
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    for line in lines {
        // What is between quotation marks is a value.
        let mut parts = line.split('"');
        while let (Some(before), Some(value)) = (parts.next(), parts.next()) {
            if before.contains("//") {
                break;
            }
            let key = before.trim_end().rsplit([' ', '\t', ';', '{', '}']).next();
            let key = key.unwrap_or_default().to_ascii_lowercase();
            if key.rsplit("::").next() == Some("proxy") && !before.contains("ftp") {
                found.push(value.to_owned());
            }
        }
    }
    found
}

/// Address, `None` for a name, and port of a proxy; `None` for what is none, such as `DIRECT`.
fn proxy(url: &str, default_port: Option<u16>) -> Option<(Option<IpAddr>, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let own_port = if scheme == "https" { 443 } else { 80 };
    let authority = rest.split('/').next()?;
    let host = authority.rsplit('@').next()?;
    let (name, port) = match host.strip_prefix('[') {
        Some(v6) => {
            let (name, port) = v6.split_once(']')?;
            (name, port.strip_prefix(':'))
        }
        None => host
            .split_once(':')
            .map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let port = port.and_then(|port| port.parse().ok());
    let ip = literal(name);
    if ip.is_some_and(|ip| ip.is_loopback()) || name == "localhost" || name.is_empty() {
        return None;
    }
    Some((ip, port.or(default_port).unwrap_or(own_port)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::{proxy, read};

    #[test]
    fn without_a_proxy_any_host() {
        let direct = ("etc/apt/apt.conf", "Acquire::http::Proxy \"DIRECT\";\n");
        for files in [&[][..], &[direct]] {
            assert_eq!(found(read, files), ["tcp/443 any", "tcp/80 any"]);
        }
    }

    #[test]
    fn proxies_of_apt() {
        let file = "# Acquire::http::Proxy \"http://192.0.2.9:1\";\n\
                    // Acquire::http::Proxy \"http://192.0.2.8:1\";\n\
                    Acquire::Languages \"none\"; Acquire::HTTP::proxy \"http://user:word@192.0.2.1:3142/\";\n\
                    Acquire::http::Proxy::mirror.example.org \"http://192.0.2.7:1\";\n\
                    Acquire::ftp::Proxy \"ftp://192.0.2.6:1\";\n";
        let nested = "Acquire {\n  https {\n    Proxy \"http://[2001:db8::1]:8080\";\n  };\n};\n";
        assert_eq!(
            found(
                read,
                &[
                    ("etc/apt/apt.conf", file),
                    ("etc/apt/apt.conf.d/90proxy", nested)
                ]
            ),
            ["tcp/3142 192.0.2.1", "tcp/8080 2001:db8::1"]
        );
    }

    #[test]
    fn proxies_of_dnf() {
        let file = "[main]\ngpgcheck=1\nproxy = http://192.0.2.1\nproxy_username=me\n";
        assert_eq!(
            found(read, &[("etc/dnf/dnf.conf", file)]),
            ["tcp/1080 192.0.2.1"]
        );
        let none = "[main]\nproxy=_none_\n";
        assert_eq!(
            found(read, &[("etc/yum.conf", none)]),
            ["tcp/443 any", "tcp/80 any"]
        );
    }

    #[test]
    fn addresses_of_proxies() {
        let ip = "192.0.2.1".parse().ok();
        assert_eq!(proxy("http://192.0.2.1/", None), Some((ip, 80)));
        assert_eq!(proxy("https://192.0.2.1", None), Some((ip, 443)));
        assert_eq!(
            proxy("http://proxy.example.org:8080", None),
            Some((None, 8080))
        );
        assert_eq!(proxy("http://127.0.0.1:3142", None), None);
        assert_eq!(proxy("http://:80", None), None);
        assert_eq!(proxy("false", None), None);
    }
}

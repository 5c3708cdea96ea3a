//! Where the kernel sends packets.

use safe_apply::netns::NetNs;
use safe_apply::rehearsal::host::path_to;

use crate::{NETWORK, ip, namespace};

#[test]
fn the_kernel_tells_where_packets_go() {
    let namespace = namespace(&format!(
        "{NETWORK}
        addr add 192.0.2.3/24 dev out0
        route add default via 192.0.2.1
        route add 10.1.0.0/16 via 192.0.2.7 src 192.0.2.3
        route add 203.0.113.0/24 via inet6 2001:db8::9 dev out0
        route add default via 192.0.2.66 table 100
        rule add from 192.0.2.3 table 100
        route add unreachable 10.2.0.0/16
        -6 route add default via fe80::1 dev out0"
    ));
    let look = || {
        let to = |text: &str, from: Option<&str>| {
            let path = path_to(ip(text), from.map(ip));
            path.map(|path| (path.link, path.gateway, path.source))
        };
        let own = Some(ip("192.0.2.2"));
        assert_eq!(
            to("8.8.8.8", None).unwrap(),
            (7, Some(ip("192.0.2.1")), own)
        );
        assert_eq!(to("192.0.2.9", None).unwrap(), (7, None, own));
        assert_eq!(to("::ffff:192.0.2.9", None).unwrap(), (7, None, own));
        let other = Some(ip("192.0.2.3"));
        assert_eq!(
            to("10.1.0.1", None).unwrap(),
            (7, Some(ip("192.0.2.7")), other)
        );
        let by_rule = to("8.8.8.8", Some("192.0.2.3")).unwrap();
        assert_eq!(by_rule, (7, Some(ip("192.0.2.66")), other));
        assert_eq!(to("203.0.113.1", None).unwrap().1, Some(ip("2001:db8::9")));
        assert_eq!(to("192.0.2.2", None).unwrap().0, 1);
        let v6 = to("2001:db8:ffff::1", None).unwrap();
        assert_eq!(v6, (7, Some(ip("fe80::1")), Some(ip("2001:db8::2"))));
        let refused = to("10.2.0.1", None).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(113)); // EHOSTUNREACH
        assert!(to("8.8.8.8", Some("198.51.100.1")).is_err());
        assert!(path_to(ip("8.8.8.8"), Some(ip("::1"))).is_err());
    };
    namespace.enter(look).unwrap();
    let nowhere = NetNs::scratch().unwrap();
    let unreachable = nowhere
        .enter(|| path_to(ip("8.8.8.8"), None).unwrap_err())
        .unwrap();
    assert_eq!(unreachable.raw_os_error(), Some(101)); // ENETUNREACH
}

//! Names of users and groups, without the C library's name service.
//!
//! A static binary must not load the modules that `/etc/nsswitch.conf` names: they belong to the
//! system's own C library, which may be another one (nsswitch.conf(5)). So the files are
//! read here; what is not in them (LDAP, sssd) is asked of getent(1), a process of its own that cannot hang this one.

use std::time::Duration;

use crate::exec::Run;

/// How long a directory service may take for one entry.
const LOOKUP_MAX: Duration = Duration::from_secs(2);

/// The name of the user with this number, if it has one (passwd(5)).
#[must_use]
pub fn user_name(uid: u32) -> Option<String> {
    look_up("passwd", &uid.to_string(), |text| user_in(text, uid))
}

/// The number of the group with this name, if there is one (group(5)).
#[must_use]
pub fn group_id(name: &str) -> Option<u32> {
    look_up("group", name, |text| group_in(text, name))
}

/// In the file below `/etc`, else in what `getent` knows; both have the same format.
fn look_up<T>(database: &str, key: &str, find: impl Fn(&str) -> Option<T>) -> Option<T> {
    let file = std::fs::read(format!("/etc/{database}")).unwrap_or_default();
    find(&String::from_utf8_lossy(&file)).or_else(|| {
        let getent = Run::tool("getent").ok()?;
        let entry = getent.args(["--", database, key]).deadline(LOOKUP_MAX);
        find(&String::from_utf8_lossy(&entry.success().ok()?))
    })
}

fn user_in(text: &str, uid: u32) -> Option<String> {
    entries(text)
        .find(|fields| number(fields) == Some(uid))
        .map(|fields| fields[0].to_owned())
}

fn group_in(text: &str, name: &str) -> Option<u32> {
    entries(text)
        .find(|fields| fields[0] == name)
        .and_then(|fields| number(&fields))
}

/// `name:password:number…`; a name is not empty, and does not begin like a NIS entry.
fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| !line.starts_with(['+', '-', ':', '#']))
        .map(|line| line.split(':').collect::<Vec<_>>())
        .filter(|fields| fields.len() > 2)
}

fn number(fields: &[&str]) -> Option<u32> {
    fields.get(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n+bad:x:7:7::/:\nalice:x:1000:1000::/home/alice:/bin/sh\n+::::::\nshort:x\n";
    const GROUP: &str = "root:x:0:\nnetadmin:x:4100:bob,alice\nodd:x:no:\n";

    #[test]
    fn entries_are_found_by_their_own_field() {
        assert_eq!(user_in(PASSWD, 0).as_deref(), Some("root"));
        assert_eq!(user_in(PASSWD, 1000).as_deref(), Some("alice"));
        assert_eq!(user_in(PASSWD, 7), None, "an entry for NIS is no user");
        assert_eq!(user_in("", 0), None);
        assert_eq!(group_in(GROUP, "netadmin"), Some(4100));
        assert_eq!(group_in(GROUP, "bob"), None);
        assert_eq!(group_in(GROUP, "odd"), None);
        assert_eq!(group_in(GROUP, ""), None);
    }

    #[test]
    fn this_machine_has_root_and_nobody_of_that_number() {
        assert_eq!(user_name(0).as_deref(), Some("root"));
        assert_eq!(user_name(4_000_000_000), None);
        assert_eq!(group_id("root"), Some(0));
        assert_eq!(group_id("no-such-group-here"), None);
    }
}

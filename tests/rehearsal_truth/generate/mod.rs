//! Cases that nobody thought of.
//!
//! Rules are drawn from lists that lean towards what decides about logins. Everything is a
//! list of lists, so that proptest shrinks a failing case rule by rule, and match by match.

mod iptables;
mod matches;
mod native;
mod others;
mod parts;
mod sets;

use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;
use proptest::sample::select;
use safe_apply::candidate::Resolved;

use crate::case::{Case, File, Tool};
use crate::lab::{HOST, HOST_INSIDE, HOST_V6, USER, USER_FAR, USER_INSIDE, USER_V6, USER_V6_FAR};

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// One of some texts.
fn one_of(texts: &[&str]) -> BoxedStrategy<String> {
    let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
    select(texts).boxed()
}

/// Where the user is, and what is dialled.
fn ends() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    select(vec![
        (USER, HOST),
        (USER, HOST),
        (USER_FAR, HOST),
        (USER_INSIDE, HOST_INSIDE),
        (USER_V6, HOST_V6),
        (USER_V6_FAR, HOST_V6),
    ])
}

fn backend() -> impl Strategy<Value = Resolved> {
    select(vec![Resolved::Nft, Resolved::Legacy])
}

/// Rules of one family for a backend, and the sets that they name.
fn with_iptables(backend: Resolved, family: Family, live: bool) -> BoxedStrategy<Vec<File>> {
    let tool = match family {
        Family::V4 => Tool::Iptables(backend),
        Family::V6 => Tool::Ip6tables(backend),
    };
    (iptables::rules(family, live), sets::sets(family))
        .prop_map(move |(text, sets)| {
            let mut files = Vec::new();
            // Only the sets that are named, so that most cases have none.
            let sets = sets::named(&sets, &text);
            if !sets.is_empty() {
                files.push(File::new(Tool::Ipset, sets));
            }
            files.push(File::new(tool, text));
            files
        })
        .boxed()
}

/// One firewall: iptables for the user's family and perhaps for the other one, or nft.
fn firewall(family: Family, backend: Resolved, live: bool) -> BoxedStrategy<Vec<File>> {
    let other = match family {
        Family::V4 => Family::V6,
        Family::V6 => Family::V4,
    };
    let both = (
        with_iptables(backend, family, live),
        with_iptables(backend, other, live),
    )
        .prop_map(|(mut files, more)| {
            for file in more {
                // A set may be named by both.
                match files.iter_mut().find(|one| one.tool == file.tool) {
                    Some(one) => one.text += &file.text,
                    None => files.push(file),
                }
            }
            files
        });
    let nft =
        move || native::script(family, live).prop_map(|text| vec![File::new(Tool::Nft, text)]);
    let mixed = (nft(), with_iptables(backend, family, live)).prop_map(|(mut files, more)| {
        files.extend(more);
        files
    });
    prop_oneof![
        4 => with_iptables(backend, family, live),
        1 => both,
        4 => nft(),
        1 => mixed,
    ]
    .boxed()
}

/// What is live: often nothing, or what people have.
fn live(family: Family) -> BoxedStrategy<Vec<File>> {
    prop_oneof![
        1 => Just(Vec::new()),
        3 => backend().prop_flat_map(move |backend| firewall(family, backend, true)),
    ]
    .boxed()
}

/// A case; the server's login port is 22.
pub fn case() -> BoxedStrategy<Case> {
    ends()
        .prop_flat_map(|(user, host)| {
            let family = if user.is_ipv4() {
                Family::V4
            } else {
                Family::V6
            };
            let candidate =
                backend().prop_flat_map(move |backend| firewall(family, backend, false));
            (Just(user), Just(host), live(family), candidate)
        })
        .prop_map(|(user, host, live, candidate)| Case {
            name: "generated".to_owned(),
            live,
            candidate,
            user,
            server: SocketAddr::new(host, 22),
        })
        .boxed()
}

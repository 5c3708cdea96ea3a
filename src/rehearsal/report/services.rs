//! The table of what listens on this host: from the user's address, and from anyone's.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::fold::{Entry, Extent, Folded, fold};
use super::grid::{Column, Line, write};
use super::page::{Page, Tone};
use super::standing::{Change, Footnotes, alike, change};
use super::{Direction, Peer, Row};
use crate::rehearsal::Protocol;

/// A service as it is listed: protocol, port, whether over IPv6, program.
type Service<'a> = (Protocol, u16, bool, Option<&'a str>);

/// What is known about a service at one address of this host.
#[derive(Debug, Clone, Copy, Default)]
struct Reach<'a> {
    you: Option<&'a Row>,
    anyone: Option<&'a Row>,
}

/// Whether a row belongs into this table.
pub fn is_service(row: &Row) -> bool {
    row.direction == Direction::In && matches!(row.peer, Peer::You | Peer::Stranger)
}

/// The name of what is dialled, such as `tcp/443`.
pub fn name(row: &Row) -> String {
    match row.protocol {
        Protocol::Icmp => row.protocol.to_string(),
        Protocol::Tcp | Protocol::Udp => format!("{}/{}", row.protocol, row.port),
    }
}

/// `IPv4` or `IPv6`.
pub const fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv6() { "IPv6" } else { "IPv4" }
}

/// Writes the table, if there is anything in it; tells what is not shown.
pub fn services(page: &mut Page, rows: &[Row], extent: Extent, notes: &mut Footnotes) -> Folded {
    let sides = Sides {
        you: asks(rows, Peer::You),
        anyone: asks(rows, Peer::Stranger),
    };
    let (lines, folded) = fold(entries(rows, sides, notes), extent);
    if !lines.is_empty() {
        write(page, "Services of this host", &sides.titles(), lines);
    }
    folded
}

fn asks(rows: &[Row], peer: Peer) -> bool {
    rows.iter().any(|row| is_service(row) && row.peer == peer)
}

/// From which side anything was tried.
#[derive(Debug, Clone, Copy)]
struct Sides {
    you: bool,
    anyone: bool,
}

impl Sides {
    fn titles(self) -> Vec<Column> {
        let column = |title, yields| Column { title, yields };
        let mut columns = vec![column("", false), column("", true), column("", false)];
        columns.extend(self.you.then_some(column("from you", false)));
        columns.extend(self.anyone.then_some(column("from anyone", false)));
        columns
    }
}

fn entries(rows: &[Row], sides: Sides, notes: &mut Footnotes) -> Vec<Entry> {
    let mut services: BTreeMap<Service<'_>, BTreeMap<IpAddr, Reach<'_>>> = BTreeMap::new();
    for row in rows.iter().filter(|row| is_service(row)) {
        let service = (
            row.protocol,
            row.port,
            row.local.is_ipv6(),
            row.what.as_deref(),
        );
        let reach = services
            .entry(service)
            .or_default()
            .entry(row.local)
            .or_default();
        let place = if row.peer == Peer::You {
            &mut reach.you
        } else {
            &mut reach.anyone
        };
        // Of two that say the same thing about the same service the worse one counts.
        if place.is_none_or(|other| badness(other) < badness(row)) {
            *place = Some(row);
        }
    }
    let mut entries = Vec::new();
    for addresses in services.into_values() {
        let same = addresses
            .values()
            .zip(addresses.values().skip(1))
            .all(|(one, other)| one.reads_like(other));
        let shown = if same { 1 } else { addresses.len() };
        for (address, reach) in addresses.into_iter().take(shown) {
            entries.extend(reach.entry((!same).then_some(address), sides, notes));
        }
    }
    entries
}

fn badness(row: &Row) -> (Change, bool) {
    (change(row), row.after.is_open() != Some(true))
}

impl Reach<'_> {
    fn reads_like(&self, other: &Self) -> bool {
        let same = |one: Option<&Row>, other: Option<&Row>| match (one, other) {
            (Some(one), Some(other)) => alike(one, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same(self.you, other.you) && same(self.anyone, other.anyone)
    }

    /// The row, which names `address` where the addresses of this host differ.
    fn entry(&self, address: Option<IpAddr>, sides: Sides, notes: &mut Footnotes) -> Option<Entry> {
        let row = self.you.or(self.anyone)?;
        let mut cell = |row: Option<&Row>| match row {
            Some(row) => (notes.words(row), change(row).tone()),
            None => ("-".to_owned(), Tone::Quiet),
        };
        let (you, anyone) = (cell(self.you), cell(self.anyone));
        let stands = match (self.you, self.anyone) {
            (Some(_), Some(_)) if you.0 != anyone.0 => {
                format!("{} from you, {} from anyone", you.0, anyone.0)
            }
            (Some(_), None) => format!("{} from you", you.0),
            (_, Some(_)) | (None, None) => anyone.0.clone(),
        };
        let mut what = row.what.clone().unwrap_or_default();
        if let Some(address) = address {
            what = format!("{what} at {address}").trim_start().to_owned();
        }
        let changes = [self.you, self.anyone].into_iter().flatten().map(change);
        let mut cells = vec![
            (name(row), Tone::Plain),
            (what, Tone::Plain),
            (family(row.local).to_owned(), Tone::Plain),
        ];
        cells.extend(sides.you.then_some(you));
        cells.extend(sides.anyone.then_some(anyone));
        Some(Entry {
            line: Line {
                change: changes.max().unwrap_or(Change::Same),
                cells,
            },
            name: name(row),
            stands,
        })
    }
}

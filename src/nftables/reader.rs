//! One reading of what a namespace holds, over one socket.

use std::collections::{HashMap, HashSet};

use rustix::io::Errno;
use rustix::net::netlink::NETFILTER;

use super::error::Error;
use super::kernel::{
    GEN_ID, SUBSYSTEM, chain, element, flag, flowtable, message, object, rule, set, table,
};
use super::model::{Ruleset, Table, TableId};
use super::parse;
use crate::netlink::{self, Attributes, Builder, Socket};

/// Length of `struct nfgenmsg`, in bytes.
const FAMILY_HEADER_BYTES: usize = 4;

/// What was read.
#[derive(Debug)]
pub struct Reading {
    /// The tables, with the generation from before the first was read.
    pub ruleset: Ruleset,
    /// Whether nobody committed anything meanwhile.
    pub is_clean: bool,
    /// Tables in which something that was listed was gone a moment later.
    pub broken: HashSet<TableId>,
}

/// Reads tables.
pub struct Reader {
    socket: Socket,
    /// Whether somebody committed while the kernel was listing.
    interrupted: bool,
}

impl Reader {
    /// A reader, or nothing where the kernel has no nf_tables.
    pub fn open() -> Result<Option<Self>, Error> {
        let socket = match Socket::open(NETFILTER) {
            Ok(socket) => socket,
            Err(netlink::Error::Errno(Errno::PROTONOSUPPORT)) => return Ok(None),
            Err(other) => return Err(other.into()),
        };
        let mut reader = Self {
            socket,
            interrupted: false,
        };
        match reader.generation() {
            Ok(_) => Ok(Some(reader)),
            // nfnetlink's answer when no module serves the subsystem.
            Err(netlink::Error::Errno(Errno::INVAL | Errno::OPNOTSUPP)) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Reads the tables that are `wanted`, to the end even where others commit meanwhile.
    pub fn read(&mut self, wanted: &dyn Fn(&TableId) -> bool) -> Result<Reading, netlink::Error> {
        self.interrupted = false;
        let generation = self.generation()?;
        let mut ruleset = Ruleset {
            generation,
            ..Ruleset::default()
        };
        self.tables(&mut ruleset, wanted)?;
        let mut broken = HashSet::new();
        if !ruleset.tables.is_empty() {
            self.members(&mut ruleset.tables)?;
        }
        for table in &mut ruleset.tables {
            match self.contents(table) {
                Ok(()) => {}
                Err(netlink::Error::Errno(Errno::NOENT)) => {
                    broken.insert(table.id.clone());
                }
                Err(other) => return Err(other),
            }
        }
        let is_clean = broken.is_empty() && !self.interrupted && self.generation()? == generation;
        Ok(Reading {
            ruleset,
            is_clean,
            broken,
        })
    }

    fn generation(&mut self) -> Result<u32, netlink::Error> {
        let mut generation = None;
        self.ask(
            message::GETGEN,
            0,
            0,
            |_| {},
            |_, attributes| {
                let id = attributes.into_iter().find(|one| one.kind() == GEN_ID);
                generation = id.and_then(|id| id.be32());
            },
        )?;
        generation.ok_or(netlink::Error::Malformed)
    }

    fn tables(
        &mut self,
        ruleset: &mut Ruleset,
        wanted: &dyn Fn(&TableId) -> bool,
    ) -> Result<(), netlink::Error> {
        self.dump(
            message::GETTABLE,
            0,
            |_| {},
            |family, attributes| {
                let id = TableId {
                    family,
                    name: parse::text(attributes, table::NAME),
                };
                if attributes.into_iter().any(|one| one.kind() == table::OWNER) {
                    ruleset.owned.push(id);
                    return;
                }
                if !wanted(&id) {
                    return;
                }
                ruleset.tables.push(parse::table_of(id, attributes));
            },
        )
    }

    fn members(&mut self, tables: &mut [Table]) -> Result<(), netlink::Error> {
        let at: HashMap<TableId, usize> = tables
            .iter()
            .enumerate()
            .map(|(index, table)| (table.id.clone(), index))
            .collect();
        // Members of tables that somebody owns, or that are not wanted, are not in `at`.
        let find = |family, name| at.get(&TableId { family, name }).copied();
        self.dump(
            message::GETCHAIN,
            0,
            |_| {},
            |family, attributes| {
                if let Some(index) = find(family, parse::text(attributes, chain::TABLE)) {
                    tables[index].chains.push(parse::chain_of(attributes));
                }
            },
        )?;
        self.dump(
            message::GETOBJ,
            0,
            |_| {},
            |family, attributes| {
                if let Some(index) = find(family, parse::text(attributes, object::TABLE)) {
                    tables[index].objects.push(parse::object_of(attributes));
                }
            },
        )?;
        self.dump(
            message::GETFLOWTABLE,
            0,
            |_| {},
            |family, attributes| {
                if let Some(index) = find(family, parse::text(attributes, flowtable::TABLE)) {
                    tables[index]
                        .flowtables
                        .push(parse::flowtable_of(attributes));
                }
            },
        )?;
        self.dump(
            message::GETSET,
            0,
            |_| {},
            |family, attributes| {
                if let Some(index) = find(family, parse::text(attributes, set::TABLE)) {
                    tables[index].sets.push(parse::set_of(attributes));
                }
            },
        )?;
        Ok(())
    }

    /// Rules and elements, chain by chain and set by set: the kernel walks from
    /// the start for every chunk of a dump.
    fn contents(&mut self, of: &mut Table) -> Result<(), netlink::Error> {
        let id = of.id.clone();
        for one in &mut of.chains {
            let name = one.name.clone();
            let which = |request: &mut Builder| {
                request.put_text(rule::TABLE, &id.name);
                request.put_text(rule::CHAIN, &name);
            };
            self.dump(message::GETRULE, id.family, which, |_, attributes| {
                one.rules.push(parse::rule_of(attributes));
            })?;
        }
        for one in &mut of.sets {
            let name = one.name.clone();
            let which = |request: &mut Builder| {
                request.put_text(element::LIST_TABLE, &id.name);
                request.put_text(element::LIST_SET, &name);
            };
            self.dump(message::GETSETELEM, id.family, which, |_, attributes| {
                for attribute in attributes {
                    if attribute.kind() == element::LIST_ELEMENTS {
                        one.elements.extend_from_slice(attribute.payload);
                    }
                }
            })?;
        }
        Ok(())
    }

    fn dump(
        &mut self,
        kind: u16,
        family: u8,
        fill: impl FnOnce(&mut Builder),
        each: impl FnMut(u8, Attributes<'_>),
    ) -> Result<(), netlink::Error> {
        match self.ask_with(kind, flag::DUMP, family, fill, each) {
            // The kernel says so for a commit anywhere: it need not concern what was listed.
            Err(netlink::Error::Interrupted) => {
                self.interrupted = true;
                Ok(())
            }
            other => other,
        }
    }

    fn ask(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        fill: impl FnOnce(&mut Builder),
        each: impl FnMut(u8, Attributes<'_>),
    ) -> Result<(), netlink::Error> {
        // With an acknowledgement the end of a single answer is known.
        const ACK: u16 = 4;
        self.ask_with(kind, flags | ACK, family, fill, each)
    }

    fn ask_with(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        fill: impl FnOnce(&mut Builder),
        mut each: impl FnMut(u8, Attributes<'_>),
    ) -> Result<(), netlink::Error> {
        let sequence = self.socket.next_sequence();
        let mut request = Builder::new();
        request.begin(
            SUBSYSTEM << 8 | kind,
            flag::REQUEST | flags,
            sequence,
            &[family, 0, 0, 0],
        );
        fill(&mut request);
        request.end();
        self.socket
            .request(request.as_bytes(), sequence, |message| {
                if let Some((header, attributes)) =
                    message.payload.split_at_checked(FAMILY_HEADER_BYTES)
                {
                    each(header[0], Attributes::new(attributes));
                }
            })
    }
}

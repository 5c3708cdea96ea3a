//! Reading what a namespace holds, consistently.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

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
/// How long a ruleset that keeps changing is read again.
const TIME_LIMIT: Duration = Duration::from_secs(20);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

impl Ruleset {
    /// Reads all tables; empty on a kernel without nf_tables.
    ///
    /// # Errors
    /// [`Error::Unsettled`] when the rules change all the time, or what the kernel says.
    pub fn capture() -> Result<Self, Error> {
        let Some(mut reader) = Reader::open()? else {
            return Ok(Self::default());
        };
        let start = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match reader.attempt() {
                Ok(Some(ruleset)) => return Ok(ruleset),
                // An object that was listed is gone again: the rules changed underneath.
                Ok(None)
                | Err(netlink::Error::Interrupted | netlink::Error::Errno(Errno::NOENT)) => {}
                Err(other) => return Err(other.into()),
            }
            if start.elapsed() > TIME_LIMIT {
                let seconds = TIME_LIMIT.as_secs();
                return Err(Error::Unsettled { seconds });
            }
            sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

struct Reader {
    socket: Socket,
}

impl Reader {
    /// A reader, or nothing where the kernel has no nf_tables.
    fn open() -> Result<Option<Self>, Error> {
        let socket = match Socket::open(NETFILTER) {
            Ok(socket) => socket,
            Err(netlink::Error::Errno(Errno::PROTONOSUPPORT)) => return Ok(None),
            Err(other) => return Err(other.into()),
        };
        let mut reader = Self { socket };
        match reader.generation() {
            Ok(_) => Ok(Some(reader)),
            // nfnetlink's answer when no module serves the subsystem.
            Err(netlink::Error::Errno(Errno::INVAL | Errno::OPNOTSUPP)) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// One complete reading; nothing when the rules changed meanwhile.
    fn attempt(&mut self) -> Result<Option<Ruleset>, netlink::Error> {
        let generation = self.generation()?;
        let mut ruleset = Ruleset {
            generation,
            ..Ruleset::default()
        };
        self.tables(&mut ruleset)?;
        if !ruleset.tables.is_empty() {
            self.members(&mut ruleset.tables)?;
        }
        Ok((self.generation()? == generation).then_some(ruleset))
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

    fn tables(&mut self, ruleset: &mut Ruleset) -> Result<(), netlink::Error> {
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
        // Members of tables that somebody owns are not in `at`.
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
        for table in tables {
            self.contents(table)?;
        }
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
        self.ask_with(kind, flag::DUMP, family, fill, each)
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

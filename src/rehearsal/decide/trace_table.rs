//! Tables of ours that have every packet traced, and show it where it leaves the rules.

use rustix::io::Errno;

use crate::netlink::{Builder, Socket};
use crate::nftables::batch::Batch;
use crate::nftables::kernel::{LIST_ELEM, chain, expression, flag, message, rule, table};
use crate::nftables::{Error, TableId};

/// The name of all tables of ours.
const NAME: &str = "safe-apply-trace";
const NFPROTO_INET: u8 = 1;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_ARP: u8 = 3;
const NFPROTO_NETDEV: u8 = 5;
const NFPROTO_IPV6: u8 = 10;
const NF_NETDEV_INGRESS: u32 = 0;
const NF_ARP_IN: u32 = 0;
const NF_ARP_OUT: u32 = 1;
const NF_INET_PRE_ROUTING: u32 = 0;
const NF_INET_LOCAL_IN: u32 = 1;
const NF_INET_LOCAL_OUT: u32 = 3;
const NF_INET_POST_ROUTING: u32 = 4;

/// One chain of ours.
struct Hook {
    name: &'static str,
    number: u32,
    /// `i32::MIN`: traced from here on. Later: shown once more, translated, so that what
    /// legacy rules tell of it can be understood, or answers to it.
    priority: i32,
}

const fn hook(name: &'static str, number: u32, priority: i32) -> Hook {
    Hook {
        name,
        number,
        priority,
    }
}

const IP: [Hook; 4] = [
    hook("prerouting", NF_INET_PRE_ROUTING, i32::MIN),
    hook("output", NF_INET_LOCAL_OUT, i32::MIN),
    hook("input", NF_INET_LOCAL_IN, i32::MIN + 1),
    hook("postrouting", NF_INET_POST_ROUTING, i32::MAX),
];
const ARP: [Hook; 2] = [
    hook("input", NF_ARP_IN, i32::MIN),
    hook("output", NF_ARP_OUT, i32::MIN),
];
const NETDEV: [Hook; 1] = [hook("ingress", NF_NETDEV_INGRESS, i32::MIN)];

/// Whether `id` is a table of ours.
#[must_use]
pub fn is_tracing(id: &TableId) -> bool {
    id.name == NAME
}

/// Where in its way a packet is that passes a chain of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Before all rules, or all of an ingress hook.
    First,
    /// On its way.
    Middle,
    /// Behind all rules.
    Last,
}

/// Which gate the chain called `name` in a table of ours is.
pub fn gate(id: &TableId, name: &str) -> Gate {
    let hooks: &[Hook] = match id.family {
        NFPROTO_ARP => &ARP,
        NFPROTO_NETDEV => &NETDEV,
        _ => &IP,
    };
    match hooks.iter().find(|hook| hook.name == name) {
        Some(hook) if hook.priority == i32::MIN => Gate::First,
        Some(hook) if hook.priority == i32::MAX => Gate::Last,
        _ => Gate::Middle,
    }
}

/// The tables, which belong to the socket that they were made over.
#[derive(Debug)]
pub struct Tables {
    socket: Socket,
    made: Vec<TableId>,
}

impl Tables {
    /// Makes them over `socket`: what the kernel has of IP and ARP, and the ingress of `devices`.
    pub fn make(socket: Socket, devices: &[String]) -> Result<Self, Error> {
        let mut tables = Self {
            socket,
            made: Vec::new(),
        };
        // A kernel may be built without the family of both IPs.
        if let Err(refused) = tables.add(NFPROTO_INET, &IP, &[])? {
            let v4 = tables.add(NFPROTO_IPV4, &IP, &[])?;
            let v6 = tables.add(NFPROTO_IPV6, &IP, &[])?;
            if v4.is_err() && v6.is_err() {
                return Err(refused);
            }
        }
        // Where the kernel lacks one of these families, there are no rules of it either.
        tables.add(NFPROTO_ARP, &ARP, &[])?.ok();
        // Without a device that is named, what is dropped on ingress is not seen to be.
        if !devices.is_empty() {
            tables.add(NFPROTO_NETDEV, &NETDEV, devices).ok();
        }
        Ok(tables)
    }

    /// Takes them away.
    pub fn remove(mut self) -> Result<(), Error> {
        let mut batch = Batch::new(None);
        for id in &self.made {
            batch.add(message::DELTABLE, 0, id, |out| {
                out.put_text(table::NAME, &id.name);
            });
        }
        let done = batch.commit_over(&mut self.socket, |_| {});
        done.map_err(|refusal| refusal.error)
    }

    /// Adds one table; the inner error is that the kernel has no such thing.
    fn add(
        &mut self,
        family: u8,
        hooks: &[Hook],
        devices: &[String],
    ) -> Result<Result<(), Error>, Error> {
        let id = TableId {
            family,
            name: NAME.to_owned(),
        };
        let mut attempt = |flags| {
            let mut batch = Batch::new(None);
            put_table(&mut batch, &id, flags);
            for hook in hooks {
                put_chain(&mut batch, &id, hook, devices);
                put_rule(&mut batch, &id, hook);
            }
            let done = batch.commit_over(&mut self.socket, |_| {});
            match done.map_err(|refusal| refusal.error) {
                Err(error) if !is_unknown(&error) => Err(error),
                known => Ok(known),
            }
        };
        let mut made = attempt(table::F_OWNER)?;
        if made.is_err() {
            // Kernels before 5.12 know no owners: there the table ends with the namespace.
            made = attempt(0)?;
        }
        if made.is_ok() {
            self.made.push(id);
        }
        Ok(made)
    }
}

/// Whether the kernel does not know what it was asked for.
const fn is_unknown(error: &Error) -> bool {
    matches!(
        error,
        Error::Refused {
            errno: Errno::OPNOTSUPP | Errno::INVAL | Errno::AFNOSUPPORT,
            ..
        }
    )
}

fn put_table(batch: &mut Batch, id: &TableId, flags: u32) {
    batch.add(message::NEWTABLE, flag::CREATE, id, |out| {
        out.put_text(table::NAME, &id.name);
        out.put_be32(table::FLAGS, flags);
    });
}

fn put_chain(batch: &mut Batch, id: &TableId, hook: &Hook, devices: &[String]) {
    batch.add(message::NEWCHAIN, flag::CREATE, id, |out| {
        out.put_text(chain::TABLE, &id.name);
        out.put_text(chain::NAME, hook.name);
        out.nest(chain::HOOK, |out| {
            out.put_be32(chain::HOOK_NUMBER, hook.number);
            out.put(chain::HOOK_PRIORITY, &hook.priority.to_be_bytes());
            if !devices.is_empty() {
                out.nest(chain::HOOK_DEVS, |out| {
                    for device in devices {
                        out.put_text(chain::DEVICE_NAME, device);
                    }
                });
            }
        });
        out.put_text(chain::TYPE, "filter");
        out.put_be32(chain::POLICY, chain::ACCEPT);
    });
}

/// `meta nftrace set 1 accept`: ends the way through this chain only, and says so once.
fn put_rule(batch: &mut Batch, id: &TableId, hook: &Hook) {
    batch.add(message::NEWRULE, flag::CREATE | flag::APPEND, id, |out| {
        out.put_text(rule::TABLE, &id.name);
        out.put_text(rule::CHAIN, hook.name);
        out.nest(rule::EXPRESSIONS, |out| {
            put_expression(out, "immediate", |out| {
                out.put_be32(expression::IMMEDIATE_DREG, expression::REG_1);
                out.nest(expression::IMMEDIATE_DATA, |out| {
                    out.put(expression::DATA_VALUE, &[1]);
                });
            });
            put_expression(out, "meta", |out| {
                out.put_be32(expression::META_KEY, expression::META_NFTRACE);
                out.put_be32(expression::META_SREG, expression::REG_1);
            });
            put_expression(out, "immediate", |out| {
                out.put_be32(expression::IMMEDIATE_DREG, expression::REG_VERDICT);
                out.nest(expression::IMMEDIATE_DATA, |out| {
                    out.nest(expression::DATA_VERDICT, |out| {
                        out.put_be32(expression::VERDICT_CODE, chain::ACCEPT);
                    });
                });
            });
        });
    });
}

fn put_expression(out: &mut Builder, name: &str, data: impl FnOnce(&mut Builder)) {
    out.nest(LIST_ELEM, |out| {
        out.put_text(expression::NAME, name);
        out.nest(expression::DATA, data);
    });
}

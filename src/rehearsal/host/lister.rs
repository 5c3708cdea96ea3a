//! Lists of the kernel's network objects (`rtnetlink(7)`).

use rustix::io::Errno;

use super::Error;
use crate::netlink;
use crate::netlink::route::{Request, Rtnl};

/// Lists them, and remembers which kept changing.
#[derive(Debug)]
pub(super) struct Lister {
    socket: Rtnl,
    /// What changed each time it was read, in words for people, plural: `routes`.
    pub unsettled: Vec<&'static str>,
}

impl Lister {
    /// In the calling thread's network namespace.
    ///
    /// # Errors
    /// As [`Rtnl::here`].
    pub fn open() -> Result<Self, Error> {
        let what = "network interfaces";
        let socket = Rtnl::here().map_err(|source| Error { what, source })?;
        Ok(Self {
            socket,
            unsettled: Vec::new(),
        })
    }

    /// Gathers all answers with `gather`. An address family that the kernel does not
    /// have has none.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn list<T: Default>(
        &mut self,
        what: &'static str,
        request: &Request,
        gather: impl Fn(&mut T, &[u8]),
    ) -> Result<T, Error> {
        let gather = |found: &mut T, message: netlink::Message<'_>| gather(found, message.payload);
        match self.socket.gather(request, gather) {
            Ok((found, settled)) => {
                self.unsettled.extend((!settled).then_some(what));
                Ok(found)
            }
            Err(netlink::Error::Errno(Errno::AFNOSUPPORT | Errno::OPNOTSUPP)) => Ok(T::default()),
            Err(source) => Err(Error { what, source }),
        }
    }
}

/// A 32-bit number in the machine's byte order.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

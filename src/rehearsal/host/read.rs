//! All of it at once.

use std::path::Path;

use super::lister::Lister;
use super::{Host, addresses, links, listening, needs, neighbours, policies, routes, sysctls};
use crate::netlink;

/// Why the facts of this host could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the {what} of this host could not be listed: {source}")]
pub struct Error {
    /// What was asked for, in the plural.
    pub what: &'static str,
    /// What the kernel said.
    pub source: netlink::Error,
}

impl Host {
    /// Reads everything, in the calling thread's network namespace. Nothing is changed,
    /// and no name is looked up.
    ///
    /// # Errors
    /// When interfaces, addresses, routes or neighbours cannot be listed. What else cannot be
    /// read is told in [`Host::left_out`].
    pub fn read() -> Result<Self, Error> {
        let mut left_out = Vec::new();
        let mut kernel = Lister::open()?;
        let links = links::read(&mut kernel)?;
        let addresses = addresses::read(&mut kernel)?;
        let routes = routes::read(&mut kernel, &mut left_out)?;
        let policies = policies::read(&mut kernel, &mut left_out)?;
        let neighbours = neighbours::read(&mut kernel)?;
        let unsettled = kernel.unsettled.iter();
        left_out.extend(unsettled.map(|what| format!("{what}: they changed while they were read")));
        let sysctls = sysctls::read(Path::new("/proc/sys"));
        let listening = listening::read(Path::new("/proc"), &sysctls, &mut left_out);
        let needs = needs::read(Path::new("/"), &routes);
        Ok(Self {
            links,
            addresses,
            routes,
            policies,
            neighbours,
            sysctls,
            listening,
            needs,
            left_out,
        })
    }
}

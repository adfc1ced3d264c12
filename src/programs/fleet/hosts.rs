//! Who is meant: the hosts of a set.

use crate::cli::{Destination, Set};
use crate::client::ClientError;
use crate::config::Hosts;
use crate::programs::groups::node_set;
use crate::protocol::Code;

/// One of many.
#[derive(Debug, Clone)]
pub struct Host {
    /// As it is shown.
    pub name: String,
    /// Where to.
    pub destination: Destination,
}

/// The hosts of a set, each with the user and the port that were named for all.
///
/// # Errors
/// [`Code::Usage`]: what is wrong with the set, or with a group of it.
pub fn named(set: &Set, known: &Hosts) -> Result<Vec<Host>, ClientError> {
    let usage = |why: String| ClientError::new(Code::Usage, why);
    let nodes = node_set(set.user.as_deref(), &set.nodes, known)?;
    let host = |name: &String| {
        let mut destination: Destination = name.parse().map_err(usage)?;
        destination.user.clone_from(&set.user);
        destination.port = destination.port.or(set.port);
        Ok(Host {
            name: name.clone(),
            destination,
        })
    };
    nodes.iter().map(host).collect()
}

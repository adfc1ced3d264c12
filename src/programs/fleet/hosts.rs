//! Who is meant: the hosts of a set, or those that a file names.

use crate::cli::{Destination, Place, Set};
use crate::client::ClientError;
use crate::config::Hosts;
use crate::limits;
use crate::nodes::NodeSet;
use crate::programs::display::plain;
use crate::programs::groups::node_set;
use crate::protocol::Code;
use crate::sys::read_stream;
use std::io::{self, Read};
use std::path::Path;

/// Bytes of a file of names: as many as there may be, each as long as it may be, and comments.
const NAMES_FILE: u64 = 32 * 1024 * 1024;

/// One of many.
#[derive(Debug, Clone)]
pub struct Host {
    /// As it is shown.
    pub name: String,
    /// Where to.
    pub destination: Destination,
}

/// The hosts that a place means.
///
/// # Errors
/// [`Code::Usage`]: what is wrong with the set or the file.
pub fn meant(place: &Place, known: &Hosts) -> Result<Vec<Host>, ClientError> {
    match place {
        Place::One(one) => Ok(vec![Host {
            name: one.typed.clone(),
            destination: one.clone(),
        }]),
        Place::Many(set) => named(set, known),
        Place::Listed(file) => each(&names_in(file)?, None, None),
    }
}

/// The hosts of a set, each with the user and the port that were named for all.
///
/// # Errors
/// [`Code::Usage`]: what is wrong with the set, or with a group of it.
fn named(set: &Set, known: &Hosts) -> Result<Vec<Host>, ClientError> {
    let nodes = node_set(set.user.as_deref(), &set.nodes, known)?;
    each(&nodes, set.user.as_deref(), set.port)
}

fn each(nodes: &NodeSet, user: Option<&str>, port: Option<u16>) -> Result<Vec<Host>, ClientError> {
    let usage = |why: String| ClientError::new(Code::Usage, why);
    let host = |name: &String| {
        let mut destination: Destination = name.parse().map_err(usage)?;
        destination.user = user.map(str::to_owned);
        destination.port = destination.port.or(port);
        Ok(Host {
            name: name.clone(),
            destination,
        })
    };
    nodes.iter().map(host).collect()
}

/// The names in a file, one a line; `-` is standard input.
///
/// # Errors
/// [`Code::Usage`]: the file, or the first line that is no name.
pub fn names_in(file: &Path) -> Result<NodeSet, ClientError> {
    let shown = plain(&file.to_string_lossy());
    let usage = |why: &str| ClientError::new(Code::Usage, format!("{shown}: {why}"));
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().take(NAMES_FILE).read_to_end(&mut bytes);
        read.map_err(|fault| usage(&fault.to_string()))?;
        bytes
    } else {
        read_stream(file, NAMES_FILE)
            .map_err(|fault| ClientError::new(Code::Usage, fault.to_string()))?
    };
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) >= NAMES_FILE {
        let most = limits::NODES;
        return Err(usage(&format!("is too long; {most} names are the most")));
    }
    let text = String::from_utf8(bytes).map_err(|_| usage("is not UTF-8 text"))?;
    NodeSet::from_lines(&text).map_err(|fault| usage(&fault.to_string()))
}

//! Where a request comes from.

use std::fmt;
use std::net::{AddrParseError, IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

/// Where somebody comes from. What somebody only told of an address is never one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// Over a socket of this machine: the peer's address, by the kernel's word. An IPv4 address is
    /// one also where the socket speaks IPv6.
    Direct(IpAddr),
    /// Through a meeting point of this name. The address behind it is not known: no network holds
    /// for it, and what names networks does not let it in.
    Meet(Arc<str>),
}

impl Source {
    /// The address, where one is known.
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Direct(address) => Some(*address),
            Self::Meet(_) => None,
        }
    }
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self::Direct(address.to_canonical())
    }
}

impl FromStr for Source {
    type Err = AddrParseError;

    /// As it is displayed.
    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        match text.strip_prefix("meet:") {
            Some(name) => Ok(Self::Meet(name.into())),
            None => text.parse::<IpAddr>().map(Self::from),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(address) => write!(out, "{address}"),
            Self::Meet(name) => write!(out, "meet:{name}"),
        }
    }
}

/// A source with the port of its socket, where it has one: for the trail and the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The source.
    pub source: Source,
    /// The port of a direct one.
    pub port: u16,
}

impl From<SocketAddr> for Peer {
    fn from(peer: SocketAddr) -> Self {
        Self {
            source: peer.ip().into(),
            port: peer.port(),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Direct(address) => write!(out, "{}", SocketAddr::new(*address, self.port)),
            meet @ Source::Meet(_) => write!(out, "{meet}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        text.parse::<SocketAddr>().unwrap().into()
    }

    #[test]
    fn one_address_has_one_form() {
        assert_eq!(peer("[::ffff:192.0.2.1]:99").to_string(), "192.0.2.1:99");
        assert_eq!(peer("[::ffff:192.0.2.1]:99"), peer("192.0.2.1:99"));
        assert_eq!(peer("[2001:db8::1]:99").to_string(), "[2001:db8::1]:99");
        assert_eq!(peer("192.0.2.1:99").source.to_string(), "192.0.2.1");
    }

    #[test]
    fn what_comes_through_a_meeting_point_has_no_address() {
        let meet = Peer {
            source: Source::Meet("broker".into()),
            port: 0,
        };
        assert_eq!(
            (meet.to_string(), meet.source.address()),
            ("meet:broker".into(), None)
        );
        assert_eq!(meet.source.to_string().parse(), Ok(meet.source));
        assert!("broker".parse::<Source>().is_err());
    }
}

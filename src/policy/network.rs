//! Networks: an address with a prefix length.

use crate::source::Source;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An IPv4 or IPv6 network. An address without prefix is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of so many leading bits that an address lies in; longer prefixes than there are
    /// mean the address.
    pub fn around(address: IpAddr, v4: u8, v6: u8) -> Self {
        let address = canonical(address);
        let prefix = if address.is_ipv4() {
            v4.min(32)
        } else {
            v6.min(128)
        };

        Self {
            address: masked(address, prefix).unwrap_or(address),
            prefix,
        }
    }

    /// Whether every address of another network lies in this one.
    pub fn covers(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }

    /// The network's first address.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether somebody who comes from there is in it. Who comes through a meeting point is in no
    /// network.
    pub fn holds(&self, source: &Source) -> bool {
        source
            .address()
            .is_some_and(|address| self.contains(address))
    }

    /// Whether the address lies in the network. An IPv4 address inside IPv6 is taken for what it
    /// is.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(canonical(address), self.prefix) == Some(self.address)
    }
}

/// An IPv4 address that came in over an IPv6 socket, as IPv4.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn masked(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(v4) if prefix <= 32 => {
            let mask = u32::MAX.checked_shl(u32::from(32 - prefix)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }

        IpAddr::V6(v6) if prefix <= 128 => {
            let mask = u128::MAX.checked_shl(u32::from(128 - prefix)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }

        _ => return None,
    })
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };

        let written: IpAddr = address
            .parse()
            .map_err(|_| format!("`{}` is not an IP address or network", text.escape_debug()))?;
        let most = if written.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(digits)
                if !digits.is_empty()
                    && digits.len() <= 3
                    && digits.bytes().all(|b| b.is_ascii_digit()) =>
            {
                digits
                    .parse::<u8>()
                    .ok()
                    .filter(|prefix| *prefix <= most)
                    .ok_or_else(|| format!("`/{digits}` is longer than /{most}"))?
            }

            Some(other) => {
                return Err(format!(
                    "`/{}` is not a prefix length",
                    other.escape_debug()
                ));
            }
        };

        // IPv4 inside IPv6 is what IPv4 it is: no client comes from there otherwise.
        let address = canonical(written);
        let prefix = if address == written {
            prefix
        } else {
            prefix.checked_sub(128 - 32).ok_or_else(|| {
                format!(
                    "`{}` is IPv4 inside IPv6, and wider than all of IPv4; write it as IPv4",
                    text.escape_debug()
                )
            })?
        };

        match masked(address, prefix) {
            Some(network) if network == address => Ok(Self { address, prefix }),
            Some(network) => Err(format!(
                "`{text}` has bits set beyond its prefix; the network is {network}/{prefix}"
            )),
            None => Err(format!("`{text}` is not a network")),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;

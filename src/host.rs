//! A host: a name, or an address, in one form however it is spelled.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// A host. Two spellings of one host are equal: upper and lower case, a trailing dot, the Unicode
/// and the ASCII form of an international name, IPv4 inside IPv6, and every way to write an IPv6
/// address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A name, as DNS has it: ASCII, lower case, without the last dot.
    Name(String),
    /// An address; IPv4 is never in IPv6 dress.
    Address(IpAddr),
    /// A link-local address with its zone, which is an interface's name or number (RFC 4007,
    /// section 11). Which interface it is, this machine alone can say.
    Zoned(Ipv6Addr, String),
}

/// Bytes of a name in DNS (RFC 1035, section 2.3.4), without the last dot.
const LONGEST_NAME: usize = 253;
/// Bytes of a part of it.
const LONGEST_LABEL: usize = 63;
/// Bytes of an interface's name or number: Linux has 15, others not many more.
const LONGEST_ZONE: usize = 32;

impl Host {
    /// The name or address that a certificate must have: zones are this machine's own matter, and
    /// stand in none.
    pub fn in_certificates(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Address(address) => address.to_string(),
            Self::Zoned(address, _) => address.to_string(),
        }
    }

    /// `host:port`, `[v6]:port`.
    pub fn with_port(&self, port: u16) -> String {
        match self {
            Self::Address(IpAddr::V6(_)) | Self::Zoned(..) => format!("[{self}]:{port}"),
            Self::Name(_) | Self::Address(IpAddr::V4(_)) => format!("{self}:{port}"),
        }
    }

    /// Reads `host`, `host:port`, `v6`, `[v6]` or `[v6]:port`, as far as it is a port: what stands
    /// behind the host is given as it is.
    ///
    /// # Errors
    /// A sentence: brackets that do not fit, or what [`Host::from_str`] says.
    pub fn and_port(text: &str) -> Result<(Self, Option<&str>), String> {
        let Some(rest) = text.strip_prefix('[') else {
            return match text.split_once(':') {
                // More than one colon is an IPv6 address without brackets.
                Some((_, rest)) if rest.contains(':') => Ok((text.parse()?, None)),
                Some((host, port)) => Ok((host.parse()?, Some(port))),
                None => Ok((text.parse()?, None)),
            };
        };

        let (inside, behind) = rest.split_once(']').ok_or("`[` without `]`")?;
        let host = match inside.parse()? {
            Self::Name(name) => {
                return Err(format!("`[{name}]`: brackets are for IPv6 addresses"));
            }
            host => host,
        };
        match behind.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if behind.is_empty() => Ok((host, None)),
            None => Err(format!(
                "`{}` after `]` is not a port",
                behind.escape_debug()
            )),
        }
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        match text.split_once('%') {
            Some((address, zone)) => zoned(address, zone),
            None => name(text).map(Self::Name),
        }
    }
}

fn zoned(address: &str, zone: &str) -> Result<Host, String> {
    let shown = address.escape_debug();
    let link_local = address
        .parse::<Ipv6Addr>()
        .ok()
        .filter(Ipv6Addr::is_unicast_link_local)
        .ok_or_else(|| {
            format!("`{shown}` has a zone, which only link-local IPv6 addresses have (fe80::/10)")
        })?;
    let may_be = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':' | '%' | '[' | ']');
    if zone.is_empty() || zone.len() > LONGEST_ZONE || !zone.chars().all(may_be) {
        return Err(format!(
            "`{}` is no zone; a zone is an interface's name or number",
            zone.escape_debug()
        ));
    }
    // Numbers have one spelling, so that they are equal.
    let zone = zone
        .parse::<u32>()
        .ok()
        .filter(|_| zone.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or_else(|| zone.to_owned(), |number| number.to_string());
    Ok(Host::Zoned(link_local, zone))
}

/// A name as DNS has it.
fn name(text: &str) -> Result<String, String> {
    let fault = |why: &str| format!("`{}` is no host: {why}", text.escape_debug());
    let ascii = idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::URL)
        .map_err(|_| fault("it has a character that no host's name has"))?;
    let ascii = ascii.strip_suffix('.').unwrap_or(&ascii);
    if ascii.is_empty() {
        return Err(fault("it is empty"));
    }
    if ascii.starts_with('-') {
        return Err(fault("it begins with `-`"));
    }
    let labels = || ascii.split('.');
    if ascii.len() > LONGEST_NAME || labels().any(|label| label.len() > LONGEST_LABEL) {
        return Err(fault("it is longer than names can be"));
    }
    if labels().any(str::is_empty) {
        return Err(fault("a part of it is empty"));
    }
    // Resolvers take `127.1`, `0x7f.1` and `2130706433` for addresses: two spellings of one host
    // that nobody can compare.
    let last = labels().next_back().unwrap_or_default();
    let hexadecimal = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(hexadecimal)
    {
        return Err(fault(
            "it ends like an address; an IPv4 address is four decimal numbers",
        ));
    }
    Ok(ascii.to_owned())
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => out.write_str(name),
            Self::Address(address) => write!(out, "{address}"),
            Self::Zoned(address, zone) => write!(out, "{address}%{zone}"),
        }
    }
}

impl From<SocketAddr> for Host {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 && v6.ip().is_unicast_link_local() => {
                Self::Zoned(*v6.ip(), v6.scope_id().to_string())
            }
            _ => Self::Address(address.ip().to_canonical()),
        }
    }
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;

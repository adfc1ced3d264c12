//! Network interfaces: their names and numbers, by which the zones of link-local addresses are said.

use crate::host::Host;
use std::ffi::{CStr, CString};
use std::io;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

/// The socket's address of a link-local address in a zone of this machine.
///
/// # Errors
/// There is no such interface on this machine.
pub fn in_zone(address: Ipv6Addr, zone: &str, port: u16) -> io::Result<SocketAddr> {
    let interface = interface_number(zone).map_err(|fault| {
        let text = format!("this machine has no interface `{zone}` ({fault})");
        io::Error::new(fault.kind(), text)
    })?;
    Ok(SocketAddrV6::new(address, port, 0, interface).into())
}

/// The number of an interface that is called by its name, or by its number.
fn interface_number(zone: &str) -> io::Result<u32> {
    if let Ok(number) = zone.parse() {
        return Ok(number);
    }
    let name = CString::new(zone)?;
    // SAFETY: `name` is a string with an end, and lives until the call returns.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        number => Ok(number),
    }
}

/// The host with its zone said by name, where this machine has the interface: so a zone has one
/// spelling.
pub fn with_named_zone(host: Host) -> Host {
    match host {
        Host::Zoned(address, zone) => {
            let name = zone.parse().ok().and_then(interface_name);
            Host::Zoned(address, name.unwrap_or(zone))
        }
        other => other,
    }
}

/// The name of the interface of this number, where there is one.
fn interface_name(number: u32) -> Option<String> {
    let mut name = [0u8; libc::IF_NAMESIZE];
    // SAFETY: the kernel writes a name with its end, at most IF_NAMESIZE bytes, which `name` has.
    let found = unsafe { libc::if_indextoname(number, name.as_mut_ptr().cast()) };
    if found.is_null() {
        return None;
    }
    CStr::from_bytes_until_nul(&name)
        .ok()
        .and_then(|name| name.to_str().ok())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_by_name_and_by_number() {
        let number = interface_number("lo").unwrap();
        assert_eq!(interface_number(&number.to_string()).unwrap(), number);
        assert_eq!(interface_name(number).as_deref(), Some("lo"));
        assert!(interface_number("no-such-one").is_err());
        assert!(interface_number("l\0o").is_err());
        assert_eq!(interface_name(u32::MAX), None);

        let host = |text: &str| with_named_zone(text.parse().unwrap()).to_string();
        assert_eq!(host(&format!("fe80::1%{number}")), "fe80::1%lo");
        assert_eq!(host("fe80::1%no-such-one"), "fe80::1%no-such-one");
        assert_eq!(host("web1"), "web1");
    }
}

//! Where to, as it is typed.

use crate::host::Host;
use crate::protocol::PORT;
use std::fmt;
use std::str::FromStr;

/// `[user@]host[:port]`, `[v6]:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Who logs in.
    pub user: Option<String>,
    /// A name, an address, or a name of the settings file.
    pub host: Host,
    /// The host as it was typed, for what people read.
    pub typed: String,
    /// The server's port.
    pub port: Option<u16>,
}

impl fmt::Display for Destination {
    /// As it was typed.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(out, "{user}@")?;
        }
        match self.port {
            Some(port) if self.typed.contains(':') => write!(out, "[{}]:{port}", self.typed),
            Some(port) => write!(out, "{}:{port}", self.typed),
            None => out.write_str(&self.typed),
        }
    }
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (user, place) = match text.rsplit_once('@') {
            Some(("", _)) => return Err("the user before `@` is empty".into()),
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, text),
        };

        let port = |text: &str| {
            text.parse::<u16>()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| format!("`{}` is not a port", text.escape_debug()))
        };

        let (host, digits) = Host::and_port(place).map_err(|why| {
            format!("{why} (wanted is [user@]host[:port]; the usual port is {PORT})")
        })?;
        let typed = digits.map_or(place, |digits| {
            place
                .strip_suffix(digits)
                .and_then(|place| place.strip_suffix(':'))
                .unwrap_or(place)
        });
        Ok(Self {
            user,
            typed: typed.trim_matches(['[', ']']).to_owned(),
            host,
            port: digits.map(port).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        let cases = [
            ("web1", (None, "web1", None)),
            ("alice@web1:99", (Some("alice"), "web1", Some(99))),
            ("a@b@web1", (Some("a@b"), "web1", None)),
            ("[::1]:7424", (None, "::1", Some(7424))),
            ("[::1]", (None, "::1", None)),
            ("fe80::1", (None, "fe80::1", None)),
            ("ops@[2001:db8::1]:1", (Some("ops"), "2001:db8::1", Some(1))),
            ("[fe80::1%eth0]:7424", (None, "fe80::1%eth0", Some(7424))),
            ("fe80::1%2", (None, "fe80::1%2", None)),
            ("Web1.:7", (None, "Web1.", Some(7))),
        ];

        for (text, (user, host, port)) in cases {
            let expected = Destination {
                user: user.map(Into::into),
                host: host.parse().unwrap(),
                typed: host.into(),
                port,
            };

            assert_eq!(text.parse().as_ref(), Ok(&expected), "{text}");
            let shown = expected.to_string();
            assert_eq!(shown.parse(), Ok(expected), "{text}");
        }

        for bad in [
            "",
            "@web1",
            "web1:",
            "web1:0",
            "web1:70000",
            "web1:x",
            "[::1",
            "[::1]x",
            "-oProxy",
            "a b",
            "a/b",
        ] {
            assert!(bad.parse::<Destination>().is_err(), "{bad}");
        }
    }
}

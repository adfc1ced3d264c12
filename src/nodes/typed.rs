//! Where to, as it is typed: `[user@]SET[:port]`, taken apart, and whether it is one name after all.

use super::fault::{NodeFault, Wrong};

/// The three parts of what is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Typed<'t> {
    /// Who logs in, on all of them.
    pub user: Option<&'t str>,
    /// The set, for [`super::NodeSet::parse`].
    pub set: &'t str,
    /// The port, on all of them.
    pub port: Option<u16>,
}

/// The signs that make more than a name of a text.
const OPERATORS: [char; 4] = [',', '!', '&', '^'];

/// Whether a text is `[user@]host[:port]`: it has neither group nor operator, and no bracket but
/// that around an IPv6 address.
pub fn is_single_name(text: &str) -> bool {
    if text.contains(OPERATORS) || text.starts_with('@') || text.contains("@@") {
        return false;
    }
    let place = text.rsplit_once('@').map_or(text, |(_, place)| place);
    let brackets = text.matches('[').count();
    brackets == 0 || (brackets == 1 && begins_with_address(place))
}

/// Takes `[user@]SET[:port]` apart. The user is what stands before the first `@`, unless that is a
/// group's: at the beginning of the text, or behind an operator.
///
/// # Errors
/// A port or a user that is none.
pub fn split(text: &str) -> Result<Typed<'_>, NodeFault> {
    let (user, rest) = match text.split_once('@') {
        Some((before, rest)) if !before.trim_end().ends_with(OPERATORS) && !before.is_empty() => {
            (Some(before), rest)
        }
        _ => (None, text),
    };
    let of_a_set = |c: char| OPERATORS.contains(&c) || "[]".contains(c);
    if let Some(user) = user.filter(|user| user.contains(of_a_set)) {
        return Err(NodeFault::new(text, user, Wrong::User));
    }

    let Some((set, digits)) = port_behind(rest) else {
        return Ok(Typed {
            user,
            set: rest,
            port: None,
        });
    };
    match digits.parse() {
        Ok(port) if port > 0 => Ok(Typed {
            user,
            set,
            port: Some(port),
        }),
        _ => Err(NodeFault::new(text, digits, Wrong::Port)),
    }
}

/// A set and the digits behind its last colon, if these are a port: that of a group's source has
/// a name behind it, and an IPv6 address without brackets has more than one colon.
fn port_behind(text: &str) -> Option<(&str, &str)> {
    let (set, digits) = text.rsplit_once(':')?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let last = last_operand(set);
    let address = last.contains(':') && !last.starts_with('@') && !last.ends_with(']');
    (!address).then_some((set, digits))
}

/// What stands behind the last operator of a set that is in no bracket; all of it where there is
/// none.
pub fn last_operand(set: &str) -> &str {
    let mut inside = false;
    let mut begin = 0;
    for (at, c) in set.char_indices() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ if !inside && OPERATORS.contains(&c) => begin = at.saturating_add(c.len_utf8()),
            _ => {}
        }
    }
    set.get(begin..).unwrap_or(set).trim_start()
}

/// `[…]` with a colon in it.
pub(super) fn begins_with_address(text: &str) -> bool {
    text.strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .is_some_and(|(inside, _)| inside.contains(':'))
}

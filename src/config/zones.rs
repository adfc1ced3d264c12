//! Zones of time by their names, as this machine knows them when the configuration is read.

use crate::policy::Zone;
use std::io::ErrorKind;
use std::path::Path;

/// Where systems keep the IANA database, compiled.
const FOLDER: &str = "/usr/share/zoneinfo";

/// A zone by its name.
///
/// # Errors
/// A sentence: it is no name, the machine does not know it, or its file says nothing that can be read.
pub fn zone(name: &str) -> Result<Zone, String> {
    if name == "UTC" {
        return Ok(Zone::utc());
    }
    if !is_name(name) {
        return Err(format!(
            "`{}` is no name of a zone; accepted are `UTC` and names of the IANA database, such as `Europe/Berlin`",
            name.escape_debug()
        ));
    }

    let path = Path::new(FOLDER).join(name);
    let file = std::fs::read(&path).map_err(|fault| match fault.kind() {
        ErrorKind::NotFound if !Path::new(FOLDER).is_dir() => format!(
            "this machine has no {FOLDER}, so it knows no zone but `UTC`; the package tzdata brings them"
        ),
        ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::NotADirectory => format!(
            "this machine knows no zone `{name}` ({} is no file); accepted are `UTC` and names of the IANA database, such as `Europe/Berlin`",
            path.display()
        ),
        _ => format!("{}: {fault}", path.display()),
    })?;
    Zone::compiled(name, &file).map_err(|why| format!("{}: {why}", path.display()))
}

/// Whether this could be a name of the database. All of them begin with a capital letter; what does
/// not, such as `localtime` or `right/UTC`, are files of the system's that mean something else.
fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        let mut letters = part.bytes();
        letters
            .next()
            .is_some_and(|first| first.is_ascii_uppercase())
            && letters.all(|byte| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte))
    };
    name.len() <= 64 && name.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_known_by_its_name_or_it_is_said_why_not() {
        assert!(zone("UTC").is_ok());
        let unknown = zone("Europe/Nowhere").unwrap_err();
        let sentence = if Path::new(FOLDER).is_dir() {
            "this machine knows no zone `Europe/Nowhere`"
        } else {
            // A machine without the package tzdata.
            "this machine has no /usr/share/zoneinfo"
        };
        assert!(unknown.starts_with(sentence), "{unknown}");
        for bad in [
            "localtime",
            "right/UTC",
            "../../etc/passwd",
            "Europe/../x",
            "",
            "/UTC",
        ] {
            let why = zone(bad).unwrap_err();
            assert!(why.contains("is no name of a zone"), "{bad}: {why}");
        }
    }
}

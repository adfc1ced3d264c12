//! `[groups-of-system]`: which roles the groups of the system give whoever is in them.

use super::acknowledge::acknowledge;
use super::fault::Faults;
use super::reader::{Item, Table};
use super::warning::{Subject, Warning};
use crate::limits;
use crate::policy::{Given, Groups};
use crate::sys;
use std::collections::BTreeMap;

/// The table's name.
pub const TABLE: &str = "groups-of-system";
/// Bytes of the name of an account or a group, of which directories have long ones.
const NAME: usize = 256;

/// Reads the table of every file; a group that another file has too is a fault that names both places.
pub fn groups(roots: &[Table<'_>], faults: &Faults) -> BTreeMap<String, Given> {
    let mut read = BTreeMap::new();
    for root in roots {
        let Some(table) = root.table(TABLE) else {
            continue;
        };
        for (name, item) in table.named() {
            // A group could be called so; its value is a list.
            if name == "acknowledge" && item.is_table() {
                acknowledge(&table, &Subject::table(TABLE));
                continue;
            }
            if let Err(why) = name_of_system(&name) {
                item.fault(why);
                continue;
            }
            let Some(given) = given(&item) else { continue };
            if let Some(Given { place, .. }) = read.get(&name) {
                let text = format!("is defined already, at {place}");
                faults.add(&item.place, item.key.clone(), text);
                continue;
            }
            read.insert(name, given);
        }
    }
    read
}

/// The roles that a group gives.
fn given(item: &Item<'_>) -> Option<Given> {
    let roles: Vec<String> = item.list()?.iter().filter_map(Item::text).collect();
    if roles.is_empty() {
        item.fault("names no role; accepted is a list of roles, such as [\"support\"]");
        return None;
    }
    let place = item.place.clone();
    Some(Given { roles, place })
}

/// The name of an account or a group of the system, which directories spell as they like.
///
/// # Errors
/// That no system has such a name.
pub fn name_of_system(text: &str) -> Result<String, String> {
    let fine = |c: char| !c.is_control() && !matches!(c, ':' | ',' | '/');
    let begins = !text.starts_with(['-', '+', ' ']) && !text.ends_with(' ');
    if !text.is_empty() && text.len() <= NAME && begins && text.chars().all(fine) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{}` is no name of the system's: accepted are 1 to {NAME} bytes without `:`, `,`, `/` and control characters, not beginning with `-` or `+`",
        text.escape_debug()
    ))
}

/// Warns of groups that this machine does not know: they give nobody a role. At a login it is a failure
/// of the name service that counts, and not what is so now.
pub fn judge_known(groups: &Groups, faults: &Faults) {
    if groups.names().is_empty() {
        return;
    }
    let answer = sys::unknown_groups(groups.names().to_vec(), limits::NAME_SERVICE);
    for (name, given) in groups.iter() {
        let text = match &answer {
            Ok(unknown) if !unknown.iter().any(|unknown| unknown == name) => continue,
            Ok(_) => "this machine knows no such group, so it gives nobody a role".to_owned(),
            Err(why) => format!(
                "it is not known whether there is such a group, and whoever logs in while that is so is refused: {why}"
            ),
        };
        let key = format!("{TABLE}.{}", name.escape_debug());
        let what = (Warning::UnknownGroup, &Subject::table(TABLE));
        faults.warn(what, &given.place, key, text);
    }
}

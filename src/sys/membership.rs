//! Name service: in which groups an account is. A lookup that fails is told apart from one that finds
//! nothing.

use super::account;
use super::fault::fault_point;
use super::group::look_at;
use std::ffi::CString;
use std::io;
use std::time::Duration;

/// Of these groups, those that an account is in, by its own group or as a member; `None` where the
/// name service knows no such account. It may take for as long as it likes (LDAP).
///
/// getgrouplist(3) passes over a source that does not answer and says nothing of it. So each group is
/// looked up by its name as well, which says so.
///
/// # Errors
/// A sentence: the name service failed, so that nobody knows.
pub fn groups_among(account: &str, groups: &[String]) -> Result<Option<Vec<String>>, String> {
    fault_point("name-service");
    let Ok(name) = CString::new(account) else {
        return Ok(None);
    };
    let Some(own) = account::own_group(&name).map_err(failed)? else {
        return Ok(None);
    };

    let mut ids = Vec::with_capacity(groups.len());
    for group in groups {
        ids.push((group, id_of(group)?));
    }
    let among = account::groups_of(&name, own)?;
    let is_in = |(group, id): (&String, Option<u32>)| {
        id.filter(|id| among.contains(id)).map(|_| group.clone())
    };
    Ok(Some(ids.into_iter().filter_map(is_in).collect()))
}

/// As [`groups_among`], within a deadline.
///
/// # Errors
/// As there, or that it took too long.
pub fn groups_among_within(
    account: &str,
    groups: &[String],
    deadline: Duration,
) -> Result<Option<Vec<String>>, String> {
    let (account, groups) = (account.to_owned(), groups.to_vec());
    account::within(deadline, move || groups_among(&account, &groups))
}

/// Which of these groups the machine does not know.
///
/// # Errors
/// A sentence: the name service failed, or did not answer within the deadline.
pub fn unknown_groups(groups: Vec<String>, deadline: Duration) -> Result<Vec<String>, String> {
    account::within(deadline, move || {
        let mut unknown = Vec::new();
        for group in groups {
            if id_of(&group)?.is_none() {
                unknown.push(group);
            }
        }
        Ok(unknown)
    })
}

fn failed(fault: io::Error) -> String {
    format!("the name service failed: {fault}")
}

/// The id of the group of this name, if there is one.
fn id_of(name: &str) -> Result<Option<u32>, String> {
    let Ok(text) = CString::new(name) else {
        return Ok(None);
    };
    let id = look_at(Ok(&text), |entry| entry.gr_gid).map_err(failed)?;
    Ok(id.filter(|id| *id != u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_in_its_own_group_and_nobody_is_in_one_that_is_not_there() {
        let asked = ["root".to_owned(), "no-such-group".into(), "a\0b".into()];
        assert_eq!(
            groups_among("root", &asked),
            Ok(Some(vec!["root".to_owned()]))
        );
        assert_eq!(groups_among("root", &[]), Ok(Some(vec![])));
        for name in ["no-such-user-here", "", "a\0b"] {
            assert_eq!(groups_among(name, &asked), Ok(None), "{name:?}");
        }

        let soon = Duration::from_secs(10);
        assert_eq!(
            unknown_groups(asked.to_vec(), soon),
            Ok(vec!["no-such-group".to_owned(), "a\0b".into()])
        );
        assert_eq!(
            groups_among_within("root", &asked, soon),
            groups_among("root", &asked)
        );
    }
}

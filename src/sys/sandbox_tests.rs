//! The cell's list: nothing in it is fatal as well, and it makes filters.

use super::*;

#[test]
fn nothing_is_both_allowed_and_fatal() {
    assert!(CELL.iter().all(|allowed| !FATAL.contains(&allowed.number)));
    assert_eq!(filters().map(|programs| programs.len()), Ok(3));
}

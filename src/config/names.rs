//! What commands, roles, users and arguments may be called.

use crate::limits;

/// Names of commands, roles, users and arguments: what survives in a shell, a file name and a log.
///
/// # Errors
/// That the text is no such name.
pub fn name(text: &str) -> Result<(), String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let begins = text
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphanumeric());
    if begins && text.len() <= limits::NAME && text.chars().all(fine) {
        return Ok(());
    }
    Err(format!(
        "`{}` is not a name: letters, digits, `-`, `_`, `.`, beginning with a letter or digit, at most {} bytes",
        text.escape_debug(),
        limits::NAME
    ))
}

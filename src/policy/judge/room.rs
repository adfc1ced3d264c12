//! Whether a user may be in the room, and say what they want to say there.

use super::Judge;
use crate::limits::{SAID, SAID_LINES};
use crate::policy::text::plain_text;
use crate::policy::verdict::{Refusal, RefusalKind, Scope};
use crate::verb::{OfRoom, OverAll, ROOM, Runs};

impl Judge<'_> {
    /// Whose runs are spoken of before the user, and the rule by which they are in the room.
    pub fn room<V: OfRoom>(&self, verb: &V) -> Result<(Scope, String), Refusal> {
        let Some(rule) = self.right(ROOM) else {
            let text = format!("`{}` needs the right `{ROOM}` in a role", V::NAME);
            return Err(Refusal::plain(
                RefusalKind::NotPermitted,
                "default deny",
                text,
            ));
        };
        if let Some(text) = verb.text() {
            sayable(text).map_err(|why| Refusal {
                argument: Some("text".into()),
                ..Refusal::plain(RefusalKind::Argument, &rule, format!("`text` {why}"))
            })?;
        }
        if let Some(run) = verb.run() {
            self.run(run.0, Runs::RIGHT)?;
        }
        Ok((self.runs_seen(), rule))
    }

    /// Whose runs the user may see.
    pub fn runs_seen(&self) -> Scope {
        match self.right(Runs::RIGHT) {
            Some(_) => Scope::All,
            None => Scope::Own,
        }
    }
}

/// Whether a text can be said: it is shown to people, on terminals of others.
fn sayable(text: &str) -> Result<(), String> {
    /// Marks that may stand on one letter: more than any script needs.
    const MARKS: usize = 8;

    if text.trim().is_empty() {
        return Err("is empty".into());
    }
    if text.len() > SAID {
        return Err(format!("has {} bytes, {SAID} are allowed", text.len()));
    }
    let lines = text.split('\n').count();
    if lines > SAID_LINES {
        return Err(format!("has {lines} lines, {SAID_LINES} are allowed"));
    }
    text.split('\n')
        .try_for_each(|line| plain_text(line, SAID))?;

    let mut marks = 0;
    for c in text.chars() {
        marks = if is_mark(c) { marks + 1 } else { 0 };
        if marks > MARKS {
            return Err(format!("has more than {MARKS} marks on one letter"));
        }
    }
    Ok(())
}

/// Whether a character is drawn onto the one before it, or not at all.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{483}'..='\u{489}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2064}' | '\u{20D0}'..='\u{20FF}' | '\u{FE00}'..='\u{FE0F}' | '\u{FE20}'..='\u{FE2F}' | '\u{E0000}'..='\u{E01EF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_text_for_people_can_be_said() {
        for text in [
            "hello",
            "two\nlines",
            "grüße, 世界",
            "e\u{301}",
            "👩\u{200D}🔧",
            &"x".repeat(2048),
        ] {
            assert_eq!(sayable(text), Ok(()), "{text:?}");
        }
        for (text, why) in [
            ("", "is empty"),
            (" \n ", "is empty"),
            ("\u{1b}[2Jx", "U+001B"),
            ("a\0b", "U+0000"),
            ("a\rb", "U+000D"),
            ("a\tb", "U+0009"),
            ("a\u{9b}31m", "U+009B"),
            ("a\u{202e}b", "U+202E"),
            ("a\u{2066}b", "U+2066"),
            ("a\u{2028}b", "U+2028"),
            (&format!("e{}", "\u{301}".repeat(9)), "marks"),
            (&format!("a{}", "\u{200B}".repeat(9)), "marks"),
            (&"x".repeat(2049), "2049 bytes"),
            (&"ä".repeat(1025), "2050 bytes"),
            (&"x\n".repeat(20), "21 lines"),
        ] {
            let fault = sayable(text).unwrap_err();
            assert!(fault.contains(why), "{text:?}: {fault}");
        }
    }

    proptest! {
        /// Whatever can be said shows itself and moves no cursor.
        #[test]
        fn what_can_be_said_is_harmless(text in any::<String>()) {
            if sayable(&text).is_ok() {
                prop_assert!(text.len() <= SAID);
                let shows = |c: char| c == '\n' || !c.is_control();
                prop_assert!(text.chars().all(shows));
                let turns = |c| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
                prop_assert!(!text.chars().any(turns));
            }
        }
    }
}

//! Whether what a trail says to have been said was signed by whoever is said to have said it.

use super::report::Page;
use super::seen::{Seen, SignedRequest};

/// What the last record has granted somebody to say.
#[derive(Default)]
pub(super) struct Sayings(Option<Granted>);

#[derive(PartialEq, Eq)]
struct Granted {
    user: String,
    text: String,
    run: Option<String>,
}

impl Sayings {
    /// A `say` was granted.
    pub fn granted(&mut self, seen: &Seen<'_>, signed: &SignedRequest<'_>) {
        self.0 = Some(Granted {
            user: seen.user.clone().into_owned(),
            text: signed.text.clone().unwrap_or_default().into_owned(),
            run: signed.run.clone().map(Into::into),
        });
    }

    /// Another record, behind which nobody may say anything.
    pub fn over(&mut self) {
        self.0 = None;
    }

    /// Something was said. The first record of what is there has its request before it.
    pub fn said(&mut self, seen: &Seen<'_>, page: &mut Page<'_>) {
        let said = Granted {
            user: seen.user.clone().into_owned(),
            text: seen.text.clone().unwrap_or_default().into_owned(),
            run: seen.run.clone().map(Into::into),
        };
        match self.0.take() {
            Some(granted) if granted == said => {}
            Some(_) => page.fault("says another text, user or run than was signed to be said"),
            None if page.report.first == seen.seq => {}
            None => page.fault("was said without the request for it before it"),
        }
    }
}

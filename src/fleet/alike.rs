//! A host's own name in what it writes, replaced by a sign that is the same for all: so outputs fold
//! that differ by nothing else.

/// What stands in the place of the name.
pub const SIGN: &[u8] = b"%h";

/// The end of a host's text that may be the beginning of its name, until more has come.
#[derive(Debug, Default)]
pub struct Alike {
    held: Vec<u8>,
    /// The letter before what is held.
    before: Option<u8>,
}

impl Alike {
    /// These bytes behind those before, as far as it is known whether they are the name. It is only
    /// where no letter or digit stands beside it: `web1` is no part of `web10`.
    pub fn feed(&mut self, names: &[&[u8]], bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let longest = names.iter().map(|name| name.len()).max().unwrap_or(0);
        // Behind a name its next letter must have come.
        let decided = self.held.len().saturating_sub(longest);
        self.replaced(names, decided)
    }

    /// What is left when nothing more comes.
    pub fn left(&mut self, names: &[&[u8]]) -> Vec<u8> {
        let all = self.held.len();
        self.replaced(names, all)
    }

    fn replaced(&mut self, names: &[&[u8]], decided: usize) -> Vec<u8> {
        let (mut out, mut at) = (Vec::with_capacity(decided), 0);
        while at < decided {
            let rest = self.held.get(at..).unwrap_or_default();
            let before = match at {
                0 => self.before,
                _ => self.held.get(at - 1).copied(),
            };
            let name = names.iter().find(|name| is_at(rest, name, before));
            let length = match name {
                Some(name) => {
                    out.extend_from_slice(SIGN);
                    name.len()
                }
                None => {
                    out.extend(rest.first());
                    1
                }
            };
            at += length;
        }
        if at > 0 {
            self.before = self.held.get(at - 1).copied();
        }
        self.held.drain(..at.min(self.held.len()));
        out
    }
}

/// Whether a text begins with a name that no letter is beside.
fn is_at(text: &[u8], name: &[u8], before: Option<u8>) -> bool {
    let is_letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    !name.is_empty()
        && text.starts_with(name)
        && !is_letter(before.as_ref())
        && !is_letter(text.get(name.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(names: &[&[u8]], pieces: &[&[u8]]) -> String {
        let (mut alike, mut out) = (Alike::default(), Vec::new());
        for piece in pieces {
            out.extend(alike.feed(names, piece));
        }
        out.extend(alike.left(names));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_own_name_is_replaced_where_it_stands_alone() {
        let names: [&[u8]; 2] = [b"web1.example", b"web1"];
        for (text, wanted) in [
            ("web1 is up\n", "%h is up\n"),
            ("web10 web1 xweb1 web1x", "web10 %h xweb1 web1x"),
            ("web1.example:80 web1-data web1", "%h:80 %h-data %h"),
            ("web1web1 web1,web1", "web1web1 %h,%h"),
            ("", ""),
            ("we", "we"),
        ] {
            assert_eq!(whole(&names, &[text.as_bytes()]), wanted);
        }
        assert_eq!(whole(&[b""], &[b"as it is"]), "as it is");
    }

    proptest! {
        #[test]
        fn it_is_the_same_however_the_text_is_cut(
            text in "(web1|web|1|0| |x|-|\n){0,12}",
            cuts in proptest::collection::vec(0usize..60, 0..6),
        ) {
            let names: [&[u8]; 2] = [b"web1-x", b"web1"];
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&bytes[from..cut]);
                from = cut;
            }
            pieces.push(&bytes[from..]);
            prop_assert_eq!(whole(&names, &pieces), whole(&names, &[bytes]));
        }
    }
}

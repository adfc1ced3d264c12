//! Whole lines out of pieces.

/// Bytes of a line beyond which its beginning is told before its end has come.
const LONGEST: usize = 16 * 1024;

/// The beginning of a line, held until its end has come.
#[derive(Debug, Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// The lines that are whole with these bytes, each without its newline. A line that is too long
    /// comes in parts.
    pub fn feed(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8])) {
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            let (last, rest) = bytes.split_at(at);
            if self.0.is_empty() {
                line(last);
            } else {
                self.0.extend_from_slice(last);
                line(&std::mem::take(&mut self.0));
            }
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.0.extend_from_slice(bytes);
        if self.0.len() <= LONGEST {
            return;
        }
        let (mut told, all) = (0, self.0.len());
        while all - told > LONGEST {
            line(self.0.get(told..told + LONGEST).unwrap_or_default());
            told += LONGEST;
        }
        self.0.drain(..told);
    }

    /// Whether a line has begun and not ended.
    pub const fn is_within(&self) -> bool {
        !self.0.is_empty()
    }

    /// What has come of a line that has not ended.
    pub fn part(&mut self) -> Option<Vec<u8>> {
        Some(std::mem::take(&mut self.0)).filter(|part| !part.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_are_cut(
            pieces in proptest::collection::vec(proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..9), 0..20)
        ) {
            let whole = pieces.concat();
            let mut wanted: Vec<Vec<u8>> = whole.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            let last = wanted.pop().unwrap();
            let (mut lines, mut got) = (Lines::default(), Vec::new());
            for piece in &pieces {
                lines.feed(piece, |line| got.push(line.to_vec()));
            }
            prop_assert_eq!(got, wanted);
            prop_assert_eq!(lines.is_within(), !last.is_empty());
            prop_assert_eq!(lines.part().unwrap_or_default(), last);
        }
    }

    #[test]
    fn a_line_without_end_is_told_in_parts() {
        let (mut lines, mut longest, mut sum) = (Lines::default(), 0, 0);
        for _ in 0..100 {
            lines.feed(&[b'x'; 1000], |line| {
                longest = longest.max(line.len());
                sum += line.len();
            });
        }
        assert_eq!(longest, LONGEST);
        assert_eq!(sum + lines.part().unwrap().len(), 100_000);
    }
}

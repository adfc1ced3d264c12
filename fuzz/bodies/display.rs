//! The terminal: where a stream is cut makes no difference, and only text, tab, line ends and
//! colours get through. The first byte picks the cut.

use ordain::programs::Sanitizer;

fn shown(pieces: &[&[u8]]) -> Vec<u8> {
    let mut sanitizer = Sanitizer::default();
    let mut out: Vec<u8> = pieces
        .iter()
        .flat_map(|piece| sanitizer.feed(piece))
        .collect();
    out.extend(sanitizer.finish());
    out
}

/// Anything at all.
pub fn check(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = shown(&[bytes]);
    let (one, two) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    assert_eq!(whole, shown(&[one, two]), "cut in two");
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(whole, shown(&single), "byte by byte");

    let text = String::from_utf8(whole).expect("text");
    let mut rest = text.as_str();
    while let Some((_, sequence)) =
        rest.split_once(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
    {
        let (parameters, after) = sequence.split_once('m').expect("a colour ends with m");
        let digits = parameters
            .strip_prefix('[')
            .expect("a colour begins with [");
        assert!(
            digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')),
            "{digits:?}"
        );

        rest = after;
    }
}

//! Templates: a line is a word. A word with a hole in an argv of an interpreter is judged without a
//! panic.

use ordain::policy::{Piece, Segment, Template, Word, interpreter_hole};

/// The word as text again.
fn spelled(word: &Word) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Literal(text) => text.replace('{', "{{").replace('}', "}}"),
        Piece::Hole(index) => ["{a}", "{b}"][*index].to_owned(),
    };

    word.0.iter().map(piece).collect()
}

/// Anything at all.
pub fn check(text: &str) {
    let index = |name: &str| ["a", "b"].iter().position(|known| *known == name);
    let words: Vec<Word> = text
        .split('\n')
        .filter_map(|text| Word::parse(text, index).ok())
        .collect();
    for word in &words {
        assert_eq!(word.literal().is_none(), word.holes().next().is_some());
        assert_eq!(Word::parse(&spelled(word), index).as_ref(), Ok(word));
    }

    let holes = words.iter().any(|word| word.holes().next().is_some());
    let flat = Template(words.iter().cloned().map(Segment::Word).collect());
    let nested = Template(vec![Segment::Group(words)]);
    let found = interpreter_hole(&flat);
    assert!(holes || found.is_none(), "{found:?}");
    assert_eq!(found, interpreter_hole(&nested));
    assert_eq!(flat.positions(), nested.positions());
}

//! Whatever a file holds, it is the same after its hashes were left out and put back.

use super::super::chain::link;
use super::*;
use proptest::prelude::*;

fn on(way: Way, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Rewritten::new(text, way).read_to_end(&mut out).unwrap();
    out
}

/// A chain of records as the daemon writes them.
fn chain(count: u64) -> String {
    let (mut text, mut before) = (String::new(), [0; 32]);
    for number in 1..=count {
        let hash = base64(&before);
        let line = format!("{{\"seq\":{number},\"prev\":\"{hash}\",\"kind\":\"start\"}}");
        before = link(line.as_bytes());
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[test]
fn every_hash_but_the_first_is_left_out_of_a_chain() {
    let whole = chain(30);
    let short = on(Way::Out, whole.as_bytes());
    let shown = String::from_utf8(short.clone()).unwrap();
    let second = shown.lines().nth(1).unwrap();
    assert_eq!(second, r#"{"seq":2,"prev":"=","kind":"start"}"#);
    assert_eq!(shown.matches("\"prev\":\"=\"").count(), 29);
    assert_eq!(on(Way::Back, &short), whole.as_bytes());
    // A file of before says all of it.
    assert_eq!(on(Way::Back, whole.as_bytes()), whole.as_bytes());
}

#[test]
fn what_breaks_the_chain_stays_as_it_is() {
    let whole = chain(4);
    let lines: Vec<&str> = whole.lines().collect();
    for broken in [
        [lines[0], lines[2], lines[1]].join("\n"),
        lines[..3].join("\n") + "\n",
        whole.replace("\"prev\":\"", "\"prev\":\"="),
        whole.replace("\"prev\":\"", "\"prev\":\"=\",\"\":\""),
        whole.replace("start", "end"),
        whole.replace("{\"seq", "x\n\n{\"seq"),
        "{\"seq\":1,\"prev\":\"=\"}\n{\"seq\":2,\"prev\":\"=\"}\n{\"seq\":3,\"prev\":\"=="
            .to_owned(),
    ] {
        let short = on(Way::Out, broken.as_bytes());
        assert_eq!(on(Way::Back, &short), broken.as_bytes(), "{broken}");
    }
}

proptest! {
    #[test]
    fn anything_is_the_same_afterwards(
        pieces in prop::collection::vec(prop_oneof![
            Just(b"\n".to_vec()),
            Just(b"{\"seq\":".to_vec()),
            Just(b",\"prev\":\"".to_vec()),
            Just(b"=".to_vec()),
            Just(b"\"".to_vec()),
            Just(b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".to_vec()),
            Just(chain(2).into_bytes()),
            prop::collection::vec(any::<u8>(), 0..100),
            "[0-9]{0,22}".prop_map(String::into_bytes),
        ], 0..12),
    ) {
        let text = pieces.concat();
        prop_assert_eq!(on(Way::Back, &on(Way::Out, &text)), text);
    }
}

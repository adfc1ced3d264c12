//! What is written into a recording is read out of it again, whatever it is.

use super::*;
use proptest::prelude::*;
use std::io::BufReader;

fn header() -> String {
    let header = Header {
        version: 3,
        term: Screen { cols: 80, rows: 24 },
        timestamp: Some(1_764_000_000),
        command: Some("/bin/true".into()),
        title: Some("true".into()),
        ordain: None,
    };
    format!("{}\n", serde_json::to_string(&header).unwrap())
}

fn recorded(writes: &[(Output, Vec<u8>)]) -> Vec<u8> {
    let (mut cast, mut file) = (Cast::default(), header().into_bytes());
    for (at, (output, bytes)) in writes.iter().enumerate() {
        cast.wrote(at as u64 * 1000, *output, bytes, &mut file);
    }
    cast.ended(writes.len() as u64 * 1000, "0", &mut file);
    file
}

fn read(file: &[u8]) -> Vec<Event> {
    let mut reader = Reader::new(BufReader::new(file)).unwrap();
    let mut events = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        events.push(event);
    }
    events
}

fn written(events: &[Event], of: Output) -> Vec<u8> {
    let of_it = |event: &Event| match &event.what {
        What::Wrote(output, bytes) if *output == of => bytes.clone(),
        _ => Vec::new(),
    };
    events.iter().flat_map(of_it).collect()
}

fn output() -> impl Strategy<Value = Output> {
    prop_oneof![Just(Output::Stdout), Just(Output::Stderr)]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let text = ".{0,40}".prop_map(String::into_bytes);
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..60), text]
}

proptest! {
    #[test]
    fn bytes_out_are_bytes_replayed(writes in proptest::collection::vec((output(), bytes()), 0..30)) {
        let events = read(&recorded(&writes));
        for of in Output::BOTH {
            let sent: Vec<u8> = writes
                .iter()
                .filter(|(output, _)| *output == of)
                .flat_map(|(_, bytes)| bytes.clone())
                .collect();
            prop_assert_eq!(written(&events, of), sent);
        }
        prop_assert_eq!(&events.last().unwrap().what, &What::Ended("0".into()));
    }

    #[test]
    fn text_that_comes_in_pieces_needs_no_second_line(text in ".{1,60}", at in 0usize..240) {
        let bytes = text.as_bytes();
        let (one, other) = bytes.split_at(at.min(bytes.len()));
        let writes = [(Output::Stdout, one.to_vec()), (Output::Stdout, other.to_vec())];
        let file = recorded(&writes);
        prop_assert!(!String::from_utf8(file).unwrap().contains("#ordain raw"));
    }

    #[test]
    fn whatever_is_read_as_a_recording_ends(file in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut whole = header().into_bytes();
        whole.extend(&file);
        if let Ok(mut reader) = Reader::new(BufReader::new(whole.as_slice())) {
            while let Ok(Some(_)) = reader.next_event() {}
        }
    }
}

#[test]
fn a_recording_that_was_cut_off_is_read_as_far_as_it_goes() {
    let whole = recorded(&[
        (Output::Stdout, b"one".to_vec()),
        (Output::Stderr, b"two\xff".to_vec()),
    ]);
    for length in header().len()..whole.len() {
        let events = read(&whole[..length]);
        assert!(b"one".starts_with(&written(&events, Output::Stdout)[..]));
    }
}

#[test]
fn older_players_get_both_outputs_and_times_since_the_beginning() {
    let events = read(&recorded(&[
        (Output::Stdout, b"one".to_vec()),
        (Output::Stderr, b"two".to_vec()),
    ]));
    let lines: Vec<_> = events.iter().filter_map(v2_line).collect();
    let text = String::from_utf8(lines.concat()).unwrap();
    assert_eq!(
        text,
        "[0.000000, \"o\", \"one\"]\n[0.001000, \"o\", \"two\"]\n"
    );
}

#[test]
fn what_is_no_recording_is_told_with_its_line() {
    let told = |file: &str| {
        let fault = Reader::new(BufReader::new(file.as_bytes()))
            .and_then(|mut reader| reader.next_event().map(|_| ()));
        fault.unwrap_err().to_string()
    };
    assert!(told("").contains("line 1"));
    assert!(told("{\"version\":2,\"term\":{\"cols\":1,\"rows\":1}}\n").contains("version 2"));
    assert!(told(&format!("{}[-1, \"o\", \"x\"]\n", header())).contains("a time that cannot be"));
    assert!(told(&format!("{}{{}}\n", header())).contains("line 2"));
}

#[test]
fn words_come_back_as_they_were() {
    let word = ToRecorder::Finish(Finish {
        status: "143".into(),
    });
    assert_eq!(ToRecorder::decode(&word.encode().unwrap()), Ok(word));
    assert_eq!(FromRecorder::decode(&[9]), Err(WordFault));
    let long = FromRecorder::Failed("x".repeat(crate::limits::RECORDER_WORD));
    assert_eq!(long.encode(), Err(WordFault));
}

//! The kept end of a run, beside a model of it.

use super::*;
use proptest::prelude::*;

fn file() -> OwnedFd {
    tempfile::tempfile().unwrap().into()
}

fn all(spool: &Spool, stream: Stream) -> Vec<u8> {
    let (mut at, to) = spool.range(stream);
    let mut bytes = Vec::new();
    while at < to {
        let mut buffer = [0; 5];
        let count = spool.read(stream, at, &mut buffer).unwrap();
        assert!(count > 0);
        bytes.extend_from_slice(&buffer[..count]);
        at += count as u64;
    }

    bytes
}

proptest! {
    /// Whatever is written in whichever pieces: the end of it is there, byte for byte, and the
    /// streams do not mix.
    #[test]
    fn the_last_bytes_are_kept(pieces in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..30)) {
        let spool = Spool::new(file(), 16, true);
        let mut whole = [Vec::new(), Vec::new()];
        for (error, piece) in &pieces {
            let stream = if *error { Stream::Stderr } else { Stream::Stdout };
            spool.reading(stream);
            spool.append(stream, piece);
            whole[stream.index()].extend_from_slice(piece);
        }

        for stream in Stream::BOTH {
            let whole = &whole[stream.index()];
            let from = whole.len().saturating_sub(16);
            prop_assert_eq!(spool.range(stream), (from as u64, whole.len() as u64));
            prop_assert_eq!(all(&spool, stream), &whole[from..]);
        }
    }
}

#[test]
fn offsets_outside_name_the_range() {
    let spool = Spool::new(file(), 8, false);
    spool.append(Stream::Stdout, b"0123456789");
    let mut buffer = [0; 8];
    assert_eq!(
        spool.read(Stream::Stdout, 1, &mut buffer),
        Err(Gone { from: 2, to: 10 })
    );

    assert_eq!(
        spool.read(Stream::Stdout, 11, &mut buffer),
        Err(Gone { from: 2, to: 10 })
    );

    assert_eq!(
        spool.read(Stream::Stdout, u64::MAX, &mut buffer),
        Err(Gone { from: 2, to: 10 })
    );

    assert_eq!(spool.read(Stream::Stdout, 10, &mut buffer), Ok(0));
}

#[test]
fn a_writer_that_died_between_reading_and_keeping_is_noticed() {
    let kept = tempfile::tempfile().unwrap();
    let again = || OwnedFd::from(kept.try_clone().unwrap());
    let spool = Spool::new(again(), 64, true);
    spool.reading(Stream::Stdout);
    spool.append(Stream::Stdout, b"seen");
    spool.append(Stream::Stderr, b"err");
    spool.reading(Stream::Stdout);
    drop(spool);
    let (spool, lost) = Spool::left_behind(again(), 64).unwrap();
    assert_eq!(lost, [Some(4), None]);
    assert_eq!(
        (spool.both(), all(&spool, Stream::Stdout).as_slice()),
        ([4, 3], b"seen".as_slice())
    );

    spool.append(Stream::Stdout, b" more");
    assert_eq!(all(&spool, Stream::Stdout), b"seen more");

    // Whoever comes later is told the same, also when the run is over.
    assert_eq!(Spool::left_behind(again(), 64).unwrap().1, [Some(4), None]);
    assert_eq!(Spool::finished(again(), 64, [9, 3]).1, [Some(4), None]);
    assert_eq!(spool.fed(), None, "nobody noted that nothing was passed on");
    spool.feeding(7);
    assert_eq!(Spool::left_behind(again(), 64).unwrap().0.fed(), Some(7));
}

/// What a spool must do, done with whole texts in memory.
#[derive(Default)]
struct Model([Vec<u8>; 2]);

impl Model {
    fn range(&self, stream: Stream, capacity: usize) -> (usize, usize) {
        let to = self.0[stream.index()].len();
        (to.saturating_sub(capacity), to)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Append(bool, Vec<u8>),
    Read(bool, u64, usize),
    /// Another frontend takes the file over.
    Inherit,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (any::<bool>(), prop::collection::vec(any::<u8>(), 0..60)).prop_map(|(error, bytes)| Step::Append(error, bytes)),
        3 => (any::<bool>(), 0u64..400, 0usize..80).prop_map(|(error, at, most)| Step::Read(error, at, most)),
        1 => Just(Step::Inherit),
    ]
}

proptest! {
    /// Any order of writing, reading anywhere, and being taken over.
    #[test]
    fn it_does_what_whole_texts_would(steps in prop::collection::vec(step(), 0..60), capacity in 1u64..70) {
        let kept = tempfile::tempfile().unwrap();
        let again = || OwnedFd::from(kept.try_clone().unwrap());
        let (mut spool, mut model) = (Spool::new(again(), capacity, true), Model::default());
        let most_kept = usize::try_from(capacity).unwrap();
        let of = |error| if error { Stream::Stderr } else { Stream::Stdout };
        for step in steps {
            match step {
                Step::Append(error, bytes) => {
                    let stream = of(error);
                    spool.reading(stream);
                    spool.append(stream, &bytes);
                    model.0[stream.index()].extend(bytes);
                }
                Step::Read(error, at, most) => {
                    let stream = of(error);
                    let (from, to) = model.range(stream, most_kept);
                    let mut buffer = vec![0; most];
                    let place = usize::try_from(at).unwrap();
                    match spool.read(stream, at, &mut buffer) {
                        Ok(count) => {
                            prop_assert!((from..=to).contains(&place));
                            prop_assert_eq!(count == 0, most == 0 || place == to);
                            prop_assert_eq!(&buffer[..count], &model.0[stream.index()][place..place + count]);
                        }
                        Err(gone) => {
                            prop_assert!(!(from..=to).contains(&place));
                            prop_assert_eq!(gone, Gone { from: from as u64, to: to as u64 });
                        }
                    }
                }
                Step::Inherit => {
                    let (next, lost) = Spool::left_behind(again(), capacity).unwrap();
                    prop_assert_eq!(lost, [None, None]);
                    spool = next;
                }
            }

            for stream in Stream::BOTH {
                prop_assert_eq!(spool.published(stream), model.0[stream.index()].len() as u64);
            }
        }
    }

    /// What is copied when a run is over is what was kept.
    #[test]
    fn a_copy_holds_what_the_original_did(out in prop::collection::vec(any::<u8>(), 0..100), err in prop::collection::vec(any::<u8>(), 0..100)) {
        let (first, second) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let spool = Spool::new(first.try_clone().unwrap().into(), 32, true);
        spool.append(Stream::Stdout, &out);
        spool.append(Stream::Stderr, &err);
        copy(&first, &second, 32, spool.both()).unwrap();
        let (copied, lost) = Spool::finished(second.into(), 32, spool.both());
        prop_assert_eq!(lost, [None, None]);
        for stream in Stream::BOTH {
            prop_assert_eq!(copied.range(stream), spool.range(stream));
            prop_assert_eq!(all(&copied, stream), all(&spool, stream));
        }
    }
}

proptest! {
    /// Whenever the output is moved, into a smaller file or a larger: what both have room for is
    /// there, byte for byte, and what follows comes behind it.
    #[test]
    fn what_is_moved_is_kept(before in 0usize..60, after in 0usize..60, capacity in 1u64..40) {
        let spool = Spool::new(file(), 16, false);
        let whole: Vec<u8> = (0..u8::try_from(before + after).unwrap()).collect();
        for piece in whole[..before].chunks(7) {
            spool.append(Stream::Stdout, piece);
        }
        let moved = spool.moved_to(file(), capacity).unwrap();
        for piece in whole[before..].chunks(5) {
            moved.append(Stream::Stdout, piece);
        }

        let kept_before = usize::try_from(capacity.min(16)).unwrap().min(before);
        let least = usize::try_from(capacity).unwrap().min(kept_before + after);
        prop_assert_eq!(moved.published(Stream::Stdout), whole.len() as u64);
        prop_assert_eq!(all(&moved, Stream::Stdout), &whole[whole.len() - least..]);
        prop_assert_eq!(moved.range(Stream::Stderr), (0, 0));
    }
}

//! One writes while another reads: in every order of their steps, what is read is what was written.

use super::*;
use crate::sync::Arc;
use loom::sync::atomic::AtomicU8;

/// A file that promises no order between what one thread writes and another reads: that is the
/// spool's to promise.
#[derive(Debug)]
pub(super) struct File(Vec<AtomicU8>);

impl File {
    fn new(bytes: u64) -> Self {
        Self((0..bytes).map(|_| AtomicU8::new(0)).collect())
    }

    /// The bytes from a place behind the head on, which is not written here.
    fn from(&self, at: u64) -> &[AtomicU8] {
        &self.0[(at - HEAD) as usize..]
    }

    pub(super) fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let from = self.from(at);
        Ok(into
            .iter_mut()
            .zip(from)
            .map(|(byte, kept)| *byte = kept.load(Ordering::Relaxed))
            .count())
    }

    pub(super) fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        assert_eq!(self.read_at(into, at)?, into.len());
        Ok(())
    }

    pub(super) fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        for (byte, kept) in bytes.iter().zip(self.from(at)) {
            kept.store(*byte, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl From<OwnedFd> for File {
    fn from(_: OwnedFd) -> Self {
        unreachable!("no descriptor is opened in these tests")
    }
}

fn spool(capacity: u64) -> Arc<Spool> {
    Arc::new(Spool {
        file: File::new(capacity * 2),
        capacity,
        published: [AtomicU64::new(0), AtomicU64::new(0)],
        floor: [AtomicU64::new(0), AtomicU64::new(0)],
        crash_safe: false,
    })
}

/// The byte at an offset.
const fn byte(offset: u64) -> u8 {
    offset as u8 + 1
}

fn append(spool: &Spool, bytes: std::ops::Range<u64>) {
    let bytes: Vec<u8> = bytes.map(byte).collect();
    spool.append(Stream::Stdout, &bytes);
}

#[test]
fn what_is_written_over_is_never_given_out_for_what_was_there() {
    loom::model(|| {
        let spool = spool(2);
        append(&spool, 0..2);
        let writer = {
            let spool = spool.clone();
            loom::thread::spawn(move || append(&spool, 2..3))
        };

        let mut buffer = [0; 2];
        match spool.read(Stream::Stdout, 0, &mut buffer) {
            Ok(count) => {
                for (offset, read) in (0..).zip(&buffer[..count]) {
                    assert_eq!(*read, byte(offset), "{buffer:?}");
                }
            }
            Err(Gone { from, to }) => assert!(from <= to && to <= 3, "{from} {to}"),
        }
        writer.join().unwrap();
    });
}

#[test]
fn whoever_follows_gets_each_byte_or_hears_of_the_gap() {
    loom::model(|| {
        let spool = spool(2);
        let writer = {
            let spool = spool.clone();
            loom::thread::spawn(move || {
                append(&spool, 0..2);
                append(&spool, 2..4);
            })
        };

        let mut at = 0;
        for _ in 0..2 {
            let mut buffer = [0; 2];
            match spool.read(Stream::Stdout, at, &mut buffer) {
                Ok(count) => {
                    for (offset, read) in (at..).zip(&buffer[..count]) {
                        assert_eq!(*read, byte(offset), "{buffer:?} at {at}");
                    }
                    at += count as u64;
                }
                Err(Gone { from, .. }) => {
                    assert!(from > at);
                    at = from;
                }
            }
        }
        writer.join().unwrap();
    });
}

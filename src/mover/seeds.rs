//! What one side has of a file already, cut where its content says, so that equal pieces are found
//! wherever they are.

use super::records::{Stop, Writer};
use crate::files::stream::{Chunk, Copy, Record};
use crate::limits::{FILE_CHUNKS, FILE_PIECES};
use fastcdc::v2020::StreamCDC;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};

/// Pieces are 64 KiB long on average, a quarter of that at the least, four times that at the most.
const BITS: u32 = 16;

/// Cuts what is read into pieces.
pub fn cuts(from: impl Read, bits: u32) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    let average = 1_usize << bits;
    StreamCDC::new(from, average >> 2, average, average << 2)
        .map(|piece| piece.map(|piece| piece.data).map_err(io::Error::from))
}

/// Tells the other side which pieces there are of these files, in their order.
///
/// # Errors
/// That the stream is broken.
pub fn tell_pieces<W: Write>(seeds: &[File], out: &mut Writer<W>) -> Result<(), Stop> {
    for (number, seed) in seeds.iter().enumerate() {
        let number = u8::try_from(number).unwrap_or(u8::MAX);
        // One that cannot be read is none.
        let chunks = pieces(seed, number, FILE_PIECES / seeds.len()).unwrap_or_default();
        for some in chunks.chunks(FILE_CHUNKS) {
            out.put(&Record::Chunks(some.to_vec()))?;
        }
    }
    out.put(&Record::Chunks(Vec::new()))
}

/// The pieces of a file, in order. More than there may be are not told of.
///
/// # Errors
/// As read(2).
fn pieces(file: &File, seed: u8, most: usize) -> io::Result<Vec<Chunk>> {
    let mut found = Vec::new();
    for piece in cuts(file, BITS).take(most) {
        let piece = piece?;
        found.push(Chunk {
            seed,
            length: u32::try_from(piece.len()).unwrap_or(u32::MAX),
            digest: short(&piece),
        });
    }
    Ok(found)
}

/// The first half of a digest: it only says where to look, and the whole file is proved afterwards.
fn short(bytes: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    let digest = blake3::hash(bytes);
    for (into, from) in half.iter_mut().zip(digest.as_bytes()) {
        *into = *from;
    }
    half
}

/// Where the other side has what.
#[derive(Debug, Default)]
pub struct Index {
    places: HashMap<[u8; 16], Copy>,
    /// Up to where each file that the other side has is known.
    ends: HashMap<u8, u64>,
}

impl Index {
    /// Adds what the other side has told.
    ///
    /// # Errors
    /// That it tells of more than there may be.
    pub fn add(&mut self, chunks: &[Chunk]) -> Result<(), Stop> {
        for chunk in chunks {
            let end = self.ends.entry(chunk.seed).or_default();
            let length = u64::from(chunk.length);
            let place = Copy {
                seed: chunk.seed,
                offset: *end,
                length,
            };
            *end = end.saturating_add(length);
            self.places.entry(chunk.digest).or_insert(place);
        }
        if self.places.len() > FILE_PIECES {
            return Err(Stop::Order("it has more pieces than a file can have"));
        }
        Ok(())
    }

    /// Whether the other side has nothing.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How long pieces are, as a power of two.
    pub const fn bits(&self) -> u32 {
        BITS
    }

    /// Where the other side has this piece.
    pub fn find(&self, piece: &[u8]) -> Option<Copy> {
        let length = piece.len() as u64;
        let found = self.places.get(&short(piece));
        found.copied().filter(|copy| copy.length == length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that look like chance, and are the same each time.
    fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let mut reader = blake3::Hasher::new_derive_key("noise")
            .update(&seed.to_le_bytes())
            .finalize_xof();
        reader.fill(&mut bytes);
        bytes
    }

    fn lengths(bytes: &[u8]) -> Vec<usize> {
        cuts(bytes, BITS)
            .map(|piece| piece.unwrap().len())
            .collect()
    }

    /// Other places than these cost bytes, but nothing else. Whoever changes the crate should know.
    #[test]
    fn cuts_are_where_they_always_were() {
        assert_eq!(lengths(&noise(512 * 1024, 1)), CUTS);
        assert_eq!(lengths(&[0; 600_000]), ZEROS);
    }

    const CUTS: &[usize] = &[112_122, 67_422, 82_786, 24_252, 90_619, 80_832, 66_255];
    const ZEROS: &[usize] = &[262_144, 262_144, 75_712];

    #[test]
    fn what_was_moved_within_a_file_is_found_again() {
        let (old, new) = (noise(2 << 20, 1), noise(100, 2));
        let chunks: Vec<Chunk> = cuts(&old[..], BITS)
            .map(|piece| {
                let piece = piece.unwrap();
                Chunk {
                    seed: 3,
                    length: piece.len() as u32,
                    digest: short(&piece),
                }
            })
            .collect();
        let mut index = Index::default();
        index.add(&chunks).unwrap();
        let changed = [&new[..], &old[..]].concat();
        let missing: usize = cuts(&changed[..], BITS)
            .map(Result::unwrap)
            .filter(|piece| index.find(piece).is_none())
            .map(|piece| piece.len())
            .sum();
        assert!(missing < 512 * 1024, "{missing} bytes are not found");
        for piece in cuts(&changed[..], BITS).map(Result::unwrap) {
            if let Some(copy) = index.find(&piece) {
                let at = usize::try_from(copy.offset).unwrap();
                assert_eq!(old[at..at + piece.len()], piece[..]);
            }
        }
    }
}

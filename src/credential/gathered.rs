//! Many logins under one signature of an SSH key: a tree of the hashes of their texts, whose root is
//! signed, and the way from one text to that root.

use super::sha256;
use crate::encoding::{base64, unbase64_any};
use crate::limits::GATHERED;
use crate::protocol::Gathered;

/// A SHA-256.
type Digest = [u8; 32];
/// What the hash of a text begins with, so that no node of the tree is one of a text.
const LEAF: u8 = 0;
/// What the hash of two others begins with.
const NODE: u8 = 1;

/// The hashes over the texts of logins that wait for one signature.
pub struct Gathering {
    /// The hashes of the texts, then those of pairs, and so on up to the root.
    levels: Vec<Vec<Digest>>,
}

impl Gathering {
    /// The tree over these texts, in their order; nothing where they are fewer than two, or more
    /// than one signature may be for.
    pub fn of(texts: &[&str]) -> Option<Self> {
        if !(2..=GATHERED).contains(&texts.len()) {
            return None;
        }
        let mut levels = vec![texts.iter().map(|text| leaf(text)).collect::<Vec<_>>()];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            let above = below.chunks(2).map(|pair| match pair {
                [left, right] => node(left, right),
                // One that is left over goes up as it is.
                other => other.first().copied().unwrap_or_default(),
            });
            levels.push(above.collect());
        }
        Some(Self { levels })
    }

    /// What the signature is over: how many logins it is for, and the root of their tree.
    pub(super) fn signed(&self) -> Vec<u8> {
        let count = self.levels.first().map_or(0, Vec::len);
        let root = self.levels.last().and_then(|top| top.first());
        counted(
            u32::try_from(count).unwrap_or(0),
            &root.copied().unwrap_or_default(),
        )
    }

    /// Where the text of this number stands among them.
    pub fn place(&self, index: usize) -> Option<Gathered> {
        let leaves = self.levels.first().filter(|leaves| index < leaves.len())?;
        let (mut path, mut at) = (Vec::new(), index);
        for level in &self.levels {
            if let Some(beside) = level.get(at ^ 1) {
                path.extend_from_slice(beside);
            }
            at /= 2;
        }
        Some(Gathered {
            index: u32::try_from(index).ok()?,
            count: u32::try_from(leaves.len()).ok()?,
            path: base64(&path),
        })
    }
}

/// What a signature must be over that is for this text at this place among others.
///
/// # Errors
/// Why no text stands at such a place.
pub(super) fn signed_at(text: &str, place: &Gathered) -> Result<Vec<u8>, &'static str> {
    if !(2..=GATHERED).contains(&(place.count as usize)) {
        return Err("a signature of fewer than two logins, or of too many");
    }
    if place.index >= place.count {
        return Err("a login beyond the last that was signed with it");
    }
    let sides = sides(place.index, place.count);
    let wrong = "a way to what was signed that is not as long as it must be";
    let expected = sides.iter().flatten().count() * size_of::<Digest>();
    if place.path.len() != expected.div_ceil(3) * 4 {
        return Err(wrong);
    }
    let path = unbase64_any(&place.path).filter(|path| path.len() == expected);
    let path = path.ok_or(wrong)?;
    let (beside, _) = path.as_chunks::<32>();
    let mut beside = beside.iter();
    let root = sides.into_iter().flatten().fold(leaf(text), |own, side| {
        let other = beside.next().unwrap_or(&own);
        match side {
            Side::Left => node(other, &own),
            Side::Right => node(&own, other),
        }
    });
    Ok(counted(place.count, &root))
}

/// On which side of a hash the other one of its pair is.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

/// For each level of a tree over so many texts: where the other hash of the pair is, or that there
/// is none.
fn sides(mut index: u32, mut count: u32) -> Vec<Option<Side>> {
    let mut sides = Vec::new();
    while count > 1 {
        sides.push(match (index % 2, index + 1 < count) {
            (1, _) => Some(Side::Left),
            (_, true) => Some(Side::Right),
            (_, false) => None,
        });
        index /= 2;
        count = count.div_ceil(2);
    }
    sides
}

fn leaf(text: &str) -> Digest {
    sha256(&[&[LEAF], text.as_bytes()].concat())
}

fn node(left: &Digest, right: &Digest) -> Digest {
    sha256(&[&[NODE], left.as_slice(), right].concat())
}

fn counted(count: u32, root: &Digest) -> Vec<u8> {
    [count.to_be_bytes().as_slice(), root].concat()
}

#[cfg(test)]
#[path = "gathered_tests.rs"]
mod tests;

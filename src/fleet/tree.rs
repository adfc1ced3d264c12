//! Outputs of many hosts, kept once where they are equal: a tree in which the beginning that several
//! share is one branch. A host is a place in it, and goes on from there with every byte.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The outputs so far.
pub struct Tree {
    nodes: Vec<Node>,
    text: Text,
}

/// How far one output has come; at first to its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Leaf {
    node: u32,
    /// Bytes from the beginning on.
    depth: u64,
}

impl Leaf {
    /// How many bytes it is from the beginning.
    pub const fn length(self) -> u64 {
        self.depth
    }
}

/// A piece of text that follows its parent's.
struct Node {
    parent: u32,
    /// Bytes before it.
    start: u64,
    piece: Piece,
    /// Its first byte, by which it is found among its parent's children.
    first: u8,
    children: Vec<u32>,
}

/// Where a node's text is. It lies in one chunk.
#[derive(Debug, Clone, Copy)]
struct Piece {
    chunk: u32,
    from: u32,
    length: u32,
}

impl Node {
    fn end(&self) -> u64 {
        self.start + u64::from(self.piece.length)
    }
}

const ROOT: u32 = 0;

impl Default for Tree {
    fn default() -> Self {
        let root = Node {
            parent: ROOT,
            start: 0,
            piece: Piece {
                chunk: 0,
                from: 0,
                length: 0,
            },
            first: 0,
            children: Vec::new(),
        };
        Self {
            nodes: vec![root],
            text: Text::default(),
        }
    }
}

impl Tree {
    /// How much text is kept, in bytes.
    pub fn kept(&self) -> u64 {
        self.text.kept
    }

    /// The place behind these bytes.
    ///
    /// # Errors
    /// As write(2) and read(2), of the text that is too much for memory.
    pub fn add(&mut self, at: Leaf, mut bytes: &[u8]) -> io::Result<Leaf> {
        let mut at = self.settled(at);
        while !bytes.is_empty() {
            let end = self.node(at.node).end();
            if at.depth < end {
                let shared = self.shared(at, bytes)?;
                at.depth += shared as u64;
                bytes = bytes.get(shared..).unwrap_or_default();
                if !bytes.is_empty() && at.depth < end {
                    at.node = self.split(at)?;
                    at = self.grown(at, &mut bytes)?;
                }
                continue;
            }
            at = match self.child(at.node, bytes) {
                Some(child) => Leaf { node: child, ..at },
                None => self.grown(at, &mut bytes)?,
            };
        }
        Ok(self.settled(at))
    }

    /// The text that leads to a place, piece by piece.
    ///
    /// # Errors
    /// What `piece` says, and as read(2).
    pub fn each(&self, at: Leaf, mut piece: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut way = Vec::new();
        let mut at = self.settled(at);
        while at.node != ROOT {
            let node = self.node(at.node);
            way.push((node.piece, at.depth - node.start));
            at = Leaf {
                node: node.parent,
                depth: node.start,
            };
        }
        for (found, length) in way.into_iter().rev() {
            let length = u32::try_from(length).unwrap_or(found.length);
            self.text.read(Piece { length, ..found }, &mut piece)?;
        }
        Ok(())
    }

    /// The same place, in the node that its last byte is in: nodes are split under the feet of
    /// those who stand in them.
    pub fn settled(&self, mut at: Leaf) -> Leaf {
        while at.node != ROOT && at.depth <= self.node(at.node).start {
            at.node = self.node(at.node).parent;
        }
        at
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "every number of a node was given out by this tree"
    )]
    fn node(&self, number: u32) -> &Node {
        &self.nodes[number as usize]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "every number of a node was given out by this tree"
    )]
    fn node_mut(&mut self, number: u32) -> &mut Node {
        &mut self.nodes[number as usize]
    }

    /// How many of these bytes stand in the node from this place on.
    fn shared(&self, at: Leaf, bytes: &[u8]) -> io::Result<usize> {
        let node = self.node(at.node);
        let skipped = u32::try_from(at.depth - node.start).unwrap_or(u32::MAX);
        let wanted = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let rest = Piece {
            from: node.piece.from + skipped,
            length: (node.piece.length - skipped).min(wanted),
            ..node.piece
        };
        let (mut shared, mut same) = (0, true);
        self.text.read(rest, &mut |kept: &[u8]| {
            if same {
                let here = bytes.get(shared..).unwrap_or_default();
                let alike = common(kept, here);
                shared += alike;
                same = alike == kept.len();
            }
            Ok(())
        })?;
        Ok(shared)
    }

    /// The child that goes on as these bytes do.
    fn child(&self, node: u32, bytes: &[u8]) -> Option<u32> {
        let first = *bytes.first()?;
        let children = self.node(node).children.iter().copied();
        children
            .into_iter()
            .find(|child| self.node(*child).first == first)
    }

    /// Cuts a node in two at a place within it. The node keeps its end, for those who have come
    /// further; its beginning becomes its parent.
    fn split(&mut self, at: Leaf) -> io::Result<u32> {
        let node = self.node(at.node);
        let (parent, start, piece, first) = (node.parent, node.start, node.piece, node.first);
        let head = u32::try_from(at.depth - start).unwrap_or(piece.length);
        let behind = self.first_of(Piece {
            from: piece.from + head,
            length: 1,
            ..piece
        })?;
        let new = self.new_node(Node {
            parent,
            start,
            piece: Piece {
                length: head,
                ..piece
            },
            first,
            children: vec![at.node],
        });
        for child in &mut self.node_mut(parent).children {
            if *child == at.node {
                *child = new;
            }
        }
        let tail = self.node_mut(at.node);
        tail.parent = new;
        tail.start = start + u64::from(head);
        tail.first = behind;
        tail.piece = Piece {
            from: piece.from + head,
            length: piece.length - head,
            ..piece
        };
        Ok(new)
    }

    fn first_of(&self, piece: Piece) -> io::Result<u8> {
        let mut first = 0;
        self.text.read(piece, &mut |kept: &[u8]| {
            first = kept.first().copied().unwrap_or(first);
            Ok(())
        })?;
        Ok(first)
    }

    /// A new branch for as many of these bytes as a chunk takes.
    fn grown(&mut self, at: Leaf, bytes: &mut &[u8]) -> io::Result<Leaf> {
        let first = bytes.first().copied().unwrap_or(0);
        let (piece, taken) = self.text.keep(bytes)?;
        *bytes = bytes.get(taken..).unwrap_or_default();
        let depth = at.depth + taken as u64;
        // An output that goes on alone where it stopped needs no new node.
        let node = self.node_mut(at.node);
        let follows = node.piece.chunk == piece.chunk
            && node.piece.from + node.piece.length == piece.from
            && node.children.is_empty()
            && at.node != ROOT
            && node.end() == at.depth;
        if follows {
            node.piece.length += piece.length;
            return Ok(Leaf { depth, ..at });
        }
        let new = self.new_node(Node {
            parent: at.node,
            start: at.depth,
            piece,
            first,
            children: Vec::new(),
        });
        self.node_mut(at.node).children.push(new);
        Ok(Leaf { node: new, depth })
    }

    fn new_node(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        u32::try_from(self.nodes.len() - 1).unwrap_or(u32::MAX)
    }
}

/// How many bytes two begin with that are the same.
fn common(one: &[u8], other: &[u8]) -> usize {
    let length = one.len().min(other.len());
    if one.get(..length) == other.get(..length) {
        return length;
    }
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

/// Bytes of a chunk of text.
const CHUNK: usize = 256 * 1024;
/// Chunks that are kept in memory; what is more goes into a file without a name.
const IN_MEMORY: u32 = 256;

/// Text in chunks that never move.
#[derive(Default)]
struct Text {
    chunks: Vec<Vec<u8>>,
    file: Option<File>,
    /// Bytes of the last chunk that are taken.
    taken: usize,
    /// How many chunks there are, those in the file too.
    count: u32,
    kept: u64,
}

impl Text {
    /// Keeps as many of these bytes as go into one chunk, and says how many.
    fn keep(&mut self, bytes: &[u8]) -> io::Result<(Piece, usize)> {
        if self.count == 0 || self.taken == CHUNK {
            if self.count < IN_MEMORY {
                // Memory that nobody has written to is not there yet.
                self.chunks.push(Vec::with_capacity(CHUNK));
            }
            self.count += 1;
            self.taken = 0;
        }
        let now = bytes.len().min(CHUNK - self.taken);
        let bytes = bytes.get(..now).unwrap_or_default();
        let chunk = self.count - 1;
        match self.chunks.get_mut(chunk as usize) {
            Some(kept) => kept.extend_from_slice(bytes),
            None => {
                let at = place(chunk, self.taken);
                self.file()?.write_all_at(bytes, at)?;
            }
        }
        let from = u32::try_from(self.taken).unwrap_or(u32::MAX);
        self.taken += now;
        self.kept += now as u64;
        let length = u32::try_from(now).unwrap_or(u32::MAX);
        Ok((
            Piece {
                chunk,
                from,
                length,
            },
            now,
        ))
    }

    fn file(&mut self) -> io::Result<&File> {
        match &mut self.file {
            Some(file) => Ok(file),
            none => Ok(none.insert(crate::sys::unnamed_file()?)),
        }
    }

    fn read(&self, piece: Piece, with: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let (from, length) = (piece.from as usize, piece.length as usize);
        if let Some(kept) = self.chunks.get(piece.chunk as usize) {
            return with(kept.get(from..from + length).unwrap_or_default());
        }
        let Some(file) = &self.file else {
            return Ok(());
        };
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, place(piece.chunk, from))?;
        with(&bytes)
    }
}

fn place(chunk: u32, from: usize) -> u64 {
    u64::from(chunk - IN_MEMORY) * CHUNK as u64 + from as u64
}

//! The documents, and the blocks in them, for the tests that hold them to the truth.
#![allow(dead_code, reason = "each test program uses its part of this")]

use std::path::{Path, PathBuf};

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of Markdown below a folder, those of the build apart.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        } else if path.extension().is_some_and(|kind| kind == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The documents that show commands and configurations.
pub fn documents() -> Vec<PathBuf> {
    let mut all = below(&root().join("docs/src"));
    for name in [
        "README.md",
        "SECURITY.md",
        "CONTRIBUTING.md",
        "PROTOCOL.md",
        "TRAIL.md",
    ] {
        all.push(root().join(name));
    }
    all
}

/// A fenced block.
pub struct Block {
    pub tag: String,
    /// The document and the line that it begins at.
    pub place: String,
    pub lines: Vec<String>,
}

pub fn blocks(document: &Path) -> Vec<Block> {
    let text = std::fs::read_to_string(document).unwrap();
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(tag)) => {
                open = Some(Block {
                    tag: tag.to_owned(),
                    place: format!("{}:{}", document.display(), at + 1),
                    lines: Vec::new(),
                });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => block.lines.push(line.to_owned()),
            (None, None) => {}
        }
    }

    assert!(open.is_none(), "{}: a fence is open", document.display());
    found
}

//! The fuzz targets without a fuzzer: each takes its committed seeds, and some thousands of what
//! they become when bytes are changed, cut out, doubled and put together, the same at every run.
//! What `cargo fuzz` found once stays found.

use std::path::Path;

#[path = "../fuzz/bodies/arguments.rs"]
mod arguments;
#[path = "../fuzz/bodies/config.rs"]
mod config;
#[path = "../fuzz/bodies/display.rs"]
mod display;
#[path = "../fuzz/bodies/files.rs"]
mod files;
#[path = "../fuzz/bodies/frames.rs"]
mod frames;
#[path = "../fuzz/bodies/ipc.rs"]
mod ipc;
#[path = "../fuzz/bodies/messages.rs"]
mod messages;
#[path = "../fuzz/bodies/nodes.rs"]
mod nodes;
#[path = "../fuzz/bodies/requests.rs"]
mod requests;
#[path = "../fuzz/bodies/ssh.rs"]
mod ssh;
#[path = "../fuzz/bodies/template.rs"]
mod template;
#[path = "../fuzz/bodies/trail.rs"]
mod trail;

/// Mutated inputs of each target; `ORDAIN_MUTATIONS` for more.
const MUTATIONS: u64 = 3000;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % sides.max(1)
    }
}

fn mutated(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seeds[dice.roll(seeds.len())].clone();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len());
        match dice.roll(7) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << dice.roll(8),
            1 if !bytes.is_empty() => {
                bytes[at] = [0, 0xff, b'"', b'{', b'\\', b'\n', b'=', 0x80][dice.roll(8)]
            }
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..(at + dice.roll(16)).min(bytes.len()))),
            4 => {
                let piece = bytes[at..(at + dice.roll(64)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }

            5 => {
                let other = &seeds[dice.roll(seeds.len())];
                let from = dice.roll(other.len());
                bytes.extend_from_slice(&other[from..]);
            }

            _ => bytes.insert(at, u8::try_from(dice.roll(256)).unwrap()),
        }
    }

    bytes.truncate(256 * 1024);
    bytes
}

fn tried(name: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();

    // What a fuzzer has left there beside the seeds is its own, and may be much.
    let seeds: Vec<Vec<u8>> = files
        .iter()
        .filter(|file| {
            file.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("seed")
        })
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    assert!(seeds.len() >= 4, "{name} has {} seeds", seeds.len());
    for seed in &seeds {
        check(seed);
    }
    let count = std::env::var("ORDAIN_MUTATIONS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(MUTATIONS);
    let mut dice = Dice(0x2545_F491_4F6C_DD1D ^ name.len() as u64);
    for _ in 0..count {
        check(&mutated(&seeds, &mut dice));
    }
}

#[test]
fn arguments() {
    tried("arguments", arguments::check);
}

#[test]
fn config() {
    tried("config", |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            config::check(text);
        }
    });
}

#[test]
fn display() {
    tried("display", display::check);
}

#[test]
fn files() {
    tried("files", files::check);
}

#[test]
fn frames() {
    tried("frames", frames::check);
}

#[test]
fn ipc() {
    tried("ipc", ipc::check);
}

#[test]
fn messages() {
    tried("messages", messages::check);
}

#[test]
fn nodes() {
    tried("nodes", |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            nodes::check(text);
        }
    });
}

#[test]
fn requests() {
    tried("requests", |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            requests::check(text);
        }
    });
}

#[test]
fn ssh() {
    tried("ssh", ssh::check);
}

#[test]
fn template() {
    tried("template", |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            template::check(text);
        }
    });
}

#[test]
fn trail() {
    tried("trail", trail::check);
}

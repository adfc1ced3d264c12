//! Which names below a root belong to it, by the patterns that its owner has written.

use super::path::Below;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Patterns of names. What begins with `!` is kept out, also a folder with all that is in it; where
/// there are others, a file must fit one of them.
#[derive(Debug, Clone)]
pub struct Only {
    names: Patterns,
    paths: Patterns,
    /// Whether there are any that a file must fit.
    is_narrowed: bool,
}

/// Patterns that are held against the same text.
#[derive(Debug, Clone)]
struct Patterns {
    of: GlobSet,
    out: GlobSet,
}

impl Only {
    /// Reads patterns: one with `/` is about the whole path from the root, another one about the name.
    ///
    /// # Errors
    /// The first pattern that cannot be read, and why.
    pub fn new(patterns: &[String]) -> Result<Self, (String, String)> {
        let mut sets = [const { Vec::new() }; 4];
        for text in patterns {
            let (out, bare) = match text.strip_prefix('!') {
                Some(bare) => (true, bare),
                None => (false, text.as_str()),
            };
            let told = |why: String| (text.clone(), why);
            if bare.is_empty() {
                return Err(told("it is empty".into()));
            }
            let glob = GlobBuilder::new(bare)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|fault| told(fault.kind().to_string()))?;
            let which = usize::from(bare.contains('/')) * 2 + usize::from(out);
            if let Some(set) = sets.get_mut(which) {
                set.push(glob);
            }
        }
        let built = |globs: &[globset::Glob]| {
            let mut builder = GlobSetBuilder::new();
            for glob in globs {
                builder.add(glob.clone());
            }
            let fault = |fault: globset::Error| (String::new(), fault.to_string());
            builder.build().map_err(fault)
        };
        let [names, names_out, paths, paths_out] = &sets;
        Ok(Self {
            is_narrowed: !(names.is_empty() && paths.is_empty()),
            names: Patterns {
                of: built(names)?,
                out: built(names_out)?,
            },
            paths: Patterns {
                of: built(paths)?,
                out: built(paths_out)?,
            },
        })
    }

    /// Whether a file at this path from the root belongs to it, as far as its own name and path say.
    pub fn takes_file(&self, path: &Below) -> bool {
        let (name, whole) = texts(path);
        self.takes_folder(path)
            && (!self.is_narrowed || self.names.of.is_match(name) || self.paths.of.is_match(whole))
    }

    /// Whether what is in a folder at this path may belong to the root.
    pub fn takes_folder(&self, path: &Below) -> bool {
        let (name, whole) = texts(path);
        path.is_root() || !(self.names.out.is_match(name) || self.paths.out.is_match(whole))
    }

    /// Whether every folder that leads to this path may have something that belongs to the root.
    pub fn leads_to(&self, path: &Below) -> bool {
        let mut folder = path.folder();
        while let Some(at) = folder {
            if !self.takes_folder(&at) {
                return false;
            }
            folder = at.folder();
        }
        true
    }
}

/// The name and the whole path, as patterns are held against them.
fn texts(path: &Below) -> (&Path, &Path) {
    let text = |bytes| Path::new(OsStr::from_bytes(bytes));
    (text(path.name().unwrap_or_default()), text(path.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(patterns: &[&str]) -> Only {
        let patterns: Vec<String> = patterns.iter().map(|&text| text.to_owned()).collect();
        Only::new(&patterns).unwrap()
    }

    fn takes(only: &Only, path: &str) -> bool {
        let path: Below = path.parse().unwrap();
        only.leads_to(&path) && only.takes_file(&path)
    }

    #[test]
    fn what_is_kept_out_is_kept_out_with_all_that_is_in_it() {
        let only = only(&["*.log", "!secret*", "conf/**/*.toml", "!old/*.log"]);
        for good in [
            "a.log",
            "x/y/a.log",
            "conf/a.toml",
            "conf/x/y.toml",
            "older/a.log",
        ] {
            assert!(takes(&only, good), "{good}");
        }
        for bad in [
            "a.txt",
            "secret.log",
            "x/secrets/a.log",
            "a.toml",
            "old/a.log",
            "conf/a.txt",
        ] {
            assert!(!takes(&only, bad), "{bad}");
        }
    }

    #[test]
    fn without_patterns_everything_belongs_to_the_root() {
        assert!(takes(&only(&[]), "a/b") && takes(&only(&["!x"]), "a/b"));
        assert!(!takes(&only(&["!x"]), "x/b"));
        // A name that is no text fits a pattern, too.
        let path = Below::parse(b"\xff.log").unwrap();
        assert!(only(&["*.log"]).takes_file(&path));
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_told() {
        for bad in ["[", "!", ""] {
            assert!(Only::new(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}

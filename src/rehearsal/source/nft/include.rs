//! `include` in nft scripts: which files nft would read, and in which order.

use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::lexer::Lexer;

/// As nft's own (`MAX_INCLUDE_DEPTH`), the script included.
const DEPTH_MAX: usize = 16;
/// How much is read in all, in bytes.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How many files are read in all.
const FILES_MAX: usize = 4096;

impl Lexer {
    /// Goes on with the files that `pattern` names; what cannot be read is left out.
    ///
    /// Seen in nft 1.0.6: without wildcards the first file found in the search path counts; with
    /// them, those of all directories, the last directory's first, sorted by name in each.
    pub(super) fn include(&mut self, pattern: &str) {
        let wild = pattern.contains(['*', '?', '[']);
        let mut found: Vec<PathBuf> = Vec::new();
        for base in self.bases(pattern) {
            if wild {
                let mut matching = glob(&base, pattern);
                matching.extend(std::mem::take(&mut found));
                found = matching;
            } else if found.is_empty() && base.join(pattern).is_file() {
                found.push(base.join(pattern));
            }
        }
        for path in found.iter().rev() {
            if self.depth() >= DEPTH_MAX || self.files.len() >= FILES_MAX {
                return;
            }
            if let Some(text) = self.text_of(path) {
                self.push(path.display().to_string(), text);
            }
        }
    }

    fn bases(&self, pattern: &str) -> Vec<PathBuf> {
        if pattern.starts_with('.') {
            vec![self.cwd.clone()]
        } else if pattern.starts_with('/') {
            vec![PathBuf::from("/")]
        } else {
            self.search.clone()
        }
    }

    fn text_of(&mut self, path: &Path) -> Option<String> {
        let left = BYTES_MAX.saturating_sub(self.included);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file: std::fs::File = rustix::fs::open(path, flags, Mode::empty()).ok()?.into();
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(left).read_to_end(&mut bytes).ok()?;
        self.included += bytes.len() as u64;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The files below `base` that match, sorted; as glob(7), hidden ones only where asked for.
fn glob(base: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut paths = vec![base.to_owned()];
    let parts = pattern.split('/').filter(|part| !part.is_empty());
    for part in parts {
        let mut deeper = Vec::new();
        for path in paths {
            if part.contains(['*', '?', '[']) {
                deeper.extend(matching(&path, part));
            } else if path.join(part).exists() {
                deeper.push(path.join(part));
            }
        }
        deeper.truncate(FILES_MAX);
        paths = deeper;
    }
    paths.retain(|path| path.is_file());
    paths
}

fn matching(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let pattern_chars: Vec<char> = pattern.chars().collect();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') || pattern.starts_with('.'))
        .filter(|name| fits(&pattern_chars, &name.chars().collect::<Vec<_>>()))
        .collect();
    names.sort();
    names.into_iter().map(|name| directory.join(name)).collect()
}

/// Whether `name` matches `pattern` (glob(7)).
fn fits(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some(('*', rest)), _) => {
            fits(rest, name)
                || name
                    .split_first()
                    .is_some_and(|(_, name)| fits(pattern, name))
        }
        (Some(_), None) => false,
        (Some(('?', rest)), Some((_, name))) => fits(rest, name),
        (Some(('[', rest)), Some((letter, name))) => match class(rest, *letter) {
            Some((true, rest)) => fits(rest, name),
            Some((false, _)) => false,
            None => *letter == '[' && fits(rest, name),
        },
        (Some((wanted, rest)), Some((letter, name))) => wanted == letter && fits(rest, name),
    }
}

/// Whether `letter` is in the class that begins here, and what follows the class.
fn class(pattern: &[char], letter: char) -> Option<(bool, &[char])> {
    let negated = matches!(pattern.first(), Some('!' | '^'));
    let body = pattern.get(usize::from(negated)..)?;
    // A bracket that comes first is a letter.
    let end = 1 + body.get(1..)?.iter().position(|one| *one == ']')?;
    let (members, rest) = (body.get(..end)?, body.get(end + 1..)?);
    let mut found = false;
    let mut at = 0;
    while let Some(first) = members.get(at) {
        match (members.get(at + 1), members.get(at + 2)) {
            (Some('-'), Some(last)) => {
                found |= (*first..=*last).contains(&letter);
                at += 3;
            }
            (_, _) => {
                found |= *first == letter;
                at += 1;
            }
        }
    }
    Some((found != negated, rest))
}

#[cfg(test)]
mod tests {
    use super::fits;

    fn matches(pattern: &str, name: &str) -> bool {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        fits(&letters(pattern), &letters(name))
    }

    #[test]
    fn wildcards() {
        for (pattern, yes, no) in [
            ("*.nft", "10-a.nft", "10-a.nft~"),
            ("?.nft", "1.nft", "10.nft"),
            ("[0-2]*", "2x", "3x"),
            ("[!1].nft", "2.nft", "1.nft"),
            ("a[]x]", "a]", "ab"),
            ("*a*b", "xaxxb", "xbxa"),
            ("[", "[", "x"),
        ] {
            assert!(matches(pattern, yes), "{pattern} {yes}");
            assert!(!matches(pattern, no), "{pattern} {no}");
        }
    }
}

//! Reading candidates: the edge to files and standard input.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};

use super::error::Error;
use super::family::Family;
use super::recognise::recognise;
use super::text::is_text;
use super::{Candidate, Kind};

/// Longest candidate that is read, in bytes (256 MiB).
pub const MAX_BYTES: u64 = 256 * 1024 * 1024;
/// What standard input is called in messages.
pub const STDIN_NAME: &str = "standard input";
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// Reads and recognises the candidates that `args` name: files, `-` for `stdin`, each
/// with `v4:` or `v6:` before it where the family must be said. Sets come first in the result, then
/// nft scripts, then IPv4, then IPv6.
///
/// # Errors
/// [`Error::Arguments`], [`Error::Input`] or [`Error::Line`], all naming the file; nothing was touched.
pub fn load(args: &[String], stdin: &mut dyn Read) -> Result<Vec<Candidate>, Error> {
    let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let mut candidates: Vec<Candidate> = Vec::with_capacity(args.len());
    for arg in args {
        let (forced, file) = split_prefix(arg);
        let (name, path, bytes) = if file == "-" {
            if candidates.iter().any(|earlier| earlier.path.is_none()) {
                return Err(Error::Arguments(
                    "`-` (standard input) is given twice; it can be read only once".to_owned(),
                ));
            }
            (
                STDIN_NAME.to_owned(),
                None,
                read_bounded(stdin, STDIN_NAME)?,
            )
        } else {
            let (path, bytes) = read_file(file)?;
            (file.to_owned(), Some(path), bytes)
        };
        check_bytes(&name, &bytes)?;
        let kind = recognise(&name, &String::from_utf8_lossy(&bytes), forced)?;
        let candidate = Candidate {
            name,
            path,
            cwd: cwd.clone(),
            kind,
            sha256: Sha256::digest(&bytes).into(),
            bytes,
        };
        check_pair(&candidates, &candidate)?;
        candidates.push(candidate);
    }
    candidates.sort_by_key(|candidate| match candidate.kind {
        Kind::Ipset => 0,
        Kind::Nft => 1,
        Kind::IptablesV4 => 2,
        Kind::IptablesV6 => 3,
    });
    Ok(candidates)
}

fn split_prefix(arg: &str) -> (Option<Family>, &str) {
    if let Some(file) = arg.strip_prefix("v4:") {
        (Some(Family::V4), file)
    } else if let Some(file) = arg.strip_prefix("v6:") {
        (Some(Family::V6), file)
    } else {
        (None, arg)
    }
}

fn read_file(name: &str) -> Result<(PathBuf, Vec<u8>), Error> {
    let unreadable = |error: std::io::Error| input(name, format!("cannot be read: {error}"));
    // Opening a fifo for reading would wait for a writer; NONBLOCK does not.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let path = Path::new(name);
    let mut file: File = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => fd.into(),
        Err(rustix::io::Errno::NOENT) => return Err(input(name, "no such file")),
        Err(error) => return Err(unreadable(error.into())),
    };
    let kind = file.metadata().map_err(unreadable)?.file_type();
    if kind.is_dir() {
        return Err(input(name, "is a directory, not a rules file"));
    }
    if kind.is_fifo() || kind.is_char_device() || kind.is_block_device() || kind.is_socket() {
        return Err(input(
            name,
            "is not a regular file; to read from a pipe, give `-` and redirect standard input",
        ));
    }
    let bytes = read_bounded(&mut file, name)?;
    let canonical = std::fs::canonicalize(path).map_err(unreadable)?;
    Ok((canonical, bytes))
}

fn read_bounded(from: &mut dyn Read, name: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    from.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| input(name, format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(input(
            name,
            format!("is larger than {} MiB", MAX_BYTES / (1024 * 1024)),
        ));
    }
    Ok(bytes)
}

fn check_bytes(name: &str, bytes: &[u8]) -> Result<(), Error> {
    if bytes.is_empty() {
        return Err(input(name, "is empty"));
    }
    if bytes.starts_with(GZIP_MAGIC) {
        return Err(input(
            name,
            "is compressed with gzip; unpack it first (gunzip)",
        ));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(input(name, "is UTF-16 text; the tools read UTF-8 only"));
    }
    if !is_text(bytes) {
        return Err(input(name, "is a binary file, not rules in text form"));
    }
    Ok(())
}

/// Two files for one family would wipe each other; one script twice would double its rules.
fn check_pair(earlier: &[Candidate], new: &Candidate) -> Result<(), Error> {
    for old in earlier {
        if old.path.is_some() && old.path == new.path {
            return Err(Error::Arguments(format!("{}: is given twice", new.name)));
        }
        if old.kind == new.kind && matches!(new.kind, Kind::IptablesV4 | Kind::IptablesV6) {
            return Err(Error::Arguments(format!(
                "{} and {} are both {}; the second would wipe the first. \
                 If one is for the other family, say so with v4:FILE or v6:FILE",
                old.name, new.name, new.kind
            )));
        }
    }
    Ok(())
}

fn input(name: &str, reason: impl Into<String>) -> Error {
    Error::Input {
        name: name.to_owned(),
        reason: reason.into(),
    }
}

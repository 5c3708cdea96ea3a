//! Reading a journal back: what is damaged is told from what was never finished.

use std::path::Path;

use super::{Error, Record, VERSION};
use crate::aside::{DISK_BRIEF_MAX, within};

/// Disks write at least this much at once; a write that was cut off is missing whole sectors.
const SECTOR_BYTES: usize = 512;

/// The records of the longer copy; a missing or damaged copy gives way to the other.
/// Where both are as long and differ, the volatile one counts: the durable one can hold
/// a record that could not be synced and so was not acted on.
///
/// # Errors
/// When neither copy can be believed: the durable one's error, also where it does not answer.
pub fn read_both(durable: &Path, volatile: &Path) -> Result<Vec<Record>, Error> {
    let path = durable.to_owned();
    let durable = within(DISK_BRIEF_MAX, move || read(&path)).unwrap_or_else(|source| {
        Err(Error::Io {
            path: durable.to_owned(),
            source,
        })
    });
    match (durable, read(volatile)) {
        (Ok(one), Ok(two)) => Ok(if two.len() >= one.len() { two } else { one }),
        (Ok(records), Err(_)) | (Err(_), Ok(records)) => Ok(records),
        (Err(error), Err(_)) => Err(error),
    }
}

/// The records of the journal at `path`.
///
/// # Errors
/// [`Error::Io`], [`Error::Corrupt`], [`Error::Version`].
pub fn read(path: &Path) -> Result<Vec<Record>, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    parse(&bytes, path)
}

/// The records in `bytes`; `path` is for messages only.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Version`].
pub fn parse(bytes: &[u8], path: &Path) -> Result<Vec<Record>, Error> {
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    let lines: Vec<&[u8]> = bytes[..used]
        .split_inclusive(|byte| *byte == b'\n')
        .collect();
    let mut records: Vec<Record> = Vec::new();
    let mut offset = 0;
    for (at, line) in lines.iter().enumerate() {
        match parse_line(line) {
            Some(record) if record.version != VERSION => {
                return Err(Error::Version {
                    path: path.to_owned(),
                    version: record.version,
                });
            }
            Some(record) if usize::try_from(record.sequence) == Ok(records.len()) => {
                records.push(record);
            }
            None if at + 1 == lines.len() && is_unfinished(line, offset) => break,
            Some(_) | None => {
                return Err(Error::Corrupt {
                    path: path.to_owned(),
                    line: at + 1,
                });
            }
        }
        offset += line.len();
    }
    Ok(records)
}

/// Whether `line`, the last one, beginning at `offset`, looks as if the power went
/// while it was written: its end is missing, or a sector of it is still empty.
/// A line that is there from end to end, and yet does not fit its sum, was damaged later.
fn is_unfinished(line: &[u8], offset: usize) -> bool {
    let empty = |at: usize| line[at] == 0;
    let has_hole = (0..line.len()).any(|at| {
        let sector_ends = (offset + at + 1).is_multiple_of(SECTOR_BYTES);
        empty(at) && (sector_ends || line.get(at + 1) == Some(&0))
    });
    let ends_early = !line.ends_with(b"\n") && {
        // All of a record but another byte for its line feed: that was written in full.
        let all_but_last = [&line[..line.len().saturating_sub(1)], b"\n"].concat();
        parse_line(&all_but_last).is_none()
    };
    has_hole || ends_early
}

fn parse_line(line: &[u8]) -> Option<Record> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (sum, json) = text.split_once(' ')?;
    let sum = u32::from_str_radix(sum, 16).ok()?;
    if sum != crc32fast::hash(json.as_bytes()) {
        return None;
    }
    serde_json::from_str(json).ok()
}

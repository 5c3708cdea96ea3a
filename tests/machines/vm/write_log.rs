//! What QEMU's `blklogwrites` driver has recorded: every write and every flush, in order, in the
//! format of the kernel's dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;
/// Entry: four little-endian 64-bit numbers, then nothing up to the end of the sector.
const FIELDS: usize = 4;

/// A request of the machine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where on the disk, in bytes.
    pub offset: u64,
    /// Where in the log its data are, in bytes.
    pub data: u64,
    /// Bytes.
    pub length: u64,
    /// All that was written before is on the disk for good.
    pub flush: bool,
    /// This is on the disk for good.
    pub fua: bool,
}

/// Reads the log.
///
/// # Errors
/// When it cannot be read, is no such log, or records a discard, which the machine was not offered.
pub fn read(log: &File) -> io::Result<Vec<Entry>> {
    let number = |at: u64| -> io::Result<u64> {
        let mut bytes = [0; 8];
        log.read_exact_at(&mut bytes, at)?;
        Ok(u64::from_le_bytes(bytes))
    };
    if number(0)? != MAGIC {
        return Err(io::Error::other("not a log of writes"));
    }
    let count = number(16)?;
    let sector = number(24)? & u64::from(u32::MAX);
    let mut at = sector;
    let mut entries = Vec::new();
    for _ in 0..count {
        let mut fields = [0; FIELDS];
        for (field, position) in fields.iter_mut().zip((at..).step_by(8)) {
            *field = number(position)?;
        }
        let [start, sectors, flags, _] = fields;
        if flags & DISCARD != 0 {
            return Err(io::Error::other("a discard"));
        }
        entries.push(Entry {
            offset: start * sector,
            data: at + sector,
            length: sectors * sector,
            flush: flags & FLUSH != 0,
            fua: flags & FUA != 0,
        });
        at += sector * (1 + sectors);
    }
    Ok(entries)
}

/// Opens the log at `path` and reads it.
pub fn open(path: &Path) -> (File, Vec<Entry>) {
    let log = File::open(path).unwrap();
    let entries = read(&log).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (log, entries)
}

//! A disk with a write cache, which a power cut empties.
//!
//! QEMU writes to a copy and records. After a power cut, what had been flushed is written to the
//! disk, and of the rest as much as [`Fate`] says, sector by sector.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use super::image::must;
use super::random::Random;
use super::write_log;

/// What a disk of today writes at once. With less, ext4 loses its superblock: it trusts in this.
const SECTOR_BYTES: u64 = 4096;

/// What becomes of sectors that were written and not flushed when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// They are lost.
    Lost,
    /// Each one is lost or not, whatever was written first.
    Random,
}

/// What a power cut has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Requests that wrote since the disk was plugged in.
    pub writes: usize,
    /// Sectors that were in the cache.
    pub cached: usize,
    /// Of those, lost.
    pub lost: usize,
}

/// A disk.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
}

impl Disk {
    /// The disk that is in a file.
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// What QEMU writes to, fresh from the disk.
    pub fn plug_in(&self) -> PathBuf {
        let _ = fs::remove_file(self.log());
        let copy = self.path.with_extension("copy");
        let mut command = Command::new("cp");
        command.args(["--sparse=always", "--reflink=auto"]);
        must(command.arg(&self.path).arg(&copy));
        copy
    }

    /// Where QEMU records.
    pub fn log(&self) -> PathBuf {
        self.path.with_extension("log")
    }

    /// Writes to the disk what a power cut leaves.
    pub fn cut(&self, fate: Fate, random: &mut Random) -> Cut {
        let (log, entries) = write_log::open(&self.log());
        let disk = OpenOptions::new().write(true).open(&self.path).unwrap();
        let flushed = entries.iter().rposition(|entry| entry.flush).unwrap_or(0);
        let mut cut = Cut {
            writes: entries.iter().filter(|entry| entry.length > 0).count(),
            cached: 0,
            lost: 0,
        };
        let mut bytes = vec![0; usize::try_from(SECTOR_BYTES).unwrap()];
        for (index, entry) in entries.iter().enumerate() {
            let durable = index <= flushed || entry.fua;
            let mut at = 0;
            while at < entry.length {
                // Up to the next boundary of the disk's.
                let room = SECTOR_BYTES - (entry.offset + at) % SECTOR_BYTES;
                let length = room.min(entry.length - at);
                let stays = durable || {
                    cut.cached += 1;
                    fate == Fate::Random && random.coin()
                };
                if stays {
                    let bytes = &mut bytes[..usize::try_from(length).unwrap()];
                    log.read_exact_at(bytes, entry.data + at).unwrap();
                    disk.write_all_at(bytes, entry.offset + at).unwrap();
                } else {
                    cut.lost += 1;
                }
                at += length;
            }
        }
        cut
    }
}

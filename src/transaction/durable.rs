//! Writing files that a power cut must not tear.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes a file so that after a power cut it is there in full or not at all:
/// temporary file, fsync, rename, fsync of the directory.
///
/// # Errors
/// What the kernel says, with the file's name.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let dir = path.parent().unwrap_or_else(|| Path::new("/"));
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let temporary = dir.join(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        if written.is_err() {
            // On a full disk the space matters more than a second error.
            let _ = fs::remove_file(&temporary);
        }
        written?;
        fs::rename(&temporary, path)?;
        File::open(dir)?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

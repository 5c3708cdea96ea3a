//! As plain files, for people.

use std::fs;
use std::io;
use std::path::Path;

use super::entry::Content;
use super::{BootState, to_path};

/// Writes all files of `state` below `dir`, each under its own path.
///
/// # Errors
/// What the kernel says.
pub fn export(state: &BootState, dir: &Path) -> io::Result<()> {
    for (key, entry) in &state.entries {
        if let Content::File(bytes) = &entry.content {
            let path = to_path(key);
            let copy = dir.join(path.strip_prefix("/").unwrap_or(&path));
            fs::create_dir_all(copy.parent().unwrap_or(dir))?;
            fs::write(copy, bytes)?;
        }
    }
    Ok(())
}

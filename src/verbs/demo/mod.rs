//! `safe-apply demo`: the whole story, in network namespaces of its own.

mod isolate;
mod login;
mod narrate;
mod network;
mod rules;
mod sshd;
mod stand_in;
mod story;

use anyhow::{Result, bail};

use crate::cli::Demo;
use crate::exit::Exit;

/// The part that tells the story, as the first process of its own PID namespace.
const STORY: &str = "story";

/// Tells the story.
///
/// # Errors
/// When anything is not as told, or the namespaces cannot be made.
pub fn run(args: &Demo) -> Result<Exit> {
    match args.part.as_deref() {
        None => isolate::outside(),
        Some(STORY) => {
            isolate::inside()?;
            story::tell()
        }
        Some(other) => bail!("the demo has no part called '{other}'"),
    }
}

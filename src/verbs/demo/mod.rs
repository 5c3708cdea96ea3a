//! `safe-apply demo`: the whole story, in network namespaces of its own.

mod check;
mod isolate;
mod login;
mod narrate;
mod network;
mod rules;
mod sshd;
mod stand_in;
mod story;

use anyhow::{Result, anyhow, bail};

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
            let told = isolate::inside().and_then(|()| story::tell());
            told.map_err(|error| anyhow!("{error:#}\nThis machine's own rules were not touched."))
        }
        Some(other) => bail!("the demo has no part called '{other}'"),
    }
}

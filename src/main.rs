//! Parse, dispatch, map the exit status.

use clap::Parser;
use safe_apply::cli::Cli;
use safe_apply::exit::Exit;

fn main() -> std::process::ExitCode {
    let _cli = Cli::parse();
    Exit::Success.into()
}

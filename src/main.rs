//! Parse, dispatch, map the exit status.

use clap::Parser;
use safe_apply::cli::Cli;
use safe_apply::client::err;
use safe_apply::exit::Exit;
use safe_apply::verbs::dispatch;

fn main() -> std::process::ExitCode {
    let exit = dispatch(Cli::parse()).unwrap_or_else(|error| {
        err(&format!("safe-apply: {error:#}"));
        Exit::Failed
    });
    exit.into()
}

//! Writes the man pages and the shell completions into a directory: `generate-docs DIRECTORY`.
//!
//! Both come from the definition of the command line; `make docs` runs this.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;

const NAME: &str = "safe-apply";

fn main() -> anyhow::Result<()> {
    let directory = std::env::args_os().nth(1);
    let directory = PathBuf::from(directory.context("usage: generate-docs DIRECTORY")?);
    fs::create_dir_all(&directory)
        .with_context(|| format!("{} cannot be made", directory.display()))?;
    let command = visible(&safe_apply::cli::Cli::command());
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command.clone(), NAME, &directory)?;
    }
    write_pages(command.disable_help_subcommand(true), &directory)?;
    Ok(())
}

/// The command line without its inner verbs, which completions would offer although hidden.
fn visible(command: &Command) -> Command {
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    let mut shown = Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments())
        .subcommands(verbs)
        .args_conflicts_with_subcommands(true)
        .subcommand_negates_reqs(true)
        .subcommand_help_heading("VERBS")
        .subcommand_value_name("VERB");
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(after) = command.get_after_long_help() {
        shown = shown.after_long_help(after.clone());
    }
    shown
}

/// One page for the command, one for each verb.
fn write_pages(mut command: Command, directory: &Path) -> io::Result<()> {
    command.build();
    write_page(&command, directory)?;
    for verb in command.get_subcommands() {
        write_page(verb, directory)?;
    }
    Ok(())
}

fn write_page(command: &Command, directory: &Path) -> io::Result<()> {
    let after = command
        .get_after_long_help()
        .or_else(|| command.get_after_help())
        .map(ToString::to_string)
        .unwrap_or_default();
    let man = Man::new(command.clone())
        .manual("safe-apply")
        .source(format!("safe-apply {}", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    write_sections(&mut page, &after)?;
    fs::write(directory.join(man.get_filename()), page)
}

/// Help text as sections: a line `Examples:` is a heading, the rest keeps its line breaks.
fn write_sections(page: &mut impl Write, text: &str) -> io::Result<()> {
    for line in text.lines() {
        let heading = line.strip_suffix(':').filter(|it| !it.starts_with(' '));
        if let Some(heading) = heading {
            writeln!(page, ".SH {}\n.nf", heading.to_uppercase())?;
        } else {
            let line = line.replace('\\', "\\e").replace('-', "\\-");
            // A leading dot or quote would be a request to roff; \& is nothing, in no width.
            writeln!(page, "\\&{line}")?;
        }
    }
    writeln!(page, ".fi")
}

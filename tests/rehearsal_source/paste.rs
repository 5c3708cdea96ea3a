//! Doing what a remedy says.

use std::process::Command;

use safe_apply::rehearsal::report::Remedy;

/// Puts the lines where they belong; each file is a path and a text. A command is run in the
/// calling thread's network namespace; whether it was one.
pub fn paste(remedy: &Remedy, files: &mut [(String, String)]) -> bool {
    let place = &remedy.place;
    if place.starts_with("as a command: ") {
        for line in &remedy.lines {
            let done = Command::new("sh").args(["-c", line]).output().unwrap();
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{line}: {said}");
        }
        return true;
    }
    let (_, text) = files
        .iter_mut()
        .find(|(path, _)| place.ends_with(path.as_str()) || place.contains(&format!("{path} (")))
        .unwrap_or_else(|| panic!("{place}"));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let number = |verb: &str| {
        let (_, rest) = place.split_once(verb)?;
        rest.split(' ').next()?.parse::<usize>().ok()
    };
    let at = match (number("before line "), number("after line ")) {
        (Some(line), None) => line - 1,
        (None, Some(line)) => line,
        _ => {
            assert!(place.starts_with("at the end of "), "{place}");
            lines.len()
        }
    };
    lines.splice(at..at, remedy.lines.iter().cloned());
    *text = lines.join("\n") + "\n";
    false
}

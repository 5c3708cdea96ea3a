//! Text as the tools take it.

use std::path::Path;

/// The UTF-8 byte order mark, which some editors put first and which no tool accepts.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Whether `bytes` look like text: no NUL and no control characters but tab, newline, CR, form feed.
///
/// Any encoding that extends ASCII is text: the tools do not care what a comment is written in.
#[must_use]
pub fn is_text(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| !byte.is_ascii_control() || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c))
}

/// Takes away what the tools choke on though it is harmless: a byte order mark, CR before LF,
/// a missing newline at the end. Lines keep their numbers.
///
/// iptables-restore 1.8.9 takes the CR for a part of the table's name, nft 1.0.6 calls it
/// junk, and the legacy iptables-restore does not know a COMMIT without its newline.
#[must_use]
pub fn normalise(bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let mut clean = Vec::with_capacity(bytes.len() + 1);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        clean.extend_from_slice(body.strip_suffix(b"\r").unwrap_or(body));
        clean.push(b'\n');
    }
    clean
}

/// The words of a line, as iptables-restore splits it: white space separates, double quotes
/// hold together. A word loses the quotes around it; escapes in it stay as they are.
#[must_use]
pub fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in line.bytes().enumerate() {
        if byte.is_ascii_whitespace() && !quoted {
            if let Some(from) = start.take() {
                words.push(unquoted(&line[from..at]));
            }
            continue;
        }
        start.get_or_insert(at);
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    if let Some(from) = start {
        words.push(unquoted(&line[from..]));
    }
    words
}

fn unquoted(word: &str) -> &str {
    word.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(word)
}

/// Makes `include "./x"` count from `cwd`, where the user was, not from where the tool is started.
#[must_use]
pub fn absolute_includes(script: &[u8], cwd: &Path) -> Vec<u8> {
    let cwd = cwd.to_string_lossy();
    let Ok(text) = std::str::from_utf8(script) else {
        return script.to_vec();
    };
    if cwd.contains(['"', '\\', '\u{fffd}']) || !text.contains("\"./") {
        return script.to_vec();
    }
    let base = cwd.trim_end_matches('/');
    text.split_inclusive('\n')
        .map(|line| {
            if line.trim_start().starts_with("include") {
                line.replacen("\"./", &format!("\"{base}/"), 1)
            } else {
                line.to_owned()
            }
        })
        .collect::<String>()
        .into_bytes()
}

/// Line `number` (from 1) of `text`, trimmed, if there is one.
#[must_use]
pub fn line(text: &str, number: usize) -> Option<&str> {
    text.lines().nth(number.checked_sub(1)?).map(str::trim)
}

/// At most 80 characters of `line`, for error messages.
#[must_use]
pub fn excerpt(line: &str) -> String {
    const CHARS: usize = 80;
    let mut chars = line.trim().chars();
    let head: String = chars.by_ref().take(CHARS).collect();
    if chars.next().is_some() {
        head + "…"
    } else {
        head
    }
}

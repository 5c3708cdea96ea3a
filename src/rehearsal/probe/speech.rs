//! What probes and the audience say to each other.

use super::Side;

/// What a connection begins with; the software's name is as `OpenSSH` has it (RFC 4253, 4.2).
const SSH: &str = "SSH-2.0-OpenSSH_9.2";
/// What a client says to be told by the server unasked.
const SESSION: &str = "session\n";
/// Of the first line that a client sends, in bytes.
const LINE_BYTES: usize = 100;
/// More than fits in one packet, less than any buffer, in bytes.
const CHUNK_BYTES: usize = 8192;
/// Of a datagram or an echo request, in bytes.
const DATAGRAM_BYTES: usize = 56;
/// The first byte of a datagram that asks.
const QUESTION: u8 = b'?';

const fn name(side: Side) -> &'static str {
    match side {
        Side::World => "world",
        Side::Host => "host",
    }
}

const fn mark(side: Side) -> u8 {
    match side {
        Side::World => b'W',
        Side::Host => b'H',
    }
}

/// What a listener says first, with its side in it: NAT may have led the caller elsewhere.
pub(super) fn greeting(side: Side, ssh: bool) -> String {
    let name = name(side);
    if ssh {
        format!("{SSH} {name}\r\n")
    } else {
        format!("220 {name}\r\n")
    }
}

/// Whose greeting this is.
pub(super) fn greeted_by(line: &[u8]) -> Option<Side> {
    let word = line.trim_ascii_end().rsplit(|byte| *byte == b' ').next()?;
    let sides = [Side::World, Side::Host];
    sides
        .into_iter()
        .find(|side| word == name(*side).as_bytes())
}

/// The line that a client sends to who greeted it like that.
pub(super) fn line(greeting: &[u8], token: u32, session: bool) -> Vec<u8> {
    let opening = if greeting.starts_with(b"SSH-") {
        SSH
    } else {
        "HELLO"
    };
    let ending = if session { SESSION } else { "probe\n" };
    let mut line = format!("{opening} {token:08x}.");
    while line.len() + ending.len() + 1 < LINE_BYTES {
        line.push('.');
    }
    line.push(' ');
    line.push_str(ending);
    line.into_bytes()
}

/// Whether a client wants to be told unasked, by all that it has sent; `None`: not said yet.
pub(super) fn is_session(heard: &[u8]) -> Option<bool> {
    let end = heard.iter().position(|byte| *byte == b'\n')?;
    let first = heard.get(..=end)?;
    Some(first.ends_with(SESSION.as_bytes()))
}

/// Several packets' worth of data.
pub(super) fn chunk(token: u32) -> Vec<u8> {
    let words = (0u32..).map(|count| token.wrapping_add(count.wrapping_mul(0x9e37_79b9)));
    let mut chunk: Vec<u8> = words
        .take(CHUNK_BYTES / 4)
        .flat_map(u32::to_be_bytes)
        .collect();
    chunk.truncate(CHUNK_BYTES);
    chunk
}

/// What is asked in one datagram.
pub(super) fn question(token: u32) -> Vec<u8> {
    let mut datagram = chunk(token);
    datagram.truncate(DATAGRAM_BYTES);
    if let Some(first) = datagram.first_mut() {
        *first = QUESTION;
    }
    datagram
}

/// Makes of a datagram that asks the one that answers; others stay as they are.
pub(super) fn answer(side: Side, datagram: &mut [u8]) {
    if let Some(first) = datagram.first_mut().filter(|first| **first == QUESTION) {
        *first = mark(side);
    }
}

/// Who answered the question with this datagram; `None`: it is no answer to it.
pub(super) fn answered_by(question: &[u8], datagram: &[u8]) -> Option<Side> {
    let (first, rest) = datagram.split_first()?;
    if question.get(1..) != Some(rest) {
        return None;
    }
    let sides = [Side::World, Side::Host];
    sides.into_iter().find(|side| mark(*side) == *first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_tells_whose_it_is() {
        for (side, ssh) in [(Side::World, false), (Side::Host, true)] {
            let said = greeting(side, ssh);
            assert_eq!(said.starts_with("SSH-2.0-"), ssh);
            assert_eq!(greeted_by(said.as_bytes()), Some(side));
        }
        assert_eq!(greeted_by(b"220 nobody\r\n"), None);
        assert_eq!(greeted_by(b""), None);
    }

    #[test]
    fn a_line_is_of_the_size_it_should_have_and_says_what_it_wants() {
        for session in [true, false] {
            let line = line(greeting(Side::Host, true).as_bytes(), 7, session);
            assert_eq!(line.len(), LINE_BYTES);
            assert!(line.starts_with(b"SSH-2.0-"));
            assert_eq!(is_session(&line), Some(session));
            assert_eq!(is_session(&line[..LINE_BYTES - 1]), None);
        }
        assert!(line(b"220 host\r\n", 7, false).starts_with(b"HELLO"));
        assert_eq!(chunk(1).len(), CHUNK_BYTES);
        assert_ne!(chunk(1), chunk(2));
    }

    #[test]
    fn an_answer_is_told_from_other_datagrams() {
        let asked = question(5);
        assert_eq!(asked.len(), DATAGRAM_BYTES);
        let mut reply = asked.clone();
        assert_eq!(answered_by(&asked, &reply), None);
        answer(Side::World, &mut reply);
        assert_eq!(answered_by(&asked, &reply), Some(Side::World));
        // An answer is not answered again.
        answer(Side::Host, &mut reply);
        assert_eq!(answered_by(&asked, &reply), Some(Side::World));
        assert_eq!(answered_by(&question(6), &reply), None);
        assert_eq!(answered_by(&asked, b""), None);
    }
}

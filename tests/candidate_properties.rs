//! What holds for any text.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use proptest::prelude::*;
use safe_apply::candidate::{evidence, iptables_place, nft_place, normalise, recognise, words};

fn lines_of_rules() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[-*:#a-z0-9./]{1,12}",
        Just("*filter".to_owned()),
        Just("COMMIT".to_owned()),
        Just("-s".to_owned()),
        Just("192.0.2.1".to_owned()),
        Just("2001:db8::1".to_owned()),
        Just("create".to_owned()),
        Just("table".to_owned()),
        Just("\"".to_owned()),
        Just("\n".to_owned()),
    ];
    prop::collection::vec(word, 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn nothing_panics(text in any::<String>(), name in any::<String>()) {
        let _ = recognise(&name, &text, None);
        let _ = evidence(&text);
        let _ = words(&text);
        let _ = iptables_place(&text, &name);
        let _ = nft_place(&text);
        prop_assert!(normalise(text.as_bytes()).len() <= text.len() + 1);
    }

    #[test]
    fn line_ends_and_byte_order_mark_do_not_matter(text in lines_of_rules()) {
        let plain = recognise("x", &text, None).map_err(|error| error.to_string());
        let crlf = text.replace('\n', "\r\n");
        let marked = format!("\u{feff}{crlf}");
        prop_assert_eq!(&recognise("x", &crlf, None).map_err(|error| error.to_string()), &plain);
        prop_assert_eq!(&recognise("x", &marked, None).map_err(|error| error.to_string()), &plain);
        prop_assert_eq!(normalise(marked.as_bytes()), normalise(text.as_bytes()));
    }

    #[test]
    fn normalising_twice_changes_nothing(bytes in any::<Vec<u8>>()) {
        prop_assume!(!bytes.windows(2).any(|pair| pair == b"\r\r") && !bytes.starts_with(b"\xef\xbb\xbf\xef"));
        let once = normalise(&bytes);
        prop_assert_eq!(normalise(&once), once.clone());
        prop_assert_eq!(once.iter().filter(|byte| **byte == b'\n').count(),
            bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).split_inclusive(|byte| *byte == b'\n').count());
    }
}

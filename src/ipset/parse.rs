//! Text in `ipset save` format.
//!
//! The tool prints names as they are, even with spaces in them; on input it
//! takes them in double quotes, for which there is no escape. Here, a set's
//! name stands in quotes wherever it is part of a longer text and has spaces.

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, Set, Sets};
use crate::escape;

/// `IPSET_MAXNAMELEN` less the terminating NUL.
const NAME_BYTES: usize = 31;
/// How the names of all types start.
const TYPE_PREFIXES: [&str; 3] = ["hash:", "bitmap:", "list:"];

/// Reads text in `ipset save` format; empty lines and lines that start with `#`
/// are skipped, commands other than `create` and `add` are refused.
///
/// # Errors
/// [`Error::Parse`] with the number of the first line that makes no sense.
pub fn parse_save(text: &str) -> Result<Sets, Error> {
    parse_with_names(text, std::iter::empty())
}

/// As [`parse_save`], where the names of the sets are known already.
pub(super) fn parse_with_names<'a>(
    text: &str,
    known: impl IntoIterator<Item = &'a String>,
) -> Result<Sets, Error> {
    let mut names = Names::default();
    for name in known {
        names.insert(name);
    }
    let mut sets = Vec::<Set>::new();
    let mut positions = BTreeMap::<String, usize>::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |reason: String| Error::Parse {
            line: at + 1,
            reason,
        };
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim_start();
        match command {
            "create" | "-N" => {
                let (name, create) = names.split_create(rest).map_err(wrong)?;
                if positions.insert(name.to_owned(), sets.len()).is_some() {
                    return Err(wrong(format!("the set `{name}` is created twice")));
                }
                names.insert(name);
                sets.push(Set {
                    name: name.to_owned(),
                    create: create.to_owned(),
                    members: Vec::new(),
                });
            }
            "add" | "-A" => {
                let (name, member) = names.split(rest).map_err(wrong)?;
                let set = positions.get(name).and_then(|at| sets.get_mut(*at));
                let Some(set) = set else {
                    return Err(wrong(format!("the set `{name}` is not created above")));
                };
                if member.is_empty() {
                    return Err(wrong(format!("nothing to add to the set `{name}`")));
                }
                let member = if set.is_list() {
                    let (element, options) = names.split(member).map_err(wrong)?;
                    join(element, options)
                } else {
                    member.to_owned()
                };
                set.members.push(member);
            }
            other => {
                return Err(wrong(format!("`{other}` is neither `create` nor `add`")));
            }
        }
    }
    Ok(Sets {
        sets,
        indexes: BTreeMap::new(),
    })
}

fn join(element: &str, options: &str) -> String {
    let mut member = quoted(element);
    if !options.is_empty() {
        member.push(' ');
        member.push_str(options);
    }
    member
}

/// A set's name as `ipset restore` takes it.
pub(super) fn quoted(name: &str) -> String {
    if name.contains(' ') {
        format!("\"{name}\"")
    } else {
        name.to_owned()
    }
}

/// Set names, to tell where an unquoted one ends.
#[derive(Debug, Default)]
struct Names {
    /// Names with spaces; the longest that fits is meant.
    spaced: BTreeSet<String>,
}

impl Names {
    fn insert(&mut self, name: &str) {
        if name.contains(' ') {
            self.spaced.insert(name.to_owned());
        }
    }

    /// Splits a set's name off the front of `text`.
    fn split<'t>(&self, text: &'t str) -> Result<(&'t str, &'t str), String> {
        let (name, rest) = if let Some(quoted) = text.strip_prefix('"') {
            quoted
                .split_once('"')
                .ok_or_else(|| "a quotation mark is not closed".to_owned())?
        } else {
            let spaced = self.spaced.iter().rev().find(|name| {
                text.strip_prefix(name.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            });
            match spaced {
                Some(name) => text.split_at(name.len()),
                None => text.split_once(' ').unwrap_or((text, "")),
            }
        };
        check_name(name)?;
        Ok((name, rest.trim_start()))
    }

    fn split_create<'t>(&self, text: &'t str) -> Result<(&'t str, &'t str), String> {
        let (mut name, mut create) = self.split(text)?;
        let is_type = |text: &str| TYPE_PREFIXES.iter().any(|prefix| text.starts_with(prefix));
        if !text.starts_with('"') && !is_type(create) {
            // A name with spaces, not seen before: it ends where the type starts.
            let at = TYPE_PREFIXES
                .iter()
                .filter_map(|prefix| text.find(&format!(" {prefix}")))
                .min();
            if let Some(at) = at {
                (name, create) = (&text[..at], &text[at + 1..]);
            }
        }
        check_name(name)?;
        if !is_type(create) {
            return Err(format!("no set type after the name `{name}`"));
        }
        Ok((name, create))
    }
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("no set name".to_owned());
    }
    if escape::to_bytes(name).len() > NAME_BYTES {
        return Err(format!(
            "the set name `{name}` is longer than {NAME_BYTES} bytes"
        ));
    }
    Ok(())
}

/// Words apart at spaces; a double quote keeps spaces together and stays.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |letter: char| {
        quoted ^= letter == '"';
        letter == ' ' && !quoted
    })
    .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        let sets = parse_save(text).unwrap().sets;
        sets.into_iter().map(|set| set.name).collect()
    }

    #[test]
    fn names_may_hold_spaces() {
        let text = "create sp ace hash:ip\nadd sp ace 1.1.1.1 comment \"a  b\"\r\ncreate sp bitmap:port range 0-9\nadd sp 3\ncreate l list:set size 8\nadd l sp ace timeout 3\nadd l \"sp\"\n";
        assert_eq!(names(text), ["sp ace", "sp", "l"]);
        let sets = parse_save(text).unwrap().sets;
        assert_eq!(sets[0].members, ["1.1.1.1 comment \"a  b\""]);
        assert_eq!(sets[1].members, ["3"]);
        assert_eq!(sets[2].members, ["\"sp ace\" timeout 3", "sp"]);
    }

    #[test]
    fn errors_name_the_line() {
        let line = |text: &str| {
            let error = parse_save(text).unwrap_err();
            let Error::Parse { line, .. } = error else {
                panic!("{error}");
            };
            line
        };
        assert_eq!(line("# x\n\ncreate a hash:ip\nadd b 1.1.1.1"), 4);
        assert_eq!(line("create a hash:ip\ncreate a hash:ip"), 2);
        assert_eq!(line("create a hash:ip\nflush a"), 2);
        assert_eq!(line("create a"), 1);
        assert_eq!(line("create a hash:ip\nadd a"), 2);
        assert_eq!(line("create \"a hash:ip"), 1);
        assert_eq!(line("create 12345678901234567890123456789012 hash:ip"), 1);
    }

    #[test]
    fn words_keep_quoted_spaces() {
        let found: Vec<_> = words("1.1.1.1 timeout 3  comment \"a  b\"").collect();
        assert_eq!(found, ["1.1.1.1", "timeout", "3", "comment", "\"a  b\""]);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[ -~\n\"é]{0,200}") {
            let _ = parse_save(&text);
        }

        #[test]
        fn reads_back_what_it_writes(
            parts in proptest::collection::btree_map(
                "[a-z][a-z0-9 _.-]{0,20}[a-z0-9]",
                ("(hash:ip|hash:net,port|bitmap:port range 0-9)( timeout [1-9])?",
                 proptest::collection::vec("[0-9.:,/]{1,12}( comment \"[ -!#-~]{0,20}\")?", 0..5)),
                0..6),
        ) {
            let sets: Vec<Set> = parts
                .into_iter()
                .map(|(name, (create, members))| Set { name, create, members })
                .collect();
            let sets = Sets { sets, indexes: BTreeMap::new() };
            let text = String::from_utf8(sets.to_restore().unwrap()).unwrap();
            prop_assert_eq!(parse_save(&text).unwrap(), sets);
        }
    }
}

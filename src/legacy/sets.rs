//! IP sets that legacy rules name (`libxt_set(8)`, `libxt_SET(8)`).

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Family, Tables};

/// The options that a set's name follows.
const OPTIONS: [&str; 4] = ["--match-set", "--add-set", "--del-set", "--map-set"];

impl Tables {
    /// The tables with a rule that names one of `sets`.
    #[must_use]
    pub fn naming_sets(&self, sets: &BTreeMap<String, String>) -> Vec<(Family, String)> {
        let mut naming = Vec::new();
        for family in Family::ALL {
            let tables = self.of(family).iter();
            let tables =
                tables.filter(|(_, text)| text.lines().any(|line| rename(line, sets).is_some()));
            naming.extend(tables.map(|(table, _)| (family, table.clone())));
        }
        naming
    }

    /// The same tables with rules that name other sets: `names` has the old
    /// name and the new one, such as [`crate::ipset::Prepared::temporary`].
    #[must_use]
    pub fn with_set_names(&self, names: &BTreeMap<String, String>) -> Self {
        let renamed = |tables: &BTreeMap<String, String>| {
            let tables = tables.iter().map(|(table, text)| {
                let lines = text.lines();
                let text =
                    lines.map(|line| rename(line, names).unwrap_or_else(|| line.to_owned()) + "\n");
                (table.clone(), text.collect())
            });
            tables.collect()
        };
        Self {
            v4: renamed(&self.v4),
            v6: renamed(&self.v6),
        }
    }
}

/// The rule `line` with other set names, if it has any of the old ones.
fn rename(line: &str, names: &BTreeMap<String, String>) -> Option<String> {
    let mut renamed = String::new();
    let mut done = 0;
    let mut before = "";
    for word in words(line) {
        let text = &line[word.clone()];
        if OPTIONS.contains(&before)
            && let Some(name) = names.get(text)
        {
            renamed.push_str(&line[done..word.start]);
            renamed.push_str(name);
            done = word.end;
        }
        before = text;
    }
    renamed.push_str(&line[done..]);
    (done > 0).then_some(renamed)
}

/// Where the words of a rule are; double quotes keep spaces together, a
/// backslash takes a quote's meaning away.
fn words(line: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, letter) in line.char_indices() {
        if letter == ' ' && !quoted {
            words.push(start..at);
            start = at + 1;
        }
        quoted ^= letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
    }
    words.push(start..line.len());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_where_a_set_is_meant() {
        let names = BTreeMap::from([("a".to_owned(), "sa-tmp-1".to_owned())]);
        let renamed = |line| rename(line, &names);
        assert_eq!(
            renamed("[0:0] -A INPUT -s a -m set ! --match-set a src,dst -j SET --add-set a src")
                .unwrap(),
            "[0:0] -A INPUT -s a -m set ! --match-set sa-tmp-1 src,dst -j SET --add-set sa-tmp-1 src"
        );
        assert!(renamed("-A INPUT -m set --match-set ab src -j a").is_none());
        let comment = r#"-A INPUT -m comment --comment "x \" --match-set a " -j ACCEPT"#;
        assert!(renamed(comment).is_none());
        let tables = Tables {
            v4: BTreeMap::from([
                (
                    "filter".to_owned(),
                    "*filter\n-A INPUT -m set --match-set a src\nCOMMIT\n".to_owned(),
                ),
                ("nat".to_owned(), "*nat\nCOMMIT\n".to_owned()),
            ]),
            v6: BTreeMap::new(),
        };
        assert_eq!(
            tables.naming_sets(&names),
            [(Family::V4, "filter".to_owned())]
        );
        let other = tables.with_set_names(&names);
        assert_eq!(
            other.v4["filter"],
            "*filter\n-A INPUT -m set --match-set sa-tmp-1 src\nCOMMIT\n"
        );
        assert_eq!(other.v4["nat"], tables.v4["nat"]);
    }
}

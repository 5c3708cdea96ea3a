//! The administrator's settings, `/etc/safe-apply.toml`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::accounts::group_id;
use crate::rehearsal::requirement::Requirement;

/// Transactions kept as history unless the file says otherwise.
pub const DEFAULT_HISTORY: usize = 50;
/// The user ID of root.
const ROOT_UID: u32 = 0;

/// The settings; a missing file means the defaults.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Members of this group may confirm, besides root.
    pub group: Option<String>,
    /// How many transactions are kept as history.
    pub history: usize,
    /// What has to be open under any rules, besides what the command line requires.
    pub require: Vec<Requirement>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            group: None,
            history: DEFAULT_HISTORY,
            require: Vec::new(),
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is there but cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The file holds something else than settings; `message` shows the line.
    #[error("{}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The parser's message with line, column and the line itself.
        message: String,
    },
}

impl Config {
    /// Reads the settings at `path`.
    ///
    /// # Errors
    /// [`Error::Unreadable`]; [`Error::Invalid`] for a syntax error, an unknown key, a wrong type or a
    /// requirement that is none.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(source) => {
                return Err(Error::Unreadable {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        Self::parse(&text).map_err(|message| Error::Invalid {
            path: path.to_owned(),
            message,
        })
    }

    /// Parses settings.
    ///
    /// # Errors
    /// The parser's message, with line and column.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }
}

/// Whether a user with these credentials may confirm, roll back or extend: root, or a member of
/// the group in `config`. A group that this host does not have admits nobody.
#[must_use]
pub fn may_confirm(uid: u32, gids: &[u32], config: &Config) -> bool {
    if uid == ROOT_UID {
        return true;
    }
    let Some(name) = &config.group else {
        return false;
    };
    group_id(name).is_some_and(|gid| gids.contains(&gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_settings() {
        let config = Config::parse(
            "group = \"netadmin\"\nhistory = 7\nrequire = [\"tcp/443\", \"udp/53@198.51.100.7\"]\n",
        )
        .unwrap();
        assert_eq!(config.group.as_deref(), Some("netadmin"));
        assert_eq!(config.history, 7);
        let required: Vec<String> = config.require.iter().map(ToString::to_string).collect();
        assert_eq!(required, ["tcp/443", "udp/53@198.51.100.7"]);
    }

    #[test]
    fn names_the_line_of_a_requirement_that_is_none() {
        let error =
            Config::parse("history = 7\n\nrequire = [\n  \"tcp/443\",\n  \"tcp/https\",\n]\n")
                .unwrap_err();
        assert!(
            error.contains("line 5") && error.contains("\"https\" is no port"),
            "{error}"
        );
        let error = Config::parse("require = [443]").unwrap_err();
        assert!(error.contains("a requirement such as"), "{error}");
        assert!(Config::parse("require = \"tcp/443\"").is_err());
    }

    #[test]
    fn nothing_means_the_defaults() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
        assert_eq!(
            Config::load(Path::new("/nonexistent/safe-apply.toml")).unwrap(),
            Config::default()
        );
    }

    #[test]
    fn names_the_line_of_an_unknown_key() {
        let error = Config::parse("history = 7\ngrupo = \"x\"\n").unwrap_err();
        assert!(
            error.contains("line 2") && error.contains("grupo"),
            "{error}"
        );
    }

    #[test]
    fn names_the_line_of_a_wrong_type() {
        let error = Config::parse("\nhistory = -1\n").unwrap_err();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn root_and_members_may_confirm() {
        let none = Config::default();
        assert!(may_confirm(0, &[], &none));
        assert!(!may_confirm(1000, &[0], &none));
        let root_group = Config {
            group: Some("root".to_owned()),
            ..Config::default()
        };
        assert!(may_confirm(1000, &[1000, 0], &root_group));
        assert!(!may_confirm(1000, &[1000], &root_group));
        let unknown = Config {
            group: Some("no-such-group-here".to_owned()),
            ..Config::default()
        };
        assert!(!may_confirm(1000, &[1000, 0], &unknown));
    }
}

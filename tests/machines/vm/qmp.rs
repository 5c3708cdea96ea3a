//! QEMU's machine protocol: a JSON object per line over a unix socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

/// QEMU answers at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to QEMU.
#[derive(Debug)]
pub struct Qmp {
    stream: BufReader<UnixStream>,
}

impl Qmp {
    /// Says hello.
    pub fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut qmp = Self {
            stream: BufReader::new(stream),
        };
        let greeting = qmp.line();
        assert!(greeting["QMP"].is_object(), "{greeting}");
        qmp.ask("qmp_capabilities");
        qmp
    }

    /// Carries out a command that has no arguments.
    #[track_caller]
    pub fn ask(&mut self, command: &str) {
        let line = format!("{}\n", json!({ "execute": command }));
        self.stream.get_mut().write_all(line.as_bytes()).unwrap();
        loop {
            let answer = self.line();
            assert!(answer["error"].is_null(), "{command}: {answer}");
            if !answer["return"].is_null() {
                return;
            }
        }
    }

    #[track_caller]
    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("QEMU answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }
}

//! A login on a terminal: keys go in, what the screen is sent comes out.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use super::command::comes_true;

/// A terminal of the machine's, seen over ssh; the connection is cut when dropped.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    screen: Arc<Mutex<String>>,
    /// How much of the screen has been waited for.
    read: usize,
}

impl Terminal {
    /// Starts the command, an ssh with `-tt`.
    pub fn open(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut output = child.stdout.take().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let writer = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]);
                writer.lock().unwrap().push_str(&text);
            }
        });
        Self {
            child,
            screen,
            read: 0,
        }
    }

    /// Types, without the Enter key.
    pub fn types(&mut self, keys: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(keys.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// Types a line.
    pub fn enters(&mut self, line: &str) {
        self.types(line);
        self.types("\r");
    }

    /// Waits until the screen has been sent this since what was last waited for.
    #[track_caller]
    pub fn shows(&mut self, text: &str) {
        let found = comes_true(|| {
            let screen = self.screen.lock().unwrap();
            let Some(at) = screen[self.read..].find(text) else {
                return false;
            };
            self.read += at + text.len();
            true
        });
        assert!(found, "no {text:?} on the screen:\n{}", self.screen());
    }

    /// All that the screen was sent.
    pub fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    /// Waits until the login has ended by itself.
    #[track_caller]
    pub fn ends(mut self) {
        let ended = comes_true(|| self.child.try_wait().unwrap().is_some());
        assert!(ended, "the login does not end:\n{}", self.screen());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

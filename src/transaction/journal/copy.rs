//! A copy of the journal, in the hands of a thread of its own: a disk that hangs, such as network
//! storage that the new rules cut off, must not hang whoever has to roll back.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate};

use super::Durability;
use crate::aside::{Aside, DISK_BRIEF_MAX, DISK_MAX, overdue};

/// Space reserved for a journal, in bytes; some 500 states.
const RESERVED_BYTES: usize = 128 * 1024;
/// How long the disk has once it has kept anybody waiting.
const HANGING_MAX: Duration = Duration::from_millis(200);

type Answer = io::Result<()>;

/// A copy of the journal, open for writing.
#[derive(Debug)]
pub struct Copy {
    jobs: Aside<Job>,
    /// Where the answer comes that did not come in time.
    overdue: Option<Receiver<Answer>>,
    complete: bool,
    /// Something was not taken: what came after it would not fit.
    torn: bool,
}

/// What the thread does, in this order.
#[derive(Debug)]
enum Job {
    Open(Vec<u8>, SyncSender<Answer>),
    Append(Vec<u8>, Durability, SyncSender<Answer>),
    /// Nobody has waited for the last record to the end, so it does not count.
    Withdraw,
}

impl Copy {
    /// Opens `path`, reserves its space and makes it hold `text` and nothing else. What came of
    /// that in time is the second value.
    pub fn open(path: &Path, text: Vec<u8>, durability: Durability) -> (Self, Answer) {
        let path = path.to_owned();
        let mut pages = Err(io::Error::other("it is not open"));
        let jobs = Aside::new(move |job| match job {
            Job::Open(text, answer) => {
                pages = Pages::create(&path, &text);
                let _ = answer.send(pages.as_ref().map(|_| ()).map_err(again));
            }
            Job::Append(text, durability, answer) => {
                let written = match &mut pages {
                    Ok(pages) => pages.append(&text, durability),
                    Err(error) => Err(again(error)),
                };
                let _ = answer.send(written);
            }
            Job::Withdraw => {
                if let Ok(pages) = &mut pages {
                    pages.withdraw();
                }
            }
        });
        let mut copy = Self {
            jobs,
            overdue: None,
            complete: true,
            torn: false,
        };
        let opened = copy.ask(durability, |answer| Job::Open(text, answer));
        (copy, opened)
    }

    /// Appends `text` and syncs it.
    ///
    /// # Errors
    /// What the kernel says; `TimedOut` where it says nothing. With [`Durability::Required`]
    /// the text does not count then, else it is written once that can be, if this still lives then.
    pub fn append(&mut self, text: &[u8], durability: Durability) -> Answer {
        let written = self.ask(durability, |answer| {
            Job::Append(text.to_vec(), durability, answer)
        });
        if self.overdue.is_some() && durability == Durability::Required {
            self.hand(Job::Withdraw);
        }
        written
    }

    /// Whether the disk holds all that counts.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    fn ask(
        &mut self,
        durability: Durability,
        job: impl FnOnce(SyncSender<Answer>) -> Job,
    ) -> Answer {
        let before = self.overdue.take();
        let hangs =
            before.is_some_and(|answer| matches!(answer.try_recv(), Err(TryRecvError::Empty)));
        let limit = match durability {
            // What stands in a queue behind something that hangs is hardly answered either.
            _ if hangs => HANGING_MAX,
            Durability::Required => DISK_MAX,
            Durability::BestEffort => DISK_BRIEF_MAX,
        };
        let (answer, answered) = sync_channel(1);
        self.hand(job(answer));
        let written = match answered.recv_timeout(limit) {
            Ok(written) => written,
            Err(RecvTimeoutError::Timeout) => {
                self.overdue = Some(answered);
                Err(overdue(DISK_BRIEF_MAX.max(limit)))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(io::Error::other("nobody is there to write it"))
            }
        };
        let kept = self.complete && durability == Durability::Required;
        self.complete = !self.torn && (written.is_ok() || kept);
        written
    }

    fn hand(&mut self, job: Job) {
        self.torn = self.torn || !self.jobs.hand(job);
    }
}

/// The file itself.
#[derive(Debug)]
struct Pages {
    file: File,
    end: u64,
    /// Lines that count, but that the disk has not taken yet.
    owed: Vec<u8>,
    /// Length of the last record, if the disk has taken it.
    last: usize,
    /// How much after `end` may hold what does not count.
    stale: usize,
}

impl Pages {
    fn create(path: &Path, text: &[u8]) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        match fallocate(&file, FallocateFlags::empty(), 0, RESERVED_BYTES as u64) {
            // Filling it with NUL reserves the space where the file system cannot (NFS, FAT).
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
        let mut content = text.to_vec();
        content.resize(text.len().max(RESERVED_BYTES), 0);
        file.write_all_at(&content, 0)?;
        file.sync_all()?;
        Ok(Self {
            file,
            end: text.len() as u64,
            owed: Vec::new(),
            last: 0,
            stale: 0,
        })
    }

    /// Appends `text` after what is owed still, so that no number is left out.
    fn append(&mut self, text: &[u8], durability: Durability) -> Answer {
        let all = [&self.owed, text].concat();
        let written = self.put(&all);
        self.last = 0;
        match (&written, durability) {
            (Ok(()), _) => {
                self.end += all.len() as u64;
                self.last = text.len();
                self.owed.clear();
            }
            (Err(_), Durability::BestEffort) => self.owed = all,
            // What does not count must not be found later; the same fault may forbid that too.
            (Err(_), Durability::Required) => {
                let _ = self.put(&[]);
            }
        }
        written
    }

    /// Takes the last record out again, which the disk took too late.
    fn withdraw(&mut self) {
        self.end -= self.last as u64;
        self.stale += self.last;
        self.last = 0;
        let _ = self.put(&[]);
    }

    /// Writes `bytes` after what counts, and nothing but NUL after them.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = self.file.metadata()?.len().saturating_sub(self.end);
        // Beyond the file's end there is nothing, and on a full disk no room for NUL.
        let stale = usize::try_from(length).map_or(self.stale, |length| self.stale.min(length));
        let mut all = bytes.to_vec();
        all.resize(bytes.len().max(stale), 0);
        self.stale = all.len();
        self.file.write_all_at(&all, self.end)?;
        self.file.sync_data()?;
        self.stale = 0;
        Ok(())
    }
}

/// The same error, for one more reader.
fn again(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

//! On whose behalf sockets are made: rules match the owner of the socket that sends
//! (`meta skuid`, `-m owner`), and that is the file system user of the thread that made it.

use std::io;

use nix::unistd::{Uid, setfsuid};

/// Makes sockets of the calling thread belong to this user from now on; other threads keep theirs.
///
/// # Errors
/// `PermissionDenied` where the user may not be taken on, or does not exist in this user namespace.
pub(super) fn act_as(uid: u32) -> io::Result<()> {
    let wanted = Uid::from_raw(uid);
    setfsuid(wanted);
    // It tells no errors, only what was set before: the second call shows what the first one did.
    if setfsuid(wanted) == wanted {
        return Ok(());
    }
    let reason = format!("nothing can be sent as user {uid} from here");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
}

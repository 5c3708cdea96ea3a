//! A machine: boots, is rebooted, cut off, started again with the same disk.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::command::{Output, code, eventually, run};
use super::place::{Place, SHARE};
use super::spec::{Spec, write_below};
use super::{own, product};

/// A boot takes some two seconds on an idle machine.
const BOOT: Duration = Duration::from_secs(120);
/// What nspawn ends with when the machine asks to be started again (systemd-nspawn(1)).
const REBOOT: i32 = 133;
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const NETWORK: &str = "[Match]\nName=host0\n\n[Network]\nAddress=198.51.100.2/24\n\
    Address=2001:db8::2/64\nGateway=198.51.100.1\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n\
    IPv6DuplicateAddressDetection=0\n";

/// A whole machine with systemd as its first process.
#[derive(Debug)]
pub struct Machine {
    nspawn: Option<Nspawn>,
    boots: u32,
    place: Place,
}

/// One boot of it.
#[derive(Debug)]
struct Nspawn {
    child: Child,
    /// The machine's first process, by its number here.
    leader: i32,
}

impl Machine {
    /// Makes a machine and boots it.
    #[track_caller]
    pub fn boot(spec: Spec) -> Self {
        let place = Place::new(spec.suite, &spec.packages);
        let mut machine = Self {
            nspawn: None,
            boots: 0,
            place,
        };
        machine.prepare(&spec);
        machine.start();
        if spec.product && product::package().is_some() {
            machine.install_package();
        }
        machine
    }

    /// Writes what the spec asks for to the disk.
    fn prepare(&self, spec: &Spec) {
        let root = self.disk();
        write_below(&root, "etc/systemd/network/10-host0.network", NETWORK);
        self.authorize_key(&root);
        if spec.product && product::package().is_none() {
            product::install_files(&root);
        }
        for (path, content) in &spec.files {
            write_below(&root, path, content);
        }
        for unit in &spec.enabled {
            let mut enable = self.place.around("systemctl");
            enable.args(["--quiet", "--root"]).arg(self.place.root());
            run(enable.args(["enable", unit])).exits(0);
        }
    }

    /// Starts it with the disk as it is, and waits until systemd has started everything.
    #[track_caller]
    pub fn start(&mut self) {
        assert!(self.nspawn.is_none(), "it runs already");
        self.boots += 1;
        let socket = self.place.file(&format!("notify{}", self.boots));
        let notify = UnixDatagram::bind(&socket).unwrap();
        let mut command = self.nspawn_command(&socket);
        let mut child = command.spawn().unwrap();
        wait_until_ready(&notify, &mut child, &|| self.console());
        // nsenter waits for nspawn, nspawn for the machine's first process.
        let leader = own::only_child(own::only_child(child.id()));
        self.nspawn = Some(Nspawn { child, leader });
    }

    fn nspawn_command(&self, socket: &std::path::Path) -> Command {
        let cgroups = self.place.cgroups.fresh(&format!("boot{}", self.boots));
        let enter = cgroups
            .iter()
            .map(|path| format!("echo 0 >'{}/cgroup.procs' && ", path.display()));
        let enter = enter.collect::<String>() + "exec systemd-nspawn \"$@\"";
        let console = fs::File::create(self.place.file(&format!("console{}", self.boots))).unwrap();
        let share = self.place.share();
        let mut command = self.place.around("bash");
        command
            .args(["-c", &enter, "bash"])
            .args(["--quiet", "--boot", "--machine=machine", "--directory"])
            .arg(self.place.root())
            .args(["--register=no", "--keep-unit", "--link-journal=no"])
            .args(["--resolv-conf=off", "--timezone=off", "--console=read-only"])
            .args(["--network-bridge=lan", "--notify-ready=yes"])
            // What root has on a host and nspawn takes away.
            .arg("--capability=CAP_IPC_LOCK,CAP_SYSLOG")
            .arg(format!("--bind={}:{SHARE}", share.display()))
            .env("NOTIFY_SOCKET", socket)
            // As Debian has it; newer systemds start with no other.
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
            .stdin(Stdio::null())
            .stdout(console.try_clone().unwrap())
            .stderr(console);
        command
    }

    /// Its first process, by its number here.
    #[track_caller]
    pub fn leader(&self) -> i32 {
        self.nspawn.as_ref().expect("the machine runs").leader
    }

    /// Its root directory, to be used while it is down.
    pub fn disk(&self) -> PathBuf {
        self.place.root_from_here()
    }

    /// A directory that both sides see, on the machine as [`SHARE`].
    pub fn share(&self) -> PathBuf {
        self.place.share()
    }

    /// Its surroundings.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Puts a file into the shared directory; returns its path on the machine.
    pub fn share_file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.share().join(name), content).unwrap();
        format!("{SHARE}/{name}")
    }

    /// A command that will run on the machine as root, outside any unit or login.
    #[track_caller]
    pub fn on_console(&self, program: &str) -> Command {
        self.enter(&["--", program])
    }

    fn enter(&self, words: &[&str]) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter
            .args(["-t", &self.leader().to_string()])
            .args(["-m", "-u", "-i", "-n", "-p", "-r", "-w"])
            .args(words)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", "/root");
        nsenter
    }

    /// Runs a shell command on the machine as root, to its end.
    #[track_caller]
    pub fn exec(&self, command: &str) -> Output {
        run(self.on_console("bash").args(["-c", command]))
    }

    /// The same from a shell that is not in its process tree itself: a systemd that stops and kills
    /// all that runs there does not stop the shell.
    #[track_caller]
    pub fn exec_from_outside(&self, command: &str) -> Output {
        run(&mut self.enter(&["--no-fork", "--", "bash", "-c", command]))
    }

    /// `systemctl reboot`, until it is up again.
    #[track_caller]
    pub fn reboot(&mut self) {
        self.exec("systemctl --no-block reboot").exits(0);
        self.comes_back();
    }

    /// Waits until a machine that is going to reboot is up again.
    #[track_caller]
    pub fn comes_back(&mut self) {
        assert_eq!(self.goes_down(), REBOOT, "{}", self.console());
        self.start();
    }

    /// `systemctl poweroff`, until it is down.
    #[track_caller]
    pub fn poweroff(&mut self) {
        self.exec("systemctl --no-block poweroff").exits(0);
        assert_eq!(self.goes_down(), 0, "{}", self.console());
    }

    /// Waits until it is down; returns what nspawn says of it.
    #[track_caller]
    pub fn goes_down(&mut self) -> i32 {
        let mut nspawn = self.nspawn.take().expect("the machine runs");
        let until = Instant::now() + BOOT;
        loop {
            if let Some(status) = nspawn.child.try_wait().unwrap() {
                return code(status);
            }
            if Instant::now() > until {
                let console = self.console();
                self.nspawn = Some(nspawn);
                panic!("it does not go down:\n{console}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL to its first process: the kernel kills all others, nothing is shut down.
    #[track_caller]
    pub fn kill(&mut self) {
        kill_process(Pid::from_raw(self.leader()).unwrap(), Signal::KILL).unwrap();
        self.goes_down();
    }

    /// What its current or last boot printed on its console.
    pub fn console(&self) -> String {
        let path = self.place.file(&format!("console{}", self.boots));
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    }

    /// Waits until a shell command on the machine succeeds.
    #[track_caller]
    pub fn eventually(&self, command: &str) {
        eventually(command, || self.exec(command).code == 0);
    }
}

/// Waits for systemd's own word (`READY=1`, sd_notify(3)), which nspawn passes on.
#[track_caller]
fn wait_until_ready(notify: &UnixDatagram, child: &mut Child, console: &dyn Fn() -> String) {
    let until = Instant::now() + BOOT;
    notify
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let mut message = [0; 4096];
    loop {
        if let Ok(length) = notify.recv(&mut message) {
            let text = String::from_utf8_lossy(&message[..length]);
            if text.lines().any(|line| line == "READY=1") {
                return;
            }
        }
        if let Some(status) = child.try_wait().unwrap() {
            panic!("it does not boot: {status}\n{}", console());
        }
        if Instant::now() > until {
            let _ = child.kill();
            panic!("it is not up in time\n{}", console());
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.nspawn.is_none() {
            return;
        }
        if std::thread::panicking() {
            let journal = self.exec("journalctl --no-pager --boot --lines 80; nft list ruleset");
            eprintln!("--- the machine's journal\n{}", journal.all());
        }
        self.kill();
    }
}

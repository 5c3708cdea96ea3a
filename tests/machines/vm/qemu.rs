//! A QEMU process, and the machine in it.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::agent::Agent;
use super::disk::Disk;
use super::image::Image;
use super::qmp::Qmp;
use crate::lab::{Output, eventually};

/// A boot takes ten seconds on an idle machine, and many times that on a busy one.
const BOOT: Duration = Duration::from_secs(300);
/// Scripts that have no more to do than look.
const SCRIPT: Duration = Duration::from_secs(120);
/// No mitigations: they cost interpreted code a third. No KASLR: neither does it help here.
const COMMAND_LINE: &str = "root=/dev/vda console=ttyS0 mitigations=off nokaslr audit=0";

/// What a machine is made of, besides its disk.
#[derive(Debug)]
pub struct Hardware {
    pub kernel: PathBuf,
    pub initrd: PathBuf,
    pub memory_mib: u32,
    /// A second disk, which is only read.
    pub second_disk: Option<PathBuf>,
    /// Sockets and logs.
    pub dir: PathBuf,
}

impl Hardware {
    /// What an image needs.
    pub fn of(image: &Image) -> Self {
        Self {
            kernel: image.kernel(),
            initrd: image.initrd(),
            memory_mib: 768,
            second_disk: None,
            dir: image.dir().to_owned(),
        }
    }
}

/// A machine that runs. QEMU is killed when it is dropped.
#[derive(Debug)]
pub struct Vm {
    child: Child,
    qmp: Qmp,
    agent: Agent,
    console: PathBuf,
}

impl Vm {
    /// Plugs the disk in, switches the machine on, and waits until it has booted.
    #[track_caller]
    pub fn boot(hardware: &Hardware, disk: &Disk) -> Self {
        let copy = disk.plug_in();
        let console = hardware.dir.join("console");
        let sockets = ["qmp", "agent"].map(|name| hardware.dir.join(name));
        for socket in &sockets {
            let _ = fs::remove_file(socket);
        }
        let said = hardware.dir.join("qemu");
        let mut command = qemu(hardware, &copy, &disk.log(), &console, &sockets);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&said).unwrap())
            .spawn()
            .expect("setpriv (util-linux) starts");
        let [qmp, agent] = sockets.map(|socket| {
            let mut stream = None;
            eventually("QEMU listens", || {
                let ended = child.try_wait().unwrap();
                assert!(ended.is_none(), "{}", fs::read_to_string(&said).unwrap());
                stream = UnixStream::connect(&socket).ok();
                stream.is_some()
            });
            stream.unwrap()
        });
        let vm = Self {
            child,
            qmp: Qmp::new(qmp),
            agent: Agent::new(agent),
            console,
        };
        vm.ready();
        vm
    }

    /// Waits until it has booted; what it said on the agent's line before.
    #[track_caller]
    pub fn ready(&self) -> Vec<String> {
        self.agent.ready(BOOT).unwrap_or_else(|said| {
            let console = fs::read(&self.console).unwrap_or_default();
            let console = String::from_utf8_lossy(&console);
            panic!("it does not boot; it said {said:?}\n{console}");
        })
    }

    /// Runs a script as root.
    #[track_caller]
    pub fn run(&mut self, script: &str) -> Output {
        self.agent.run(script, SCRIPT)
    }

    /// Runs a script that takes longer.
    #[track_caller]
    pub fn run_for(&mut self, script: &str, patience: Duration) -> Output {
        self.agent.run(script, patience)
    }

    /// The line to the machine.
    pub fn agent(&mut self) -> &mut Agent {
        &mut self.agent
    }

    /// The reset button: memory is lost, what the disk was told is not. Waits for the next boot;
    /// what the machine had said until then.
    #[track_caller]
    pub fn reset(&mut self) -> Vec<String> {
        self.qmp.ask("system_reset");
        self.ready()
    }

    /// Waits until the machine has switched itself off.
    #[track_caller]
    pub fn switched_off(mut self) {
        let until = Instant::now() + BOOT;
        // The line ends with QEMU.
        while let Some(line) = self.agent.line(until) {
            println!("{line}");
        }
        let mut ended = None;
        eventually("QEMU has ended", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    }

    /// Kills QEMU: no request that was not finished will be. What the machine had said.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let far = Instant::now() + SCRIPT;
        // The line ends with its process.
        std::iter::from_fn(|| self.agent.line(far)).collect()
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that the machine has; nothing that is there by default.
fn qemu(
    hardware: &Hardware,
    copy: &Path,
    log: &Path,
    console: &Path,
    sockets: &[PathBuf; 2],
) -> Command {
    File::create(log).unwrap();
    let [qmp, agent] = sockets.each_ref().map(|path| path.display());
    let (copy, log, console) = (copy.display(), log.display(), console.display());
    // It ends with this process, however that ends.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
        .args(["-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", "2"])
        .args(["-m", &hardware.memory_mib.to_string()])
        .args(["-nodefaults", "-no-user-config", "-display", "none"])
        .arg("-kernel")
        .arg(&hardware.kernel)
        .arg("-initrd")
        .arg(&hardware.initrd)
        .args(["-append", COMMAND_LINE])
        // What the host does with its own cache does not matter: the host is not cut off.
        .arg("-blockdev")
        .arg(format!(
            "driver=file,node-name=copy,filename={copy},cache.no-flush=on"
        ))
        .arg("-blockdev")
        .arg(format!(
            "driver=file,node-name=log,filename={log},cache.no-flush=on"
        ))
        .arg("-blockdev")
        .arg("driver=raw,node-name=raw,file=copy")
        .arg("-blockdev")
        .arg("driver=blklogwrites,node-name=disk,file=raw,log=log,log-super-update-interval=1")
        // The log has no word for what has been discarded.
        .arg("-device")
        .arg("virtio-blk-pci,drive=disk,write-cache=on,discard=off,write-zeroes=off")
        .arg("-chardev")
        .arg(format!("file,id=console,path={console}"))
        .args(["-serial", "chardev:console"])
        .arg("-chardev")
        .arg(format!("socket,id=agent,path={agent},server=on,wait=off"))
        .args(["-serial", "chardev:agent"])
        .arg("-qmp")
        .arg(format!("unix:{qmp},server=on,wait=off"));
    if let Some(second) = &hardware.second_disk {
        let second = second.display();
        command
            .arg("-blockdev")
            .arg(format!(
                "driver=file,node-name=second,filename={second},read-only=on"
            ))
            .args(["-device", "virtio-blk-pci,drive=second"]);
    }
    command
}

//! Cutting the power again and again, and judging what is left.

use std::fmt;
use std::time::{Duration, Instant};

use super::inspection::Inspection;
use super::model::Model;
use super::phase::{Lengths, PHASES, Phase};
use super::story::{Belief, KINDS, Kind, Line};
use crate::lab::install_files;
use crate::vm::{Disk, Fate, Filesystem, Hardware, Image, Random, Vm, seed};

/// Cuts where nothing else is said: each phase once.
const CUTS: usize = PHASES.len();
/// Half of them resets.
const CUTS_SLOW: usize = 40;
/// XFS is never smaller than 300 MiB; the tree has 350.
pub const DISK_MIB: u32 = 1000;
/// No phase takes as long.
const PHASE_MAX: Duration = Duration::from_secs(300);
/// Copies what safe-apply left before it is looked at.
const FOUND_UNIT: &str = "[Unit]\nDefaultDependencies=no\nRequiresMountsFor=/var/lib/safe-apply\n\
    After=local-fs.target\n\
    Before=safe-apply-recover-files.service safe-apply-recover.service\n\n[Service]\nType=oneshot\n\
    ExecStart=-/bin/cp -a /var/lib/safe-apply/transactions /run/found\n\n\
    [Install]\nWantedBy=multi-user.target\n";

/// Side by side they can get into each other's way, which is not what is tested.
const LOADERS_ORDER: &str = "[Unit]\nAfter=nftables.service\n";

/// How the power goes.
#[derive(Debug, Clone, Copy)]
enum Way {
    Reset,
    Cut(Fate),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reset => "reset",
            Self::Cut(Fate::Lost) => "cut, cache lost",
            Self::Cut(Fate::Random) => "cut, cache torn",
        })
    }
}

/// What is the same from cut to cut.
struct Bench {
    hardware: Hardware,
    disk: Disk,
    random: Random,
    lengths: Lengths,
    model: Model,
}

/// The image of a machine whose rules are loaded at boot, with safe-apply.
pub fn image() -> Image {
    let image = Image::debian();
    install_files(image.files());
    image.program("/usr/local/sbin/story", include_str!("story.sh"));
    image.file("/etc/systemd/system/found.service", FOUND_UNIT);
    image.file(
        "/etc/systemd/system/netfilter-persistent.service.d/order.conf",
        LOADERS_ORDER,
    );
    for unit in [
        "found.service",
        "netfilter-persistent.service",
        "nftables.service",
    ] {
        image.enable(unit);
    }
    image
}

/// Cuts the power, as often as the environment asks for.
pub fn run(filesystem: Filesystem) {
    let slow = std::env::var_os("SAFE_APPLY_SLOW").is_some();
    let cuts = if slow { CUTS_SLOW } else { CUTS };
    let seed = seed();
    println!("{filesystem:?}: {cuts} cuts from seed {seed}");
    let image = image();
    let mut bench = Bench {
        hardware: Hardware::of(&image),
        disk: Disk::new(image.disk(filesystem, DISK_MIB)),
        random: Random::new(seed),
        lengths: Lengths::default(),
        model: Model::new(1),
    };
    let begun = Instant::now();
    let mut vm = Vm::boot(&bench.hardware, &bench.disk);
    println!("booted in {:.1} s", begun.elapsed().as_secs_f32());
    vm.run("story load 1 1").exits(0);
    for number in 0..cuts {
        vm = bench.cut(vm, number);
    }
}

impl Bench {
    /// One change, one cut, one boot, one verdict.
    fn cut(&mut self, mut vm: Vm, number: usize) -> Vm {
        let version = u32::try_from(number).unwrap() + 2;
        let phase = PHASES[number % PHASES.len()];
        let kind = self.kind(phase);
        // Each phase meets each way: the turn moves on with every round of phases.
        let way = match (number + number / PHASES.len()) % 4 {
            1 => Way::Cut(Fate::Lost),
            3 => Way::Cut(Fate::Random),
            _ => Way::Reset,
        };
        let mut belief = Belief::default();
        let delay = self.wait(&mut vm, kind, version, phase, &mut belief);
        let begun = Instant::now();
        let mut vm = self.power_off(vm, way, &mut belief);
        let moment = format!(
            "{number:2} {:14} {phase:?} + {} ms, {way}, after {:?}, booted in {:.1} s",
            kind.name(),
            delay.as_millis(),
            belief.last,
            begun.elapsed().as_secs_f32()
        );
        let now = Inspection::of(&mut vm);
        let verdict = self.model.judge(kind, version, &belief, &now);
        let verdict =
            verdict.unwrap_or_else(|what| panic!("{moment}: {what}\n{belief:#?}\n{now:#?}"));
        let found = verdict.found.as_deref().unwrap_or("no journal");
        println!("{moment}: {found} -> {}", verdict.outcome);
        if verdict.unconfirmed_file {
            // The person puts the file right.
            let Model {
                iptables, native, ..
            } = self.model;
            vm.run(&format!("story load {iptables} {native}")).exits(0);
        }
        vm
    }

    /// Any; where there is more to lose, every second time one that is confirmed.
    fn kind(&mut self, phase: Phase) -> Kind {
        let confirmed = phase >= Phase::Settle && self.random.coin();
        let kinds: Vec<Kind> = (KINDS.into_iter())
            .filter(|kind| kind.is_kept() || !confirmed)
            .collect();
        kinds[self.random.below(kinds.len())]
    }

    /// Begins a change and waits for a random moment of a phase.
    fn wait(
        &mut self,
        vm: &mut Vm,
        kind: Kind,
        version: u32,
        phase: Phase,
        belief: &mut Belief,
    ) -> Duration {
        let kept = self.model.iptables;
        let agent = vm.agent();
        agent.start(&format!("exec story {} {version} {kept}", kind.name()));
        let mut until = Instant::now() + PHASE_MAX;
        let mut delay = None;
        while let Some(line) = agent.line(until) {
            if agent.ended(&line).is_some() {
                // Where this process has been kept waiting.
                break;
            }
            let line = Line::parse(&line);
            belief.learns(&line);
            let Some(begun) = Phase::begun_by(&line) else {
                continue;
            };
            self.lengths.begins(begun);
            if begun == phase && delay.is_none() {
                let chosen = self.random.part_of(self.lengths.of(phase));
                delay = Some(chosen);
                until = Instant::now() + chosen;
            }
        }
        self.lengths.cut();
        delay.unwrap_or_else(|| panic!("{} does not get to {phase:?}: {belief:?}", kind.name()))
    }

    /// Takes the power away and gives it back; what had been said until then is believed.
    fn power_off(&mut self, mut vm: Vm, way: Way, belief: &mut Belief) -> Vm {
        let (said, vm) = match way {
            Way::Reset => (vm.reset(), vm),
            Way::Cut(fate) => {
                let said = vm.kill();
                let cut = self.disk.cut(fate, &mut self.random);
                println!("   {cut:?}");
                (said, Vm::boot(&self.hardware, &self.disk))
            }
        };
        for line in said {
            belief.learns(&Line::parse(&line));
        }
        vm
    }
}

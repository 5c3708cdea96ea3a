//! A stage with rules on it, and packets sent through them.

mod session;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::Flow;
use super::decide::Tracer;
use super::host::{Host, Listening};
use super::plan::{Ask, Plan};
use super::probe::{self, Answer, Audience, Outcome, Probe, Side, Unwitnessed, Wanted};
use super::stage::Stage;
use crate::checkpoint::{Direction, Part, Snapshot, bring};
use crate::connection::SSH_PORT;
use crate::legacy::Lock;
use crate::nftables::Compare;

/// How long a probe that nobody answers is waited for. In these namespaces an answer takes
/// microseconds; this is for a busy machine.
const SILENCE: Duration = Duration::from_millis(300);
/// Within what Linux takes (`net.ipv4.ip_local_port_range`), and others (RFC 6335: from 49152 on).
const CLIENT_PORTS: [RangeInclusive<u16>; 2] = [32_768..=36_863, 57_344..=60_999];
/// Why a login that gets in once is not called open.
const DEPENDS: &str = "one new login gets in, and the next one does not: it depends on the port that it comes from, or on how many there are";
/// Nobody else holds the lock file of a scratch namespace.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// A stage, those who answer on it, and the rules that it holds.
#[derive(Debug)]
pub struct Scene {
    stage: Stage,
    lock: PathBuf,
    held: Snapshot,
    tracer: Option<Tracer>,
    /// Answers over the old session, where nobody tracks it before the change.
    untracked: Option<Flow>,
    here: Audience,
    _there: Audience,
}

impl Scene {
    /// A stage that looks like `host`, without rules.
    ///
    /// # Errors
    /// When the kernel does not give such namespaces.
    pub fn build(
        host: &Host,
        plan: &Plan,
        devices: &BTreeSet<String>,
        lock: &Path,
    ) -> Result<Self> {
        let stage = Stage::build(host, &plan.peers, devices)
            .context("no scratch network namespaces that look like this host")?;
        let wanted = |sockets: &[Listening]| -> Vec<Wanted> {
            sockets.iter().map(|one| wanted(one, host)).collect()
        };
        let here = Audience::open(stage.server(), Side::Host, &wanted(&plan.host_sockets))?;
        let there = Audience::open(stage.world(), Side::World, &wanted(&plan.world_sockets))?;
        Ok(Self {
            stage,
            lock: lock.to_owned(),
            held: Snapshot::default(),
            tracer: None,
            untracked: None,
            here,
            _there: there,
        })
    }

    /// The stage itself.
    #[must_use]
    pub const fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Brings the stage to `target` as the live rules would be brought.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn load(&mut self, target: &Snapshot) -> Result<()> {
        self.untrace()?;
        self.stage.server().enter(|| {
            let parts = self.held.differing(target, Compare::Exact);
            let lock = Lock::wait(LOCK_WAIT).file(&self.lock);
            bring(target, &parts, &Direction::Rollback { lock: &lock }).map_err(|failures| {
                let lines: Vec<String> = failures.iter().map(ToString::to_string).collect();
                anyhow!(lines.join("\n"))
            })
        })??;
        self.held = target.clone();
        Ok(())
    }

    /// As [`Scene::load`], and reads back: only then rules that stop packets can be told by number.
    ///
    /// # Errors
    /// What the kernel refuses, or in which it differs then.
    pub fn bring(&mut self, target: &Snapshot) -> Result<()> {
        let changed = self.held.differing(target, Compare::Exact);
        self.load(target)?;
        self.held = self.stage.server().enter(Snapshot::capture)??;
        let mut differing = target.differing(&self.held, Compare::Live);
        // Packets of an open session may have been put into such a set meanwhile.
        differing.retain(|part| changed.contains(part) || !matches!(part, Part::Set(_)));
        if !differing.is_empty() {
            bail!("{}", target.describe(&self.held, &differing).join("\n"));
        }
        Ok(())
    }

    /// From here on packets that rules stop are seen; without it the rules stop them all the same.
    pub fn trace(&mut self) {
        // What comes in is traced before the rules of ingress hooks, where there are any.
        let devices: Vec<String> = self.held.nft.device_names().into_iter().collect();
        if let Ok(mut tracer) = Tracer::install(self.stage.server(), &devices) {
            tracer.rules(&self.held.nft, &self.held.legacy);
            self.tracer = Some(tracer);
        }
    }

    fn untrace(&mut self) -> Result<()> {
        if let Some(tracer) = self.tracer.take() {
            tracer.remove().context("the tracing of packets")?;
        }
        Ok(())
    }

    /// Sends what `asks` ask, all at once; what met silence that no rule was seen to cause, twice.
    pub async fn ask(&mut self, asks: &[Ask]) -> Vec<Answer> {
        let probes: Vec<Probe> = asks.iter().map(|ask| self.probe(ask)).collect();
        let mut answers = self.send(&probes).await;
        let again: Vec<usize> = (0..answers.len())
            .filter(|at| answers[*at].outcome == Outcome::Silence && answers[*at].spot.is_none())
            .collect();
        if !again.is_empty() {
            let probes: Vec<Probe> = again.iter().map(|at| probes[*at].clone()).collect();
            for (at, answer) in again.into_iter().zip(self.send(&probes).await) {
                answers[at] = answer;
            }
        }
        answers
    }

    /// Logs in twice, from ports that systems choose for themselves at both ends of what is usual:
    /// it may depend on the port, and the port of the next login is not known.
    pub async fn log_in(&mut self, ask: &Ask) -> Option<Answer> {
        let mut ask = ask.clone();
        let mut answers = Vec::new();
        for ports in CLIENT_PORTS {
            ask.probe.source.set_port(probe::port_within(&ports));
            let answer = self.ask(std::slice::from_ref(&ask)).await.pop()?;
            if answer.outcome != Outcome::Answered && answers.is_empty() {
                return Some(answer);
            }
            answers.push(answer);
        }
        let queued = answers.iter().any(|answer| answer.queued);
        let mut last = answers.pop()?;
        last.queued = queued;
        if last.outcome != Outcome::Answered {
            last.outcome = Outcome::Unsent(DEPENDS.to_owned());
        }
        Some(last)
    }

    async fn send(&mut self, probes: &[Probe]) -> Vec<Answer> {
        let (server, world) = (self.stage.server(), self.stage.world());
        match &mut self.tracer {
            Some(tracer) => {
                let mut answers = probe::run(probes, server, world, SILENCE, tracer).await;
                for answer in &mut answers {
                    answer.queued = tracer.has_queued(answer.flow);
                }
                answers
            }
            None => probe::run(probes, server, world, SILENCE, &mut Unwitnessed).await,
        }
    }

    fn probe(&self, ask: &Ask) -> Probe {
        let mut probe = ask.probe.clone();
        if probe.side == Side::World {
            probe.device = self
                .stage
                .wire_between(probe.source.ip(), probe.destination.ip());
        }
        probe
    }

    /// Neighbours have to be found anew.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn forget_neighbours(&self) -> Result<()> {
        Ok(self.stage.forget_neighbours()?)
    }
}

fn wanted(socket: &Listening, host: &Host) -> Wanted {
    let link = socket.device.and_then(|index| host.links.get(&index));
    let port = socket.address.port();
    Wanted {
        protocol: socket.protocol,
        address: socket.address,
        v6_only: socket.v6_only,
        device: link.map(|link| link.name.clone()),
        uid: socket.uid,
        ssh: port == SSH_PORT || matches!(socket.program.as_deref(), Some("sshd" | "dropbear")),
    }
}

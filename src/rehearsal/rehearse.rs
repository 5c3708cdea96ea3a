//! The rehearsal itself: before, the change, after, and back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path as FilePath;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};

use super::baseline::baseline;
use super::host::Host;
use super::judge::{self, Heard};
use super::locate::{self, Locator};
use super::plan::{Ask, Plan};
use super::probe::{Answer, OldSession, Outcome};
use super::report::{Peer, Report};
use super::scene::Scene;
use super::source::{Sources, Teller};
use super::you::You;
use crate::candidate::{Candidate, How};
use crate::checkpoint::{Snapshot, touched};
use crate::nftables::Compare;

/// What is rehearsed.
#[derive(Debug, Clone, Copy)]
pub struct Rehearsal<'a> {
    /// This host.
    pub host: &'a Host,
    /// The user's connection, if there is one.
    pub you: Option<&'a You>,
    /// What is asked.
    pub plan: &'a Plan,
    /// The rules that are live.
    pub checkpoint: &'a Snapshot,
    /// What the candidate makes of them; `None`: the live rules are asked about.
    pub compiled: Option<&'a Snapshot>,
    /// The candidate's files.
    pub candidates: &'a [Candidate],
    /// How they were compiled.
    pub how: How,
    /// The interface that the user's packets come in by.
    pub interface: Option<&'a str>,
    /// A directory for lock files.
    pub scratch: &'a FilePath,
}

/// What was seen under one ruleset.
#[derive(Debug, Default)]
pub struct Seen {
    /// A new login.
    pub login: Option<Heard>,
    /// The rows of the plan, in order.
    pub rows: Vec<Heard>,
    /// The session that was open before; an error where none could be opened here.
    pub old: Option<Result<Heard, String>>,
    /// How the checkpoint, restored over the candidate, differs from itself.
    pub way_back: Option<Vec<String>>,
    /// What of the host the stage does not have.
    pub limits: Vec<String>,
    /// Peers whose packets do not come with the hardware address that they have on this host.
    pub false_macs: BTreeSet<IpAddr>,
    /// Why packets between a peer and an address of this host would not take the way here that
    /// they take on the host.
    pub doubts: BTreeMap<(IpAddr, IpAddr), String>,
}

/// What became of all probes under one ruleset.
struct Answers {
    old: Option<Result<Answer, String>>,
    login: Option<Answer>,
    rows: Vec<Answer>,
}

impl Rehearsal<'_> {
    /// Rehearses. Nothing outside of scratch namespaces is touched.
    ///
    /// # Errors
    /// When no such namespace can be made, or the kernel does not take the rules there.
    pub fn run(&self) -> Result<Report> {
        let begun = Instant::now();
        let sources = self.how.backend.map_or_else(
            || {
                Sources::parse(
                    self.candidates,
                    crate::candidate::Resolved::Nft,
                    self.how.noflush,
                )
            },
            |backend| Sources::parse(self.candidates, backend, self.how.noflush),
        );
        let (before, after) = match self.compiled {
            None => (None, self.under(self.checkpoint, &sources, "live")?),
            Some(compiled) => thread::scope(|scope| {
                let before =
                    scope.spawn(|| self.under(self.checkpoint, &Sources::default(), "before"));
                let after = self.across(compiled, &sources);
                let before = before
                    .join()
                    .map_err(|_| anyhow!("the thread for the live rules died"))?;
                Ok::<_, anyhow::Error>((Some(before?), after?))
            })?,
        };
        let mut report = judge::report(self, &sources, before, after);
        report.milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(report)
    }

    fn devices(&self) -> BTreeSet<String> {
        let mut devices = self.checkpoint.devices();
        devices.extend(self.compiled.iter().flat_map(|one| one.devices()));
        devices
    }

    fn scene(&self, name: &str) -> Result<Scene> {
        let lock = self.scratch.join(format!("xtables-{name}.lock"));
        Scene::build(self.host, self.plan, &self.devices(), &lock)
    }

    /// What is seen under rules that do not change.
    fn under(&self, rules: &Snapshot, sources: &Sources, name: &str) -> Result<Seen> {
        let mut scene = self.scene(name)?;
        scene
            .bring(rules)
            .context("the live rules cannot be loaded in a scratch network namespace")?;
        scene.trace();
        let answers = runtime()?.block_on(self.ask_all(&mut scene));
        self.seen(&scene, sources, rules, answers)
    }

    /// What is seen while the candidate replaces the live rules, and after that.
    fn across(&self, compiled: &Snapshot, sources: &Sources) -> Result<Seen> {
        let mut scene = self.scene("after")?;
        let runtime = runtime()?;
        scene
            .load(self.checkpoint)
            .context("the live rules cannot be loaded in a scratch network namespace")?;
        let mut session = match self.you {
            Some(you) => Some(runtime.block_on(self.session(&mut scene, you))?),
            None => None,
        };
        scene
            .bring(compiled)
            .context("the kernel does not take the new rules in place of the old ones")?;
        scene.trace();
        scene.forget_neighbours()?;
        let old = match &mut session {
            Some(Ok(session)) => Some(Ok(runtime.block_on(scene.session_lives(session)))),
            Some(Err(reason)) => Some(Err(reason.clone())),
            None => None,
        };
        let mut answers = runtime.block_on(self.ask_all(&mut scene));
        answers.old = old;
        let mut seen = self.seen(&scene, sources, compiled, answers)?;
        drop(session);
        seen.way_back = Some(self.way_back(&mut scene, compiled));
        Ok(seen)
    }

    /// Opens the old session under the live rules; `Err` inside: it cannot be had here.
    async fn session(
        &self,
        scene: &mut Scene,
        you: &You,
    ) -> Result<std::result::Result<OldSession, String>> {
        if let Ok(session) = scene.open_session(you).await {
            return Ok(Ok(session));
        }
        // The live rules let nobody in who is not in yet: it was there before them.
        scene.load(&Snapshot::default())?;
        let opened = scene.open_session(you).await;
        scene.load(self.checkpoint)?;
        let mut session = match opened {
            Ok(session) => session,
            Err(outcome) => {
                return Ok(Err(format!(
                    "no connection like yours can be opened: {outcome:?}"
                )));
            }
        };
        let lives = scene.session_lives(&mut session).await;
        Ok(if lives.outcome == Outcome::Answered {
            Ok(session)
        } else {
            Err("a connection like yours does not get through the live rules".to_owned())
        })
    }

    /// The login first, and alone: rules that count must not count the other probes.
    async fn ask_all(&self, scene: &mut Scene) -> Answers {
        let login = match &self.plan.login {
            Some(ask) => scene.log_in(ask).await,
            None => None,
        };
        Answers {
            old: None,
            login,
            rows: scene.ask(&self.plan.asks).await,
        }
    }

    /// Looks the deciding rules up while they are still there.
    fn seen(
        &self,
        scene: &Scene,
        sources: &Sources,
        rules: &Snapshot,
        answers: Answers,
    ) -> Result<Seen> {
        let locator = Locator::new(sources, self.checkpoint, rules);
        let mut seen = scene.stage().server().enter(|| {
            let mut teller = Teller::new(sources);
            let mut heard = |answer: Answer| Heard {
                decision: answer.spot.as_ref().map(|spot| {
                    let kept = locator.kept(spot);
                    teller.decision(spot, locate::rules(rules, &spot.part, &spot.chain), kept)
                }),
                outcome: answer.outcome,
                flow: answer.flow,
                queued: answer.queued,
                unruled: None,
            };
            Seen {
                old: answers.old.map(|old| old.map(&mut heard)),
                login: answers.login.map(&mut heard),
                rows: answers.rows.into_iter().map(heard).collect(),
                ..Seen::default()
            }
        })?;
        seen.limits = scene.stage().limits().to_vec();
        seen.doubts = self.doubts(scene);
        let false_mac = |peer: &&IpAddr| scene.stage().false_mac(**peer).is_some();
        seen.false_macs = self.plan.peers.iter().filter(false_mac).copied().collect();
        baseline(self, &mut seen)?;
        Ok(seen)
    }

    fn doubts(&self, scene: &Scene) -> BTreeMap<(IpAddr, IpAddr), String> {
        let doubt = |ask: &Ask| {
            let pair = (ask.remote, ask.local);
            let doubt = scene.stage().doubt_between(pair.0, pair.1);
            Some((pair, doubt.or_else(|| self.crooked(scene, ask))?))
        };
        let outside = |ask: &&Ask| ask.peer != Peer::Loopback;
        let asks = self.plan.login.iter().chain(&self.plan.asks);
        asks.filter(outside).filter_map(doubt).collect()
    }

    /// Packets are sent in by the interface that answers leave by. Where the address that is
    /// dialled is another interface's, they may come in by that one.
    fn crooked(&self, scene: &Scene, ask: &Ask) -> Option<String> {
        let wire = scene.stage().wire_between(ask.remote, ask.local)?;
        let out = self.host.links.get(&scene.stage().link_of(&wire)?)?;
        let mut owners = self.host.addresses.iter().filter(|one| one.ip == ask.local);
        let owner = self.host.links.get(&owners.next()?.link)?;
        let outside = owner.up && owner.mac.is_some() && owner.kind.as_deref() != Some("dummy");
        (outside && owner.index != out.index).then(|| {
            format!(
                "packets for {} may come in by {}, while answers to {} leave by {}",
                ask.local, owner.name, ask.remote, out.name
            )
        })
    }

    /// Restores the checkpoint over the candidate; how it differs from what it was. As on the
    /// host, what packets put into sets that the candidate leaves alone is left alone.
    fn way_back(&self, scene: &mut Scene, compiled: &Snapshot) -> Vec<String> {
        let captured = scene
            .load(self.checkpoint)
            .and_then(|()| Ok(scene.stage().server().enter(Snapshot::capture)??));
        let held = match captured {
            Ok(held) => held,
            Err(error) => return vec![format!("{error:#}")],
        };
        let touched = touched(self.checkpoint, Some(compiled), &held);
        let mut differing = self.checkpoint.differing(&held, Compare::Live);
        differing.retain(|part| touched.contains(part));
        self.checkpoint.describe(&held, &differing)
    }

    /// The probes of `asks` where there are no rules at all.
    ///
    /// # Errors
    /// As for [`Rehearsal::run`].
    pub(super) fn without_rules(&self, asks: &[Ask]) -> Result<Vec<Answer>> {
        let mut scene = self.scene("none")?;
        Ok(runtime()?.block_on(scene.ask(asks)))
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no event loop for the probes")
}

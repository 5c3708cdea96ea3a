//! The session that was open before, on a stage.

use anyhow::Result;

use super::{SILENCE, Scene};
use crate::rehearsal::probe::{Answer, Audience, OldSession, Outcome, Unwitnessed, Witness};
use crate::rehearsal::you::You;
use crate::rehearsal::{Flow, Protocol, conntrack};

impl Scene {
    /// Opens the connection that the user sits on, as connection tracking on the host has it.
    ///
    /// # Errors
    /// What became of it instead; nothing where the namespace cannot be entered.
    pub async fn open_session(&mut self, you: &You) -> Result<OldSession, Outcome> {
        let device = self.stage.wire_between(you.peer.ip(), you.dialled.ip());
        let world = self.stage.world();
        let session =
            OldSession::open(world, you.peer, you.dialled, device.as_deref(), SILENCE).await?;
        let answers = Flow {
            protocol: Protocol::Tcp,
            source: you.local,
            destination: you.peer,
        };
        let unsent = |error: anyhow::Error| Outcome::Unsent(error.to_string());
        if you.real {
            self.as_tracked_on_the_host(answers).map_err(unsent)?;
        }
        let tracked = (self.stage.server()).enter(|| conntrack::lookup(&answers));
        let tracked = tracked.map_err(|error| unsent(error.into()))?;
        self.untracked = matches!(tracked, Ok(None)).then_some(answers);
        Ok(session)
    }

    /// On the host, connection tracking may have forgotten the connection, or have marked it.
    fn as_tracked_on_the_host(&self, answers: Flow) -> Result<()> {
        let Ok(there) = conntrack::lookup(&answers) else {
            return Ok(());
        };
        self.stage.server().enter(|| {
            // Best effort: a kernel that cannot be told goes on with what it has seen itself.
            let _ = match there {
                None => conntrack::delete(&answers),
                Some(there) => conntrack::set_mark(&answers, there.mark),
            };
        })?;
        Ok(())
    }

    /// Whether data still goes both ways over the session that was open before: first what
    /// the host prints, as it does when rules are applied over that session, then what the user types.
    ///
    /// A packet of the user's that was on its way when the rules changed comes before all that,
    /// and where the connection was not tracked, it may be translated: both ways have to do.
    pub async fn session_lives(&mut self, session: &mut OldSession) -> Answer {
        let lives = self.lives(session).await;
        let Some(answers) = self
            .untracked
            .filter(|_| lives.outcome == Outcome::Answered)
        else {
            return lives;
        };
        let forgotten = (self.stage.server()).enter(|| conntrack::delete(&answers));
        if !matches!(forgotten, Ok(Ok(true))) {
            return lives;
        }
        let first = session.is_alive(SILENCE, &mut Unwitnessed).await;
        match first.outcome {
            Outcome::Answered => lives,
            Outcome::Silence => self.lives(session).await,
            Outcome::Rejected | Outcome::Unsent(_) => first,
        }
    }

    async fn lives(&mut self, session: &mut OldSession) -> Answer {
        match &mut self.tracer {
            Some(tracer) => {
                // The host speaks first, in a flow that the user began.
                tracer.expect(session.flow());
                let mut answer = lives(session, &self.here, tracer).await;
                answer.queued = tracer.has_queued(session.flow());
                answer
            }
            None => lives(session, &self.here, &mut Unwitnessed).await,
        }
    }
}

async fn lives(session: &mut OldSession, here: &Audience, witness: &mut impl Witness) -> Answer {
    let heard = session.hears(here, SILENCE, witness).await;
    let typed = session.is_alive(SILENCE, witness).await;
    if typed.outcome == Outcome::Answered {
        heard
    } else {
        typed
    }
}

//! A packet that met silence, or a refusal, without a rule that was seen to cause it: is it
//! the rules at all? The same probes are sent where there are none.

use anyhow::Result;

use super::judge::Heard;
use super::plan::Ask;
use super::probe::Outcome;
use super::rehearse::{Rehearsal, Seen};

/// Marks in `seen` what gets no answer even without rules.
///
/// # Errors
/// When no stage can be built.
pub fn baseline(rehearsal: &Rehearsal<'_>, seen: &mut Seen) -> Result<()> {
    let plan = rehearsal.plan;
    let asks = plan.login.iter().chain(&plan.asks);
    let heard = seen.login.iter_mut().chain(&mut seen.rows);
    let (asks, mut heard): (Vec<Ask>, Vec<&mut Heard>) = asks
        .zip(heard)
        .filter(|(_, heard)| is_unexplained(heard))
        .map(|(ask, heard)| (ask.clone(), heard))
        .unzip();
    if asks.is_empty() {
        return Ok(());
    }
    let answers = rehearsal.without_rules(&asks)?;
    for (heard, answer) in heard.iter_mut().zip(answers) {
        heard.unruled = Some(answer.outcome);
    }
    Ok(())
}

fn is_unexplained(heard: &Heard) -> bool {
    match heard.outcome {
        Outcome::Rejected | Outcome::Silence => heard.decision.is_none(),
        Outcome::Answered | Outcome::Unsent(_) => false,
    }
}

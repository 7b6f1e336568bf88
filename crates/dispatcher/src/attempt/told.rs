//! Telling what is to be told of an attempt, until it is stored.

use std::time::Duration;

use domain::{Key, TaskState};
use fleet::attempt_told;
use logic::attempt::Report;
use wire::event::Event;

use crate::desk::Desk;

/// Between tellings of an event that was not stored.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Tells every report about `state`; whether all of it is stored.
pub(super) async fn tell(desk: &Desk, key: Key, state: &TaskState, reports: &[Report]) -> bool {
    for report in reports {
        let told = attempt_told(desk.me(), state, report);
        debug_assert_eq!(told.source_key.key(), key, "told of another task");
        if !insist(desk, &told.to_event()).await {
            return false;
        }
    }
    true
}

/// Tells an event until it is stored; gives up only when the service must end, and at once
/// when it is larger than any message may be.
pub(super) async fn insist(desk: &Desk, event: &Event) -> bool {
    loop {
        match desk.fleet.tell(event).await {
            Ok(()) => return true,
            Err(error) if error.too_large() => {
                tracing::error!(id = event.id, %error, "an event cannot be told");
                return false;
            }
            Err(error) => desk.grumble("tell an event", error),
        }
        tokio::select! {
            () = desk.hurry.cancelled() => return false,
            () = desk.fleet.clock.sleep(AGAIN_AFTER) => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        Admission, Blame, Claim, Cost, Epoch, KindConfig, Outcome, Phase, TaskState, Timestamp,
    };
    use logic::attempt::{Ending, Terms, on_outcome, owed};
    use wire::event::{AttemptTold, AttemptVerb};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn claimed() -> TaskState {
        let gate: domain::GateName = "relay".parse().unwrap();
        TaskState {
            kind: "welcome".parse().unwrap(),
            source_key: "welcome/SP1".parse().unwrap(),
            at: Timestamp::from_millis(1),
            attempt: 3,
            charged: 0,
            cost: Cost::ZERO,
            admitted: vec![Admission { gate: gate.clone(), epoch: Epoch::new(4), seq: 9 }],
            canary: vec![gate],
            task: None,
            phase: Phase::Claimed(Claim {
                holder: "me".parse().unwrap(),
                begun: Timestamp::from_millis(1),
                lease: Duration::from_secs(30),
                renewals: 0,
            }),
            newest: Cost::ZERO,
            credential: None,
            resets_at: None,
        }
    }

    fn handler() -> domain::Handler {
        domain::Handler::Service { name: "payer".parse().unwrap() }
    }

    fn ended(outcome: &Outcome, blame: &Blame) -> Ending {
        let kind = KindConfig {
            needs: vec!["relay".parse().unwrap()],
            attempts_max: 5,
            rest: Duration::from_secs(10),
            rest_max: Duration::from_secs(60),
            concurrency: None,
            lease: Duration::from_secs(30),
            timeout: Duration::from_secs(60),
            ..KindConfig::of(handler())
        };
        on_outcome(&claimed(), outcome, &Terms { kind: &kind, blame, jitter: 1.0, now: NOW })
    }

    fn tell_first(ending: &Ending) -> AttemptTold {
        attempt_told(&"me".parse().unwrap(), &ending.state, &ending.reports[0])
    }

    /// A shared failure is told uncharged, with its gate and how the gates stood; and told
    /// again from the chain it has the same id, so that it counts once.
    #[test]
    fn tells_a_shared_failure_under_one_id() {
        let gate: domain::GateName = "relay".parse().unwrap();
        let within = Duration::from_secs(600);
        let outcome = Outcome::Failed {
            cause: "relay.nonce-conflict".parse().unwrap(),
            evidence: "409".to_owned(),
            retry_after: None,
            cost: Cost::ZERO,
        };
        let ending = ended(&outcome, &Blame::Shared { gate: gate.clone(), tasks: 1, within });
        let event = tell_first(&ending);
        assert_eq!((event.verb, event.charged), (AttemptVerb::Failed, false));
        assert_eq!(event.gate, Some(gate));
        assert_eq!(event.admitted[0].epoch, Epoch::new(4));
        assert!(event.rest_until.is_some_and(|rest| NOW < rest), "it keeps its place till then");
        let again = attempt_told(&event.holder, &ending.state, &owed(&ending.state)[0]);
        assert_eq!(again.id(), event.id());
        assert_eq!(
            AttemptTold { evidence: event.evidence.clone(), begun: event.begun, ..again },
            event
        );
    }

    /// What may have been done is told as such, uncharged, with when it is asked after.
    #[test]
    fn tells_the_unknown_with_its_rest() {
        let event = tell_first(&ended(
            &crate::handler::unanswered(&handler(), String::new()),
            &Blame::Nobody,
        ));
        assert_eq!(event.to_event().subject, "event.failure.welcome.service.timeout");
        assert!(!event.charged);
        assert!(event.rest_until.is_some_and(|rest| NOW < rest));
    }
}

use anyhow::Context as _;
use bus::{Bus, BusError, Expect, Put, PutError};
use domain::{Actor, Gate, GateState};
use fleet::{gate_log, store};
use kit::Clock;
use logic::gate::{PersonCloses, Refusal, Stamp, close};
use serde_json::{Value, json};
use wire::{
    event::{GateTold, gate_json},
    message::{GateCommand, GateVerb},
    subject,
};

use super::{CloseArgs, ask};
use crate::{
    exit::{Code, Ended},
    look::{self, Queues, Seen},
    out::Out,
};

/// A closing wins its race within milliseconds; this is seconds of trying.
const TRIES: u32 = 200;
/// A server that cannot store does not answer: after so many writes that is said.
const UNANSWERED_MAX: u32 = 2;

pub(super) async fn run(bus: &Bus, args: &CloseArgs, out: &Out) -> anyhow::Result<()> {
    let person = args.person.name()?;
    let note = args.note.trim().to_owned();
    if note.is_empty() {
        return Err(Ended::usage("--note is empty: say why it is closed").into());
    }
    let config = look::config(bus).await?;
    look::known_gate(&config, &args.gate)?;
    let command = GateCommand {
        gate: args.gate.clone(),
        person: person.clone(),
        note: note.clone(),
        expected_epoch: None,
        verb: GateVerb::Close { cause: args.cause.clone() },
    };
    let own = PersonCloses { by: person, note, cause: args.cause.clone() };
    let (gate, through) = match ask(bus, &command).await {
        Ok(reply) => {
            let reply = reply?;
            if let Some(refused) = reply.refused {
                return Err(Ended::refused(refused).into());
            }
            let gate = match reply.gate {
                Some(gate) => gate,
                None => current(bus, args).await?,
            };
            (gate, "gatekeeper")
        }
        Err(BusError::NobodyAnswers { .. } | BusError::TimedOut { .. }) => {
            out.talk("no gatekeeper answers; writing the closing from here");
            let remedy = config.gates.get(&args.gate).map(|gate| gate.remedy.clone());
            (write(bus, args, &own, &remedy.unwrap_or_default(), out).await?, "portcullis")
        }
        Err(error) => return Err(error).context("ask the gatekeeper"),
    };
    bus.flush().await;
    if out.json {
        let mut object = gate_json(&gate);
        if let Value::Object(object) = &mut object {
            object.insert("written_by".to_owned(), json!(through));
        }
        out.object(&object)?;
    } else {
        let told = out.state(gate.state, gate.state.told());
        out.data(&format!("gate {} is {told}, incident {}", gate.name, gate.incident))?;
        let waiting = Queues::read(bus, &config.needing(&gate.name)).await;
        out.talk(&format!("in the queue: {}", waiting.told(&config.needing(&gate.name))));
    }
    Ok(())
}

/// Writes the closing by the gatekeeper's own rules, until it is written or refused.
async fn write(
    bus: &Bus,
    args: &CloseArgs,
    command: &PersonCloses,
    remedy: &str,
    out: &Out,
) -> anyhow::Result<Gate> {
    let mut unanswered = 0;
    for _ in 0..TRIES {
        // The token first, then the gate: what moves in between makes the write fail.
        let prev = gate_log::token(bus).await.context("read the gate log")?;
        let gate = current(bus, args).await?;
        let record = look::incident(bus, &gate).await?;
        let stamp = Stamp { now: Clock.now(), prev, remedy };
        let decision = match close(&gate, record.as_ref(), command, &stamp) {
            Ok(decision) => decision,
            Err(Refusal::AlreadyClosed { .. }) if is_ours(&gate, command) => return Ok(gate),
            Err(refusal) => return Err(Ended::refused(refusal.to_string()).into()),
        };
        if UNANSWERED_MAX <= unanswered {
            return Err(not_stored(args));
        }
        let Some(closed) = decision.gate else { continue };
        match gate_log::append(bus, &closed).await {
            Ok(_) => {
                if let Some(incident) = &decision.incident {
                    let number = subject::incident(&incident.gate, incident.number);
                    // Lost: a gatekeeper has begun it, and that is as good.
                    let _ = store::compare_and_set(bus, subject::RECORD, &number, incident, 0)
                        .await
                        .context("begin the incident record")?;
                }
                tell(bus, &closed, command, out).await;
                return Ok(closed);
            }
            Err(error) if error.lost_race() => Clock.sleep(Bus::jitter()).await,
            Err(PutError::Unknown { .. } | PutError::Refused { code: 503, .. }) => {
                unanswered += 1;
                Clock.sleep(Bus::jitter() * 10).await;
            }
            Err(error) => return Err(error).context("write the closing"),
        }
    }
    Err(Ended::new(Code::Failed, "the gate log moves too fast to write to; try again").into())
}

/// The gate reads as before, and the write may come to pass yet.
fn not_stored(args: &CloseArgs) -> anyhow::Error {
    let gate = &args.gate;
    let why = format!(
        "NATS does not answer the write, so gate `{gate}` is not known to be closed: its disk may \
         be full, or too few of its servers run. Look at the server's log, then at \
         `portcullis gate show {gate}`; until then stop the dispatchers to stop the work"
    );
    Ended::new(Code::Bus, why).into()
}

/// An answer was lost, or the gatekeeper did it after all.
fn is_ours(gate: &Gate, command: &PersonCloses) -> bool {
    gate.by == Actor::Person(command.by.clone()) && gate.note == command.note
}

async fn current(bus: &Bus, args: &CloseArgs) -> anyhow::Result<Gate> {
    match Seen::read(bus, &args.gate).await? {
        Seen::Known(gate) => Ok(*gate),
        seen => {
            let (state, why) = (GateState::Closed.told(), seen.doubt().unwrap_or_default());
            Err(Ended::refused(format!("gate `{}` is {state} already: {why}", args.gate)).into())
        }
    }
}

/// The same event, under the same id, as a gatekeeper would tell.
async fn tell(bus: &Bus, gate: &Gate, command: &PersonCloses, out: &Out) {
    let told = GateTold {
        verb: "closed",
        gate: &gate.name,
        state: Some(gate),
        source: format!("portcullis/{}", command.by),
        at: gate.at,
        about: None,
        more: json!({}),
    };
    let event = told.to_event();
    let put = Put {
        subject: event.subject.clone(),
        body: event.to_json(),
        expect: Expect::Nothing,
        id: Some(event.id.clone()),
    };
    if bus.put(put).await.is_err() {
        out.talk("the gate is closed, but the event that tells so may not be stored");
    }
}

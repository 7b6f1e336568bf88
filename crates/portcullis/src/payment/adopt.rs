//! `portcullis payment adopt`: a person has the wallet's record follow the world.

use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, BusError};
use serde_json::{Value, json};
use wire::{
    Wire as _,
    message::{AdoptReply, AdoptRequest},
    subject,
};

use super::AdoptArgs;
use crate::{
    exit::{Code, Ended},
    out::Out,
};

pub(super) async fn run(args: &AdoptArgs) -> anyhow::Result<()> {
    let out = &Out::new(args.bus.json);
    let person = args.person.name()?;
    if args.note.trim().is_empty() {
        return Err(Ended::usage("--note is empty: say why the record is older").into());
    }
    let bus = &crate::reach::bus(&args.bus.nats, "payment").await?;
    let note = args.note.trim().to_owned();
    let look = AdoptRequest { person, note, look: true, expected_next: None };
    let foreseen = ask(bus, &look).await?;
    for line in foretold(&foreseen) {
        out.talk(&line);
    }
    let request = AdoptRequest { look: false, expected_next: Some(foreseen.before), ..look };
    let done = ask(bus, &request).await?;
    out.talk(&format!(
        "the record of {} has {} as its next nonce now, by {}",
        done.wallet, done.next, request.person
    ));
    if out.json {
        out.object(&object(&request, &done))?;
    } else {
        out.talk("what is signed next rests on that; open the gate: portcullis gate open wallet --note \"…\"");
    }
    Ok(())
}

/// How long a payer may take: it asks the chain and the inbox.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Asks whichever payer takes it.
async fn ask(bus: &Bus, request: &AdoptRequest) -> anyhow::Result<AdoptReply> {
    let answer = match bus.ask(subject::ADOPT, request.encode(), ANSWER_WITHIN).await {
        Ok(answer) => answer,
        Err(BusError::NobodyAnswers { .. }) => {
            let text = "no welcome-payer is running, and only it knows the wallet: start it, \
                        then adopt again";
            return Err(Ended::new(Code::Bus, text).into());
        }
        Err(BusError::TimedOut { .. }) => {
            let text = "the welcome-payer did not answer in time, and may have done it; run this \
                        again: where nothing is left to do, it says so";
            return Err(Ended::new(Code::Bus, text).into());
        }
        Err(error) => return Err(error).context("ask the welcome-payer"),
    };
    let reply = AdoptReply::decode(&answer).context("read the welcome-payer's answer")?;
    match reply.refused {
        Some(refused) => Err(Ended::refused(refused).into()),
        None => Ok(reply),
    }
}

/// What will happen, and what it will not change.
fn foretold(reply: &AdoptReply) -> Vec<String> {
    let AdoptReply { wallet, before, next, chain_next, mempool, .. } = reply;
    let mut lines = vec![format!(
        "wallet {wallet}: the record's next nonce is {before}, the chain expects {chain_next}"
    )];
    if !mempool.is_empty() {
        let nonces: Vec<String> = mempool.iter().map(ToString::to_string).collect();
        lines.push(format!("waiting in the mempool: {}", nonces.join(", ")));
    }
    lines.push(format!(
        "adopting makes {next} the next nonce and begins nothing; for what used {before} to {} \
         no payment is made up, see on the chain where it went",
        next.saturating_sub(1)
    ));
    if let Some(first) = reply.unknown_messages.first() {
        lines.push(format!(
            "{} messages were sent to agents of whom the record knows nothing, the newest {first}; \
             the inbox is asked before each payment, so they are not paid again",
            reply.unknown_messages.len()
        ));
    }
    lines
}

fn object(request: &AdoptRequest, done: &AdoptReply) -> Value {
    json!({
        "wallet": done.wallet,
        "before": done.before,
        "next": done.next,
        "chain_next": done.chain_next,
        "mempool": done.mempool,
        "unknown_messages": done.unknown_messages,
        "by": request.person,
        "note": request.note,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever adopts reads first which nonces are taken over and what was sent unrecorded.
    #[test]
    fn foretells() {
        let reply = AdoptReply {
            refused: None,
            wallet: "SP1".to_owned(),
            before: 3,
            next: 9,
            chain_next: 8,
            mempool: vec![8],
            unknown_messages: vec!["msg_1 to SP2".to_owned()],
        };
        let told = foretold(&reply).join("\n");
        for part in ["next nonce is 3", "expects 8", "mempool: 8", "3 to 8", "msg_1 to SP2"] {
            assert!(told.contains(part), "{part:?} is not in {told}");
        }
        assert_eq!(foretold(&AdoptReply { next: 1, ..AdoptReply::default() }).len(), 2);
    }
}

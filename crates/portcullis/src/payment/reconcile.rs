//! `portcullis payment reconcile`: do record, inbox and chain agree?

use std::time::Duration;

use domain::PayerConfig;
use logic::reconcile::{Findings, compare};

use super::{
    ReconcileArgs,
    ask::{Asked, ask},
    told::Told,
};
use crate::{
    exit::{Code, Ended},
    look,
    out::Out,
};

const SINCE: Duration = Duration::from_secs(86_400);

pub(super) async fn run(args: &ReconcileArgs) -> anyhow::Result<()> {
    let out = &Out::new(args.bus.json);
    let bus = &crate::reach::bus(&args.bus.nats, "payment").await?;
    fleet::go_by_brokers_time(bus).await;
    let config = look::config(bus).await?;
    let payer = payer(config.payer.as_ref(), args.network.as_deref())?;
    let within = (!args.all).then(|| args.since.unwrap_or(SINCE));
    let Asked { facts, unread } = ask(bus, payer, within).await?;
    let mut findings = compare(&facts);
    findings.not_compared.extend(unread);
    let told = Told { facts: &facts, findings: &findings, within, network: &payer.network };
    if out.json {
        out.object(&told.object())?;
    } else {
        out.data(&told.text(out))?;
    }
    verdict(&findings).map_err(Into::into)
}

/// The payer's settings, if they are those of the network that the person has in mind.
fn payer<'a>(
    payer: Option<&'a PayerConfig>,
    network: Option<&str>,
) -> Result<&'a PayerConfig, Ended> {
    let payer = payer.ok_or_else(|| {
        Ended::usage("the configuration has no table [payer], so there is no inbox and no chain")
    })?;
    match network {
        Some(meant) if meant != payer.network => Err(Ended::usage(format!(
            "the configuration in force is for {}, not for {meant}: --nats-url may name another \
             fleet than you mean",
            payer.network
        ))),
        _ => Ok(payer),
    }
}

/// What was found comes before what is not known; only all compared and nothing found is fine.
fn verdict(findings: &Findings) -> Result<(), Ended> {
    match (findings.differences.len(), findings.not_compared.len()) {
        (0, 0) => Ok(()),
        (0, count) => Err(Ended::new(
            Code::Bus,
            format!("nothing differs as far as was seen, and {count} parts were not compared"),
        )),
        (1, _) => Err(Ended::new(Code::Failed, "record, inbox and chain disagree in one thing")),
        (count, _) => Err(Ended::new(
            Code::Failed,
            format!("record, inbox and chain disagree in {count} things"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use logic::reconcile::{Difference, Kind};

    use super::*;

    /// 0 only where all was compared and nothing found; what was found is worse than what is
    /// not known.
    #[test]
    fn unknown_is_not_fine() {
        let found = Difference {
            kind: Kind::NoContact,
            agent: None,
            wallet: String::new(),
            key: None,
            nonce: None,
            txid: None,
            what: String::new(),
            remedy: String::new(),
        };
        let findings = |found: &[Difference], unknown: &[&str]| Findings {
            differences: found.to_vec(),
            not_compared: unknown.iter().map(ToString::to_string).collect(),
            fresh: BTreeSet::new(),
            ..Findings::default()
        };
        let code = |findings| verdict(&findings).err().map(|ended| ended.code);
        assert_eq!(code(findings(&[], &[])), None);
        assert_eq!(code(findings(&[], &["x"])), Some(Code::Bus));
        assert_eq!(code(findings(std::slice::from_ref(&found), &[])), Some(Code::Failed));
        assert_eq!(code(findings(&[found], &["x"])), Some(Code::Failed));
    }
}

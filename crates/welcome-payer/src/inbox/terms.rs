//! What the inbox asks for, held against what we would pay: said loudly, and nothing is paid.

use domain::{Letter, Sats};
use logic::classify::{Answer, Failure, Phase, classify};
use stacks::sbtc_asset;
use x402::{Chosen, PaymentRequired, Terms, header, select};

use super::{ASK_WITHIN, Inbox, body};
use crate::{http, reply::reply};

/// Why there is nothing to pay by.
#[derive(Clone, Debug)]
pub(crate) enum NoTerms {
    /// It asks for what we do not pay (`target.payment-terms`).
    Others(String),
    /// It does not say what it asks for.
    Untold(Failure),
    /// It took the post without a payment.
    Unasked,
}

impl Inbox {
    /// Posts without a payment, which delivers nothing and costs nothing, and chooses among
    /// the terms of the answer what costs `amount_max` at most.
    pub(crate) async fn terms(&self, letter: &Letter, amount_max: Sats) -> Result<Chosen, NoTerms> {
        let request = self.client.post(self.route(letter)).timeout(ASK_WITHIN);
        let response = http::ask(request.json(&body(letter))).await;
        let required =
            PaymentRequired::read(response.header(header::PAYMENT_REQUIRED), &response.text);
        let mut reply = reply(&response);
        reply.has_terms = required.is_ok();
        match (classify(Phase::Probe, &reply), required) {
            (Answer::PaymentRequired, Ok(required)) => {
                let pay_to = letter
                    .to_stx
                    .parse()
                    .map_err(|error| NoTerms::Others(format!("{}: {error}", letter.to_stx)))?;
                let (network, asset) = (self.network, sbtc_asset(self.network));
                let terms = Terms { network, asset, max_amount: amount_max.get(), pay_to };
                select(&required, &terms).map_err(|error| NoTerms::Others(error.to_string()))
            }
            (Answer::Failure(failure) | Answer::Disowned(failure), _) => {
                Err(NoTerms::Untold(failure))
            }
            _ => Err(NoTerms::Unasked),
        }
    }
}

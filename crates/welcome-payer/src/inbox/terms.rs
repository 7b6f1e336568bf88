//! What the inbox asks for, held against what we would pay: said loudly, and nothing is paid.

use domain::{Letter, Sats};
use logic::classify::{Answer, Failure};
use stacks::sbtc_asset;
use x402::{Chosen, Terms, select};

use super::Inbox;

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
        match self.unpaid(letter).await {
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

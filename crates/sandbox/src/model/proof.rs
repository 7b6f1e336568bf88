//! What the relay hands out as proof of a payment.

use stacks::hex;

use super::{
    World,
    chain::Tx,
    memory::{Receipt, Said},
    payment::{PaymentStatus, Stage},
    relay::PaymentIndex,
};

impl World {
    /// The transaction of a payment, once there is one.
    pub(crate) fn tx_of(&self, payment: PaymentIndex) -> Option<&Tx> {
        match self.relay.payment(payment).stage {
            Stage::Sent { index } => Some(self.chain.tx(index)),
            _ => None,
        }
    }

    /// The transaction as it was broadcast, in hex.
    pub(crate) fn sponsored_hex(&self, payment: PaymentIndex) -> Option<String> {
        let tx = self.tx_of(payment)?;
        let wallet = self.relay.wallets.iter().find(|wallet| wallet.address == tx.sponsor)?;
        let parcel = &self.relay.payment(payment).parcel;
        let sealed = wallet.sealed(parcel, tx.sponsor_nonce).ok()?;
        Some(hex::encode(&sealed.encode()))
    }

    /// What was said of these bytes before, if a repeat is to hear it again.
    pub(crate) fn said(&self, payment: PaymentIndex) -> Option<Said> {
        let digest = &self.relay.payment(payment).parcel.digest;
        self.relay.memory.said(digest, self.now_ms).cloned()
    }

    /// Keeps what is about to be said of a payment, with a receipt if there is to be one. What
    /// failed is forgotten: its bytes may be sent again.
    pub(crate) fn say(&mut self, payment: PaymentIndex, with_receipt: bool) -> Said {
        let status = self.status(payment);
        let height = match &status {
            PaymentStatus::Confirmed { height, .. } => Some(*height),
            _ => None,
        };
        let digest = self.relay.payment(payment).parcel.digest;
        if matches!(status, PaymentStatus::Failed { .. }) {
            self.relay.memory.forget(&digest);
            return Said { height, receipt: None };
        }
        let receipt = with_receipt.then(|| self.ids.uuid());
        if let Some(id) = &receipt {
            let (confirmed, created_ms) = (height.is_some(), self.now_ms);
            self.relay.memory.hand_out(id.clone(), Receipt { payment, confirmed, created_ms });
        }
        let said = Said { height, receipt };
        self.relay.memory.say(digest, &said);
        said
    }
}

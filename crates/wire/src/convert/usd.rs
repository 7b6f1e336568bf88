use domain::{MicroUsd, UsdHold, UsdSpending};

use super::{DecodeError, Wire, at, parse};
use crate::proto;

impl Wire for UsdSpending {
    type Proto = proto::UsdSpending;

    fn to_proto(&self) -> proto::UsdSpending {
        proto::UsdSpending {
            kind: self.kind.to_string(),
            day: self.day,
            today_micro_usd: self.today.get(),
            spent_micro_usd: self.spent.get(),
            held: self.held.iter().map(hold_to).collect(),
        }
    }

    fn of_proto(spending: proto::UsdSpending) -> Result<Self, DecodeError> {
        Ok(UsdSpending {
            kind: parse("kind", &spending.kind)?,
            day: spending.day,
            today: MicroUsd::new(spending.today_micro_usd),
            spent: MicroUsd::new(spending.spent_micro_usd),
            held: spending.held.into_iter().map(hold_of).collect::<Result<_, _>>()?,
        })
    }
}

fn hold_to(hold: &UsdHold) -> proto::UsdHold {
    proto::UsdHold {
        task: hold.task.to_string(),
        attempt: hold.attempt,
        most_micro_usd: hold.most.get(),
        since_ms: hold.since.as_millis(),
    }
}

fn hold_of(hold: proto::UsdHold) -> Result<UsdHold, DecodeError> {
    Ok(UsdHold {
        task: parse("held.task", &hold.task)?,
        attempt: hold.attempt,
        most: MicroUsd::new(hold.most_micro_usd),
        since: at(hold.since_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a kind has spent reads back whole; a key that is none is refused.
    #[test]
    fn reads_back() {
        let hold = UsdHold {
            task: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            attempt: 3,
            most: MicroUsd::new(4),
            since: at(5),
        };
        let spending = UsdSpending {
            day: 20_523,
            today: MicroUsd::new(1),
            spent: MicroUsd::new(2),
            held: vec![hold],
            ..UsdSpending::new("nightly".parse().unwrap())
        };
        assert_eq!(UsdSpending::decode(&spending.encode()).unwrap(), spending);
        let mut garbled = spending.to_proto();
        garbled.held[0].task = "x".to_owned();
        assert!(UsdSpending::of_proto(garbled).is_err());
    }
}

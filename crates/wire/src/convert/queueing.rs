use std::time::Duration;

use domain::{Follower, Lineage, RetriesSpent, RetryBudget, RetrySlice, Seat};

use super::{DecodeError, Wire, at, millis, parse};
use crate::proto;

impl Wire for Lineage {
    type Proto = proto::Lineage;

    fn to_proto(&self) -> proto::Lineage {
        proto::Lineage {
            parent_kind: self.parent_kind.to_string(),
            parent: self.parent.to_string(),
            root_kind: self.root_kind.to_string(),
            root: self.root.to_string(),
            depth: self.depth,
            spent: self.spent,
            budget: self.budget,
        }
    }

    fn of_proto(lineage: proto::Lineage) -> Result<Self, DecodeError> {
        Ok(Lineage {
            parent_kind: parse("follows.parent_kind", &lineage.parent_kind)?,
            parent: parse("follows.parent", &lineage.parent)?,
            root_kind: parse("follows.root_kind", &lineage.root_kind)?,
            root: parse("follows.root", &lineage.root)?,
            depth: lineage.depth,
            spent: lineage.spent,
            budget: lineage.budget,
        })
    }
}

impl Wire for Follower {
    type Proto = proto::Follower;

    fn to_proto(&self) -> proto::Follower {
        proto::Follower { kind: self.kind.to_string(), source_key: self.source_key.to_string() }
    }

    fn of_proto(follower: proto::Follower) -> Result<Self, DecodeError> {
        Ok(Follower {
            kind: parse("kind", &follower.kind)?,
            source_key: parse("source_key", &follower.source_key)?,
        })
    }
}

impl Wire for Seat {
    type Proto = proto::Seat;

    fn to_proto(&self) -> proto::Seat {
        proto::Seat {
            kind: self.kind.to_string(),
            task: self.task.to_string(),
            attempt: self.attempt,
        }
    }

    fn of_proto(seat: proto::Seat) -> Result<Self, DecodeError> {
        Ok(Seat {
            kind: parse("kind", &seat.kind)?,
            task: parse("task", &seat.task)?,
            attempt: seat.attempt,
        })
    }
}

impl Wire for RetryBudget {
    type Proto = proto::RetryBudget;

    fn to_proto(&self) -> proto::RetryBudget {
        proto::RetryBudget {
            share_permille: self.share_permille,
            floor: self.floor,
            per_ms: millis(self.per),
        }
    }

    fn of_proto(budget: proto::RetryBudget) -> Result<Self, DecodeError> {
        Ok(RetryBudget {
            share_permille: budget.share_permille,
            floor: budget.floor,
            per: Duration::from_millis(budget.per_ms),
        })
    }
}

impl Wire for RetriesSpent {
    type Proto = proto::RetriesSpent;

    fn to_proto(&self) -> proto::RetriesSpent {
        let slice = |slice: &RetrySlice| proto::RetrySlice {
            from_ms: slice.from.as_millis(),
            first: slice.first,
            repeated: slice.repeated,
        };
        proto::RetriesSpent { slices: self.slices.iter().map(slice).collect(), mark: self.mark }
    }

    fn of_proto(spent: proto::RetriesSpent) -> Result<Self, DecodeError> {
        let slice = |slice: proto::RetrySlice| RetrySlice {
            from: at(slice.from_ms),
            first: slice.first,
            repeated: slice.repeated,
        };
        let slices = spent.slices.into_iter().map(slice).collect();
        Ok(RetriesSpent { slices, mark: spent.mark })
    }
}

#[cfg(test)]
mod tests {
    use domain::{Task, Timestamp};

    use super::*;

    /// W2: a task keeps its times and what it inherited; a lineage without a root makes no
    /// sense.
    #[test]
    fn a_task_keeps_its_times_and_its_lineage() {
        let lineage = Lineage {
            parent_kind: "prompt".parse().unwrap(),
            parent: "report/2".parse().unwrap(),
            root_kind: "script".parse().unwrap(),
            root: "report/1".parse().unwrap(),
            depth: 2,
            spent: 3,
            budget: 5,
        };
        let task = Task {
            kind: "prompt".parse().unwrap(),
            source_key: "report/3".parse().unwrap(),
            created_by: "ann".to_owned(),
            created_at: Timestamp::from_millis(1),
            contact: None,
            payload: "{}".to_owned(),
            not_before: Some(Timestamp::from_millis(2)),
            expires_at: Some(Timestamp::from_millis(3)),
            follows: Some(Box::new(lineage.clone())),
        };
        assert_eq!(Task::decode(&task.encode()).unwrap(), task);
        let plain = Task { not_before: None, expires_at: None, follows: None, ..task };
        assert_eq!(Task::decode(&plain.encode()).unwrap(), plain);
        let rootless = proto::Lineage { root: String::new(), ..lineage.to_proto() };
        assert!(Lineage::of_proto(rootless).is_err());
    }

    /// W2: a follower reads back, and one that names nobody makes no sense.
    #[test]
    fn a_follower_reads_back() {
        let (kind, source_key) = ("prompt".parse().unwrap(), "report/3".parse().unwrap());
        let follower = Follower { kind, source_key };
        assert_eq!(Follower::decode(&follower.encode()).unwrap(), follower);
        assert!(Follower::of_proto(proto::Follower::default()).is_err());
    }

    /// A seat names its occupant, and one that names nobody makes no sense.
    #[test]
    fn a_seat_reads_back() {
        let key = domain::SourceKey::key(&"welcome/SP1".parse().unwrap());
        let seat = Seat { kind: "welcome".parse().unwrap(), task: key, attempt: 3 };
        assert_eq!(Seat::decode(&seat.encode()).unwrap(), seat);
        assert!(Seat::decode(b"").is_err());
    }

    /// The budget of repeated attempts and what was spent of it read back whole.
    #[test]
    fn retries_read_back() {
        let slice = RetrySlice { from: at(60_000), first: 40, repeated: 3 };
        let spent = RetriesSpent { slices: vec![slice], mark: 9 };
        assert_eq!(RetriesSpent::decode(&spent.encode()).unwrap(), spent);
        let budget = RetryBudget::DEFAULT;
        assert_eq!(RetryBudget::decode(&budget.encode()).unwrap(), budget);
    }
}

//! Where the sandbox knowingly differs from the recordings, and why.
//!
//! Both lists have to stay true: an entry that covers nothing any more fails the test.

use super::recording::{Exchange, Recording};

/// Recorded, and not asked of the sandbox.
#[derive(Debug)]
pub(crate) struct Unreproduced {
    /// The beginning of a recording's name; empty for any.
    recording: &'static str,
    /// Method and beginning of the path; empty for any.
    request: &'static str,
    /// The exchange's name; empty for any.
    exchange: &'static str,
    #[expect(dead_code, reason = "printed when an entry is stale")]
    why: &'static str,
}

/// An answer that is not as recorded.
#[derive(Debug)]
pub(crate) struct Difference {
    /// The beginning of a recording's name; empty for any.
    recording: &'static str,
    /// Part of the exchange's name; empty for any.
    exchange: &'static str,
    /// Where, as the comparison tells it.
    at: &'static str,
    #[expect(dead_code, reason = "printed when an entry is stale")]
    why: &'static str,
}

impl Unreproduced {
    pub(crate) fn covers(&self, recording: &Recording, exchange: &Exchange) -> bool {
        let request = format!("{} {}", exchange.method, exchange.path);
        let same_request = match self.request.strip_suffix('*') {
            Some(beginning) => request.starts_with(beginning),
            None => self.request.is_empty() || request == self.request,
        };
        recording.name.starts_with(self.recording)
            && same_request
            && (self.exchange.is_empty() || exchange.name == self.exchange)
    }
}

impl Difference {
    pub(crate) fn covers(&self, recording: &str, exchange: &str, at: &str) -> bool {
        recording.starts_with(self.recording) && exchange.contains(self.exchange) && at == self.at
    }
}

pub(crate) const UNREPRODUCED: &[Unreproduced] = &[
    Unreproduced {
        recording: "30-",
        request: "",
        exchange: "",
        why: "the binding between inbox and relay, which no client reaches; what it says comes \
              out of the inbox, and is compared there",
    },
    Unreproduced { recording: "32-", request: "", exchange: "", why: "the same binding" },
    Unreproduced {
        recording: "16-",
        request: "",
        exchange: "",
        why: "a node that spells transaction ids with 0x; with the usual spelling the route finds \
              nothing, which is compared in 02 and 06",
    },
    Unreproduced {
        recording: "",
        request: "GET /",
        exchange: "",
        why: "a page about the relay, for people",
    },
    Unreproduced {
        recording: "",
        request: "GET /fees",
        exchange: "",
        why: "fee tiers: the sponsor pays one fee here",
    },
    Unreproduced {
        recording: "",
        request: "GET /wallets",
        exchange: "",
        why: "STX balances and fees of the sponsor's wallets: the sandbox moves no STX",
    },
    Unreproduced {
        recording: "00-",
        request: "POST /keys/provision-stx",
        exchange: "",
        why: "the sandbox hands out no API keys",
    },
    Unreproduced {
        recording: "m12-02-",
        request: "",
        exchange: "second payment same sender nonce 0",
        why: "its conflict came from what an aborted run had left in the recorded node",
    },
];

pub(crate) const DIFFERENCES: &[Difference] = &[
    worded("not JSON"),
    worded("empty body"),
    mixed("$.isValid"),
    mixed("$.payer"),
    mixed("$.invalidReason"),
    filled("$.settlement.status"),
    filled("$.settlement.blockHeight"),
    counted("GET /status/sponsor after +35 s", "$.noncePool.conflictsDetected"),
    counted("stuck for ~70 s: GET /status/sponsor", "$.noncePool.conflictsDetected"),
    counted("stuck for ~70 s: GET /nonce/stats", "$.stats.conflictsDetected"),
    counted("right after release: GET /status/sponsor", "$.noncePool.conflictsDetected"),
    counted("right after release: GET /nonce/stats", "$.stats.conflictsDetected"),
    counted("end: GET /status/sponsor", "$.noncePool.conflictsDetected"),
    counted("end: GET /nonce/stats", "$.stats.conflictsDetected"),
];

const fn worded(exchange: &'static str) -> Difference {
    Difference {
        recording: "03-",
        exchange,
        at: "$.details",
        why: "how a parser words what is no JSON",
    }
}

const fn mixed(at: &'static str) -> Difference {
    Difference {
        recording: "05-",
        exchange: "mainnet tx, testnet requirements",
        at,
        why: "a mainnet transaction that names a testnet contract: no payer of ours can sign one, \
              and the decoder that the sandbox shares with it refuses to read one",
    }
}

const fn filled(at: &'static str) -> Difference {
    Difference {
        recording: "13-",
        exchange: "TooMuchChaining sponsor — same tx",
        at,
        why: "the relay's alarm had filled the holes that the faults before had left, by \
              transfers of its own; the sandbox's relay leaves them, which is the worse of the two",
    }
}

const fn counted(exchange: &'static str, at: &'static str) -> Difference {
    Difference {
        recording: "21-",
        exchange,
        at,
        why: "a count that went up once after another run had released the nonces; what matters, \
              that it is 0 while they are stuck, is compared",
    }
}

//! The promises of the world, on its own clock.

use serde_json::json;
use stacks::{Address, Network, PrivateKey, Transfer, sign_transfer};

use super::{chain::Rejection, *};

const BLOCK_MS: u64 = 100;

/// A world, its time, and a payer of every kind.
struct Story {
    world: World,
    now_ms: u64,
}

impl Story {
    fn new(relay: RelayVersion) -> Self {
        Story::with(Options { relay, agents: 5, block_ms: BLOCK_MS, ..Options::default() })
    }

    fn with(options: Options) -> Self {
        Story { world: World::new(options, 0).unwrap(), now_ms: 0 }
    }

    fn set(&mut self, knobs: Value) {
        self.world.set_faults(knobs.as_object().unwrap().clone()).unwrap();
    }

    fn wait(&mut self, ms: u64) {
        self.now_ms += ms;
        self.world.advance(self.now_ms);
    }

    fn agent(&self, index: usize) -> String {
        let mut directory = Directory::new(5, 1, Network::Mainnet);
        directory.listed(0, 0)[index].stx_address.clone().unwrap()
    }

    fn parcel(&self, sender: u8, nonce: u64, to: usize) -> Parcel {
        parcel(&key(sender), nonce, &self.agent(to), 100)
    }

    /// Posts to the inbox of an agent, as the sender says.
    fn post(&mut self, sender: u8, nonce: u64, to: usize) -> Result<PaymentIndex, Refusal> {
        let parcel = self.parcel(sender, nonce, to);
        self.post_parcel(&parcel, to)
    }

    fn post_parcel(&mut self, parcel: &Parcel, to: usize) -> Result<PaymentIndex, Refusal> {
        let to_stx = self.agent(to);
        let terms = self.world.terms(&to_stx);
        let letter = Letter { to_btc: "bc1q".into(), to_stx, content: "hello".into() };
        self.world.post(parcel, letter, terms)
    }

    fn confirmed(&self, payment: PaymentIndex) -> bool {
        matches!(self.world.status(payment), PaymentStatus::Confirmed { .. })
    }

    fn settled(&self) -> usize {
        self.world.ledger.transfers().len()
    }
}

fn key(sender: u8) -> PrivateKey {
    PrivateKey::from_hex(&format!("{sender:064x}")).unwrap()
}

fn parcel(key: &PrivateKey, nonce: u64, to: &str, amount: u64) -> Parcel {
    let transfer = Transfer::new(Network::Mainnet, nonce, amount, to.parse().unwrap());
    let signed = sign_transfer(&transfer, key).unwrap();
    Parcel::read(&hex::encode(&signed.bytes), Network::Mainnet).unwrap()
}

const CONFLICT: Refusal = Refusal::NonceConflict(Rejection::ConflictingNonceInMempool);

/// March, one stuck nonce, planted before anything was sent: every sender and every repeat is
/// refused, while the indexer shows nothing; once healed, the same bytes pay once.
#[test]
fn march_refuses_everybody() {
    let mut story = Story::new(RelayVersion::March);
    story.set(json!({"stuck_nonce": true}));
    for sender in [1, 2, 1] {
        assert_eq!(story.post(sender, 0, 0), Err(CONFLICT));
        story.wait(BLOCK_MS);
    }
    let wallet = story.world.relay.wallets[0].address;
    let seen = story.world.chain.nonces(&wallet);
    assert!(seen.mempool.is_empty() && seen.missing.is_empty() && seen.possible_next == 0);
    assert!(story.world.stuck());

    story.world.heal(Heal::Confirm, true);
    let payment = story.post(1, 0, 0).unwrap();
    story.wait(BLOCK_MS);
    assert!(story.confirmed(payment) && !story.world.stuck());
    assert_eq!((story.settled(), story.world.relay.conflicts), (1, 3));
}

/// March, healed behind the relay's back: the first try is one behind the chain and is refused
/// as `BadNonce`, the second goes through. So it was recorded.
#[test]
fn march_stumbles_once_after_a_release() {
    let mut story = Story::new(RelayVersion::March);
    story.set(json!({"stuck_nonce": 1}));
    assert_eq!(story.post(1, 0, 0), Err(CONFLICT));
    story.world.heal(Heal::Confirm, false);
    assert_eq!(story.post(1, 0, 0), Err(Refusal::NonceConflict(Rejection::BadNonce)));
    let payment = story.post(1, 0, 0).unwrap();
    story.wait(BLOCK_MS);
    assert!(story.confirmed(payment));
}

/// A world that begins with a stuck nonce refuses its first payment, and begins so again after a
/// reset.
#[test]
fn a_world_may_begin_stuck() {
    let options = Options { stuck_nonce: true, agents: 5, ..Options::default() };
    let mut story = Story::with(options);
    assert_eq!(story.post(1, 0, 0), Err(CONFLICT));
    story.world.heal(Heal::Confirm, true);
    story.post(1, 0, 0).unwrap();
    story.world.reset().unwrap();
    assert_eq!(story.post(1, 0, 0), Err(CONFLICT));
}

/// Today, one stuck nonce: everything is accepted and nothing confirms, however long; the release
/// settles each exactly once.
#[test]
fn today_accepts_and_never_confirms() {
    let mut story = Story::new(RelayVersion::Today);
    story.set(json!({"stuck_nonce": true}));
    let payments: Vec<_> = (0..4).map(|nonce| story.post(1, nonce, 0).unwrap()).collect();
    story.wait(3_600_000);
    assert_eq!((story.settled(), story.world.relay.conflicts), (0, 0));
    for payment in &payments {
        assert!(matches!(story.world.status(*payment), PaymentStatus::Mempool { .. }));
    }
    story.world.heal(Heal::Confirm, true);
    story.wait(BLOCK_MS);
    assert!(payments.iter().all(|payment| story.confirmed(*payment)));
    assert_eq!(story.settled(), 4);
}

/// Today, one stuck nonce that vanishes instead of confirming: the next payment takes the hole,
/// and those behind it follow.
#[test]
fn today_fills_a_dropped_hole() {
    let mut story = Story::new(RelayVersion::Today);
    story.set(json!({"stuck_nonce": true}));
    let behind = story.post(1, 0, 0).unwrap();
    story.world.heal(Heal::Drop, true);
    story.wait(BLOCK_MS);
    assert!(!story.confirmed(behind));
    let filler = story.post(2, 0, 1).unwrap();
    story.wait(BLOCK_MS);
    assert!(story.confirmed(behind) && story.confirmed(filler));
}

/// Today, thirty stuck nonces: refused, for ever, two broadcasts a time.
#[test]
fn today_refuses_behind_many() {
    let mut story = Story::new(RelayVersion::Today);
    story.set(json!({"stuck_count": 30}));
    for _ in 0..20 {
        assert_eq!(story.post(1, 0, 0), Err(CONFLICT));
        story.wait(BLOCK_MS);
    }
    assert_eq!(story.world.relay.wallets[0].assigned, 40);
    story.set(json!({"stuck_count": 0}));
    let payment = story.post(1, 0, 0).unwrap();
    story.wait(BLOCK_MS);
    assert!(story.confirmed(payment));
}

/// Today's contended payments as the service binding has them: queued, given up after 25 s,
/// refused as a relay error when sent again, and fine once healed.
#[test]
fn contention_can_be_queued() {
    let mut story = Story::new(RelayVersion::Today);
    story.set(json!({"stuck_count": 30, "queue_contention": true}));
    let payment = story.post(1, 0, 0).unwrap();
    story.wait(10_000);
    assert!(matches!(story.world.status(payment), PaymentStatus::Queued { error: Some(_), .. }));
    story.wait(10_000);
    story.wait(10_000);
    let status = story.world.status(payment);
    assert!(matches!(status, PaymentStatus::Failed { reason: "sponsor_failure", .. }));
    assert_eq!(story.post(1, 0, 0), Err(Refusal::FailedAgain));
    story.set(json!({"stuck_count": 0}));
    assert_eq!(story.post(1, 0, 0), Ok(payment));
    story.wait(BLOCK_MS);
    assert!(story.confirmed(payment));
}

/// One of three wallets stuck: every third payment is refused, the others settle.
#[test]
fn one_of_several_wallets() {
    let march = Options { wallets: 3, block_ms: BLOCK_MS, agents: 5, ..Options::default() };
    let mut story = Story::with(march);
    story.set(json!({"stuck_nonce": true, "stuck_wallet": 1}));
    let answers: Vec<bool> = (1..=9).map(|sender| story.post(sender, 0, 0).is_ok()).collect();
    assert_eq!(answers, [true, false, true].repeat(3));
    story.wait(BLOCK_MS);
    assert_eq!(story.settled(), 6);
}

/// The same bytes, however often they come and whenever, move the money once.
#[test]
fn a_repeat_pays_once() {
    for relay in [RelayVersion::March, RelayVersion::Today] {
        let mut story = Story::new(relay);
        let payment = story.post(1, 0, 0).unwrap();
        assert_eq!(story.post(1, 0, 0), Ok(payment));
        story.wait(BLOCK_MS);
        assert_eq!(story.post(1, 0, 0), Ok(payment));
        story.wait(400_000);
        // March forgets after five minutes and calls it a conflict, although it was paid.
        let late = story.post(1, 0, 0);
        match relay {
            RelayVersion::March => {
                assert_eq!(late, Err(Refusal::NonceConflict(Rejection::BadNonce)));
            }
            RelayVersion::Today => assert_eq!(late, Ok(payment)),
        }
        story.wait(BLOCK_MS);
        assert_eq!(story.settled(), 1);
    }
}

/// Two transactions with one origin nonce: one pays, the other is told so by today's inbox and
/// is indistinguishable from a stuck nonce in March.
#[test]
fn one_origin_nonce_pays_once() {
    let mut march = Story::new(RelayVersion::March);
    march.post(1, 0, 0).unwrap();
    assert_eq!(march.post(1, 0, 1), Err(CONFLICT));

    let mut today = Story::new(RelayVersion::Today);
    today.post(1, 0, 0).unwrap();
    assert_eq!(today.post(1, 0, 1), Err(Refusal::SenderNonceDuplicate { nonce: 0 }));
    today.wait(BLOCK_MS);
    assert_eq!(today.post(1, 0, 1), Err(Refusal::SenderNonceStale { nonce: 0 }));
    assert_eq!(today.settled(), 1);
}

/// A gap holds the one payment today; in March it takes a sponsor nonce and holds everybody. Both
/// go on when the gap is filled.
#[test]
fn a_gap_holds() {
    let mut today = Story::new(RelayVersion::Today);
    let early = today.post(1, 1, 0).unwrap();
    let other = today.post(2, 0, 1).unwrap();
    today.wait(BLOCK_MS);
    assert!(matches!(today.world.status(early), PaymentStatus::Queued { held: true, .. }));
    assert!(today.confirmed(other));
    today.post(1, 0, 2).unwrap();
    today.wait(BLOCK_MS);
    today.wait(BLOCK_MS);
    assert!(today.confirmed(early));
    today.set(json!({"gap": "refuse"}));
    let refused = Refusal::SenderNonceGap { nonce: 5, expected: 2 };
    assert_eq!(today.post(1, 5, 0), Err(refused));

    // Several wallets, so that the filler does not stand behind the gap itself.
    let two = Options { wallets: 2, agents: 5, block_ms: BLOCK_MS, ..Options::default() };
    let mut march = Story::with(two);
    let early = march.post(1, 1, 0).unwrap();
    march.post(3, 0, 1).unwrap();
    let behind = march.post(2, 0, 1).unwrap();
    march.wait(10 * BLOCK_MS);
    assert!(!march.confirmed(early) && !march.confirmed(behind));
    march.post(1, 0, 2).unwrap();
    march.wait(BLOCK_MS);
    assert!(march.confirmed(early) && march.confirmed(behind));
}

/// A message is stored once, after the payment confirmed, and never for a payment that does not
/// pay its recipient enough.
#[test]
fn a_message_is_bought_once() {
    let mut story = Story::new(RelayVersion::Today);
    let payment = story.post(1, 0, 0).unwrap();
    assert_eq!(story.world.deliver(payment), None);
    story.wait(BLOCK_MS);
    let Some(Delivery::Stored(message)) = story.world.deliver(payment) else { panic!("stored") };
    assert_eq!(story.world.deliver(payment), Some(Delivery::Already(message.id)));

    let cheap = parcel(&key(1), 1, &story.agent(0), 99);
    let astray = parcel(&key(1), 2, &story.agent(3), 100);
    let unpaid = [cheap, astray].map(|parcel| story.post_parcel(&parcel, 0).unwrap());
    story.wait(BLOCK_MS);
    for payment in unpaid {
        assert!(story.confirmed(payment));
        assert_eq!(story.world.deliver(payment), None);
    }
    assert_eq!((story.settled(), story.world.ledger.messages()), (3, 1));
}

/// March looks at what is paid before it sends; a repeat of remembered bytes is not looked at.
#[test]
fn march_checks_the_terms() {
    let mut story = Story::new(RelayVersion::March);
    let astray = story.parcel(1, 0, 3);
    let refused = Refusal::Mismatch(relay::Mismatch::Recipient);
    assert_eq!(story.post_parcel(&astray, 0), Err(refused));
    let cheap = parcel(&key(1), 0, &story.agent(0), 99);
    let refused = Refusal::Mismatch(relay::Mismatch::Amount);
    assert_eq!(story.post_parcel(&cheap, 0), Err(refused));
    let payment = story.post(1, 0, 0).unwrap();
    let again = story.parcel(1, 0, 0);
    assert_eq!(story.post_parcel(&again, 3), Ok(payment));
}

/// Money is finite: what a sender does not have is refused, and what it no longer has when the
/// block comes is aborted; the nonce is spent all the same.
#[test]
fn money_is_finite() {
    let mut story = Story::new(RelayVersion::Today);
    let sender: Address = key(1).address(Network::Mainnet);
    story.world.chain.account_mut(sender).sats = 150;
    let first = story.post(1, 0, 0).unwrap();
    let second = story.post(1, 1, 1).unwrap();
    story.wait(BLOCK_MS);
    assert!(story.confirmed(first));
    let status = story.world.status(second);
    assert!(matches!(status, PaymentStatus::Failed { reason: "chain_abort", .. }));
    assert_eq!(story.world.chain.account(&sender).nonce, 2);
    assert_eq!(story.post(1, 2, 2), Err(Refusal::InsufficientFunds));
    assert_eq!((story.settled(), story.world.stats().aborted), (1, 1));
}

/// A healed nonce sticks again after so many payments, as often as asked.
#[test]
fn flaps() {
    let mut story = Story::new(RelayVersion::March);
    story.set(json!({"flap": 1, "flap_after": 2}));
    for nonce in 0..2 {
        story.post(1, nonce, 0).unwrap();
        story.wait(BLOCK_MS);
    }
    assert_eq!(story.post(1, 2, 0), Err(CONFLICT));
    story.world.heal(Heal::Confirm, true);
    for nonce in 2..8 {
        story.post(1, nonce, 0).unwrap();
        story.wait(BLOCK_MS);
    }
    assert_eq!(story.settled(), 8);
}

/// A wallet holds so many unconfirmed transactions and no more; then the pool says that it is full.
#[test]
fn the_pool_fills() {
    let mut story = Story::new(RelayVersion::March);
    story.set(json!({"confirm_delay_ms": 10_000}));
    for sender in 1..=20 {
        story.post(sender, 0, 0).unwrap();
    }
    assert_eq!(story.post(21, 0, 0), Err(Refusal::PoolFull));
    story.wait(11_000);
    story.post(21, 0, 0).unwrap();
    assert_eq!(story.settled(), 20);
}

/// Blocks come by time alone; passing a long time at once is the same as passing it in pieces.
#[test]
fn blocks_follow_the_clock() {
    let mut one = Story::new(RelayVersion::March);
    let mut two = Story::new(RelayVersion::March);
    for story in [&mut one, &mut two] {
        story.set(json!({"confirm_delay_ms": 350}));
        story.post(1, 0, 0).unwrap();
    }
    one.wait(100_050);
    for _ in 0..2_001 {
        two.wait(50);
    }
    assert_eq!(one.world.chain.height, two.world.chain.height);
    assert_eq!(one.world.ledger.transfers(), two.world.ledger.transfers());
    assert_eq!(one.world.ledger.transfers()[0].at_ms, 400);
}

/// The widest gap there can be is listed in part, and breaks nothing.
#[test]
fn the_widest_gap() {
    let mut story = Story::new(RelayVersion::March);
    story.post(1, u64::MAX, 0).unwrap();
    story.wait(BLOCK_MS);
    let nonces = story.world.chain.nonces(&key(1).address(Network::Mainnet));
    assert_eq!((nonces.missing.len(), nonces.possible_next), (100, u64::MAX));
}

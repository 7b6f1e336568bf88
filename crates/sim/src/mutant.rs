//! Seeded faults: switches of the model's services, never of the machines that they ask. Each
//! is there to be caught, by the promise that it breaks.

/// What a service does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The sensor creates without the fence.
    FenceDropped,
    /// A dispatcher goes on after its claim is lost or over.
    StaleHolderActs,
    /// The gatekeeper takes every failure and success for one of the newest opening.
    StragglerMoves,
    /// The payer gives the nonce of a payment in doubt to the next.
    NonceLent,
    /// The payer takes a payment in doubt for one that failed.
    UnknownIsFailed,
    /// A claim whose holder vanished is taken over uncharged.
    LostNotCharged,
    /// The gatekeeper writes gate messages without the fence.
    PlainGateWrite,
    /// The payer posts the bytes before they are stored as about to leave.
    SendBeforeSave,
    /// A dispatcher acknowledges before the end is written.
    AckBeforeSave,
    /// A view does not look whether it has missed a gate message.
    HoleIgnored,
    /// A dispatcher does not ask whether the gates still let a claimed attempt through.
    GatesNotAsked,
    /// A dispatcher begins a canary without having won it.
    CanaryNotWon,
    /// A gatekeeper opens by itself what has been closed for a while.
    OpensByItself,
    /// A gatekeeper lets a canary go before the time that was named, or though none was.
    ResetsTooSoon,
    /// A gatekeeper lets it go before all that was told by then has been read.
    ResetsUnread,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 15] = [
        Mutant::FenceDropped,
        Mutant::StaleHolderActs,
        Mutant::StragglerMoves,
        Mutant::NonceLent,
        Mutant::UnknownIsFailed,
        Mutant::LostNotCharged,
        Mutant::PlainGateWrite,
        Mutant::SendBeforeSave,
        Mutant::AckBeforeSave,
        Mutant::HoleIgnored,
        Mutant::GatesNotAsked,
        Mutant::CanaryNotWon,
        Mutant::OpensByItself,
        Mutant::ResetsTooSoon,
        Mutant::ResetsUnread,
    ];

    /// What it does, in words.
    pub const fn told(self) -> &'static str {
        match self {
            Mutant::FenceDropped => "creates are not fenced",
            Mutant::StaleHolderActs => "a holder acts on after its claim is lost",
            Mutant::StragglerMoves => "a straggler opens and closes",
            Mutant::NonceLent => "the nonce of a payment in doubt is lent",
            Mutant::UnknownIsFailed => "unknown is taken for failed",
            Mutant::LostNotCharged => "a lost claim is not charged",
            Mutant::PlainGateWrite => "gate messages are not fenced",
            Mutant::SendBeforeSave => "bytes leave before they are stored",
            Mutant::AckBeforeSave => "acknowledged before the end is written",
            Mutant::HoleIgnored => "a missed gate message is not noticed",
            Mutant::GatesNotAsked => "a claimed attempt begins whatever the gates say",
            Mutant::CanaryNotWon => "a canary begins without having won",
            Mutant::OpensByItself => "a gatekeeper opens by itself",
            Mutant::ResetsTooSoon => "a canary goes before the time that was named",
            Mutant::ResetsUnread => "a canary goes before what was told is read",
        }
    }
}
